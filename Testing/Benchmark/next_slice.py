"""Which slice to annotate next: the middle of the widest gap, the one that a model doubts most, or any; a table.

On slices 52 to 111 of the sample CT. Three annotated ones, evenly spaced, are given; one at a time is added, its labels being
the reference's (TotalSegmentator's, not a person's). What they are worth is the mean Dice of eight organs on all slices that
were not annotated, completed by shape interpolation. Doubt is the shipped checkpoint's, which learnt from every 6th slice of
this scan and so knows it better than any model that one would have by then.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from SAMedCore.complete.shapes import SliceShapes, interpolated
from SAMedCore.demo.sample import ORGAN_SLICES, fetch_sample
from SAMedCore.demo.show import organ_dice
from SAMedCore.image.orientation import reorient
from SAMedCore.image.slices import widest_gaps_first
from SAMedCore.image.volume import LabelMap
from SAMedCore.options import RankOptions
from SAMedCore.rank import rank_slices
from SAMedCore.segment import load_model

STARTS = ((58, 78, 98), (62, 82, 102), (66, 86, 106))
"""The slices that are given, one row for each seed."""
SCORED_AT = (5, 7, 9, 13)

Choose = Callable[[list[int]], int]
"""The annotated slices to the next one."""


def rest(annotated: Sequence[int]) -> list[int]:
    return [k for k in ORGAN_SLICES if k not in annotated]


def by_spacing(annotated: list[int]) -> int:
    return widest_gaps_first(annotated, ORGAN_SLICES)[0]


def by_doubt(doubt: Mapping[int, float]) -> Choose:
    return lambda annotated: max(rest(annotated), key=doubt.__getitem__)


def by_chance(seed: int) -> Choose:
    draw = np.random.default_rng(seed)
    return lambda annotated: int(draw.choice(rest(annotated)))


def completed_dice(truth: LabelMap, annotated: Sequence[int]) -> float:
    """Mean over the organs of the Dice on all other slices."""
    i_mm, j_mm, _ = truth.grid.spacing_mm
    shapes = SliceShapes(truth.voxels, annotated, (j_mm, i_mm))
    filled, missing = np.zeros_like(truth.voxels), rest(annotated)
    for k in missing:
        filled[k] = interpolated(shapes, k, shapes.annotated)
    return float(np.mean(organ_dice(filled, truth, tuple(missing))))


def main() -> None:
    volume, labels = fetch_sample()
    truth = reorient(labels, "LPS")
    others = [k for k in range(len(truth.voxels)) if k not in ORGAN_SLICES]
    ranked = rank_slices(load_model("abdomen-demo", "cpu"), reorient(volume, "LPS"), RankOptions(others))
    doubt = {each.number: each.uncertainty for each in ranked}
    dices: dict[tuple[str, int], list[float]] = defaultdict(list)
    for seed, start in enumerate(STARTS):
        for way, choose in {"spacing": by_spacing, "doubt": by_doubt(doubt), "chance": by_chance(seed)}.items():
            annotated = list(start)
            while len(annotated) < max(SCORED_AT):
                annotated.append(choose(annotated))
                if len(annotated) in SCORED_AT:
                    dices[way, len(annotated)].append(completed_dice(truth, annotated))
            print(f"seed {seed}, {way}: {sorted(annotated)}", flush=True)
    print("mean Dice on the slices that were not annotated (lowest to highest of the seeds)")
    for (way, count), each in sorted(dices.items(), key=lambda row: row[0][1]):
        print(f"  {count:2d} annotated, by {way:8s} {np.mean(each):.3f} ({min(each):.3f} to {max(each):.3f})")


if __name__ == "__main__":
    main()
