"""What one point is worth: Dice on the slice for made lesions, small pieces of the sample's labels and some organs; a table.

And in 3D, a made lesion carried on from the slice on which it was pointed at. A lesion is missed
where the Dice is below 0.1. The labels are TotalSegmentator's predictions, not a person's.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
from made_lesions import KINDS, PLACES, SLICES, Kind, Labelled, ellipse, finer, part, sample, with_lesions
from prompt_dice import at, in_3d
from scipy.ndimage import distance_transform_edt, label

from SAMedCore.checkpoint.load import load_promptable
from SAMedCore.evaluate.measures import dice
from SAMedCore.image.prompts import SlicePrompt
from SAMedCore.image.volume import Volume
from SAMedCore.model.promptable import Promptable
from SAMedCore.prompt.session import PromptSession
from SAMedCore.prompt.through import carry_on

SEEDS = (6, 7)
"""The constants were chosen on seeds 0 to 3."""
FINE_MM = (3.0, 0.8, 0.8)
PIECE_SLICES = range(8, 112, 12)
PIECE_PIXELS = (12, 600)
ORGANS = {"gallbladder": 4, "aorta": 52, "right kidney": 2, "left kidney": 3, "spleen": 1}
"""TotalSegmentator's values."""


def pointed(session: PromptSession, k: int, point: tuple[int, int]) -> np.ndarray:
    """The mask (j, i) of one point x y that belongs."""
    return session.mask(SlicePrompt(points_in=(at(session, *point, k),))).mask


def of_lesions(model: Promptable, scan: Labelled, slices: np.ndarray, seed: int) -> Iterator[tuple[Kind, float]]:
    """The Dice of made lesions, half of the kinds, from a point at the centre and from one off it."""
    kinds = [KINDS[n] for n in np.random.default_rng(seed).permutation(len(KINDS))[: len(KINDS) // 2]]
    volume, lesions = with_lesions(scan, kinds, slices, seed)
    session = PromptSession(volume, model)
    for lesion in lesions:
        for point in dict.fromkeys((lesion.centre, lesion.off_centre)):
            yield lesion.kind, dice(pointed(session, lesion.k, point), lesion.truth)


def of_label(session: PromptSession, k: int, truth: np.ndarray) -> float:
    """The Dice from a point as deep in a label's mask (j, i) as can be."""
    depth = distance_transform_edt(np.pad(truth, 1))[1:-1, 1:-1]
    row, column = (int(n) for n in np.unravel_index(depth.argmax(), depth.shape))
    return dice(pointed(session, k, (column, row)), truth)


def of_pieces(session: PromptSession, scan: Labelled) -> list[float]:
    """The Dice of connected pieces of all classes."""
    scores = []
    for k in PIECE_SLICES:
        for value in np.unique(scan.classes[k])[1:]:
            pieces, count = label(scan.classes[k] == value)
            masks = [pieces == n for n in range(1, count + 1)]
            scores += [of_label(session, k, m) for m in masks if PIECE_PIXELS[0] <= m.sum() <= PIECE_PIXELS[1]]
    return scores


def in_volume(model: Promptable, scan: Labelled, seed: int) -> Iterator[tuple[Kind, float, float]]:
    """Made ellipsoids in the liver and the muscle: Dice in 3D, and by how many mm it is carried too far."""
    random = np.random.default_rng(seed)
    for kind in [Kind(*each) for each in product((4, 6, 9), (-40, 60), (False, True))]:
        for place in ("liver", "muscle"):
            organ = np.isin(scan.classes, PLACES[place])
            depth = distance_transform_edt(organ, scan.spacing_mm)
            inner = np.argwhere(depth > min(kind.radius_mm, 0.8 * depth.max()))
            centre = inner[random.integers(len(inner))] + random.uniform(-0.4, 0.4, 3)
            inside, share = ellipse(organ.shape, scan.spacing_mm, centre, kind, random.uniform(0, np.pi))
            truth = inside & organ
            voxels = scan.volume.voxels + kind.contrast_hu * share * organ
            session = PromptSession(Volume(voxels.astype(np.float32), scan.volume.ijk_to_lps), model)
            k, row, column = (int(n) for n in np.rint(centre))
            kept = {k: pointed(session, k, (column, row))}
            drawn = in_3d(carry_on(session, kept), kept, truth.shape)
            held, true = (np.count_nonzero(each.any(axis=(1, 2))) for each in (drawn, truth))
            yield kind, dice(drawn, truth), float((held - true) * scan.spacing_mm[0])


def print_lesions(title: str, scores: list[tuple[Kind, float]]) -> None:
    """Rows of radii and columns of contrasts: the mean, and how many of how many were missed."""
    print(f"\n{title}: mean Dice (missed of all)")
    for radius in sorted({kind.radius_mm for kind, _ in scores}):
        cells = []
        for contrast in (25, 40, 60):
            some = np.array([one for kind, one in scores if (kind.radius_mm, abs(kind.contrast_hu)) == (radius, contrast)])
            if len(some):
                cells.append(f"{contrast} HU {some.mean():.2f} ({np.sum(some < 0.1)} of {len(some)})")
        print(f"  {radius:2g} mm  ", "   ".join(cells))


def main() -> None:
    model, scan = load_promptable("lite", "cpu"), sample()
    print_lesions("lesions, 3 mm", [one for seed in SEEDS for one in of_lesions(model, scan, SLICES, seed)])
    fine = finer(part(scan, SLICES[0], SLICES[-1]), FINE_MM)
    print_lesions("lesions, 0.8 mm", [one for seed in SEEDS for one in of_lesions(model, fine, SLICES - SLICES[0], seed)])
    session = PromptSession(scan.volume, model)
    pieces = of_pieces(session, scan)
    print(f"\n{len(pieces)} small pieces {np.mean(pieces):.3f}")
    for name, value in ORGANS.items():
        k = int((scan.classes == value).sum(axis=(1, 2)).argmax())
        print(f"{name} {of_label(session, k, scan.classes[k] == value):.2f}")
    for thickness in (3.0, 1.5):
        block = part(scan, SLICES[0] - 5, SLICES[-1] + 5)
        thin = block if thickness == 3 else finer(block, (thickness, 3, 3))
        found = list(in_volume(model, thin, SEEDS[0]))
        print_lesions(f"carried on, slices of {thickness:g} mm, 3D", [(kind, one) for kind, one, _ in found])
        print("  too long by, mm: ", " ".join(f"{far:g}" for _, _, far in found))


if __name__ == "__main__":
    main()
