"""The rest of a partly annotated scan, from its annotated slices."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from SAMedCore.checkpoint.catalogue import check_base
from SAMedCore.complete.choose import COPY, INTERPOLATION, METHODS, NETWORK, Estimate, choose, estimate, make_folds
from SAMedCore.complete.shapes import SliceShapes, nearest, reach, to_labels
from SAMedCore.errors import Cancelled, InputError
from SAMedCore.image.orientation import reorient, restore_orientation
from SAMedCore.image.placement import placed_on
from SAMedCore.image.volume import LabelMap, Volume

if TYPE_CHECKING:
    from SAMedCore.model.promptable import Promptable

ORIENTATION = "LPS"
DEFAULT_STEPS = 400
"""About two minutes of training on two CPU cores; twice as many did not do better on the sample."""

Progress = Callable[[dict], None]


@dataclass(frozen=True)
class Completion:
    """A completed scan.

    Attributes:
        labelmap: by the chosen method, on the volume's own grid; annotated slices as they were.
        method: the chosen one, of `METHODS`.
        estimates: method -> Dice on annotated slices that were left out; empty with fewer than three annotated slices. Left out
            means twice as far from the next annotated slice as the gaps that are to be filled, so the result is better.
        alternatives: method -> label map, both baselines and the chosen method.
        annotated: axial slices taken as annotated, counted from the feet.
        completed: axial slices that were filled in; those beyond `annotated` by more than their usual gap stay empty.
    """

    labelmap: LabelMap
    method: str
    estimates: Mapping[str, Estimate]
    alternatives: Mapping[str, LabelMap]
    annotated: tuple[int, ...]
    completed: tuple[int, ...]

    def summary(self) -> str:
        """What was chosen and why, in a sentence or two for the person."""
        names = {COPY: "copying the nearest slice", INTERPOLATION: "shape interpolation", NETWORK: "the network"}
        if not self.estimates:
            return f"Filled in by {names[self.method]}: with fewer than three annotated slices no method can be compared."
        dices = ", ".join(
            f"{names[method]} {self.estimates[method].mean_dice:.3f}" for method in METHODS if method in self.estimates
        )
        reason = "" if self.method == NETWORK else " The network is no better on this scan."
        return f"Filled in by {names[self.method]}.{reason} Dice on annotated slices left out: {dices}."


def complete(
    volume: Volume,
    labelmap: LabelMap,
    annotated_slices: Sequence[int] | None = None,
    base: str | Path = "lite",
    model: Promptable | Callable[[], Promptable] | None = None,
    device: str = "auto",
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
    steps: int = DEFAULT_STEPS,
    seed: int = 0,
) -> Completion:
    """Fill in the axial slices between the annotated ones, by whichever method does it best on this scan.

    Args:
        volume: HU, any orientation.
        labelmap: on the volume's grid or a part of it.
        annotated_slices: indices of the axial slices that are annotated, counted from the feet (k in orientation LPS). A
            slice given here without any label is one that is annotated as empty. None: the slices that hold a label.
        base: a base model's name in the catalogue or its weights file; read only where the network is of use.
        model: a loaded base model instead, or what gives one when it is needed; used on the device where it is, and it comes
            back as it was.
        device: "auto", "cpu", "cuda", "cuda:1" or "mps".
        progress: called with {"event": "progress", "phase", "done", "total"}; the phases are
            interpolating, encoding, estimating, training and completing.
        cancelled: asked between steps and between the network's layers; True raises Cancelled.
        steps: of training, one annotated slice each, and half as many for each half of the estimate.
        seed: of the training.

    Raises:
        InputError: fewer than two slices are annotated, or none is left to fill in; a slice outside the scan; a voxel value
            that the label table does not know; a label map of another scan.
        Cancelled: `cancelled` said so.
    """
    if steps < 1:
        raise InputError(f"{steps} training steps: give a positive number.")
    scan, drawn = reorient(volume, ORIENTATION), reorient(placed_on(labelmap, volume.grid), ORIENTATION)
    _check_values(drawn)
    annotated = _check_slices(annotated_slices, drawn.voxels)
    missing = tuple(k for k in reach(annotated, drawn.voxels.shape[0]) if k not in annotated)
    if not missing:
        raise InputError("every slice is annotated already: there is nothing to complete.")
    folds = make_folds(annotated)
    if folds and model is None:
        check_base(base)

    i_mm, j_mm, _ = scan.grid.spacing_mm
    shapes = SliceShapes(drawn.voxels, annotated, (j_mm, i_mm))
    report = _reporter(progress, cancelled)
    left_out = [(k, fold.shown) for fold in folds for k in fold.left_out]
    wanted = [*((k, annotated) for k in missing), *left_out]
    copies, shaped = {}, {}
    for done, (k, shown) in enumerate(wanted, start=1):
        copies[k] = drawn.voxels[nearest(shown, k)]
        shaped[k] = interpolated(shapes, k, shown)
        report("interpolating", done, len(wanted))
    filled = {COPY: {k: copies[k] for k in missing}, INTERPOLATION: {k: shaped[k] for k in missing}}
    estimates: dict[str, Estimate] = {}
    if folds:
        estimates[COPY] = estimate({k: copies[k] for k, _ in left_out}, drawn.voxels)
        estimates[INTERPOLATION] = estimate({k: shaped[k] for k, _ in left_out}, drawn.voxels)
        # no earlier: torch takes seconds to load, and two annotated slices need none of it
        from SAMedCore.checkpoint.load import load_promptable
        from SAMedCore.complete.network import NetworkCompletion
        from SAMedCore.devices import exact_products
        from SAMedCore.model.stopping import stopping

        promptable = model() if callable(model) else model or load_promptable(base, device)
        with stopping(promptable.sam, cancelled), exact_products():
            network = NetworkCompletion(promptable, scan.voxels, shapes, steps, seed, report)
            estimates[NETWORK] = estimate(network.leave_out(folds), drawn.voxels)
            if choose(estimates) == NETWORK:
                filled[NETWORK] = network.fill(missing)
    method = choose(estimates)
    alternatives = {name: _labelmap(slices, drawn, annotated, volume) for name, slices in filled.items()}
    return Completion(alternatives[method], method, estimates, alternatives, annotated, missing)


def interpolated(shapes: SliceShapes, k: int, using: Sequence[int]) -> np.ndarray:
    """Slice `k` by shape interpolation from the slices `using`: (j, i) labels."""
    return to_labels(shapes.at(k, using), shapes.labels.shape[1:], shapes.labels.dtype)


def _labelmap(filled: Mapping[int, np.ndarray], drawn: LabelMap, annotated: Sequence[int], volume: Volume) -> LabelMap:
    voxels = np.zeros_like(drawn.voxels)
    voxels[list(annotated)] = drawn.voxels[list(annotated)]
    for k, labels in filled.items():
        voxels[k] = labels
    return restore_orientation(replace(drawn, voxels=voxels, person_drew=True), like=volume.grid)


def _check_values(drawn: LabelMap) -> None:
    unknown = set(np.unique(drawn.voxels).tolist()) - {0, *drawn.labels.values}
    if unknown:
        raise InputError(f"the label map holds the value {min(unknown)}, which its label table does not name: add that label.")


def _check_slices(annotated_slices: Sequence[int] | None, voxels: np.ndarray) -> tuple[int, ...]:
    count = voxels.shape[0]
    holding = np.flatnonzero(voxels.any(axis=(1, 2))).tolist()
    annotated = tuple(sorted(set(holding if annotated_slices is None else annotated_slices)))
    outside = [k for k in annotated if not 0 <= k < count]
    if outside:
        raise InputError(f"annotated slice {outside[0]} is outside the scan: its axial slices are 0 to {count - 1}.")
    if not set(annotated) & set(holding):
        raise InputError("no annotated slice holds a label: annotate at least two slices of the scan.")
    if len(annotated) < 2:
        raise InputError(f"only slice {annotated[0]} is annotated: annotate at least one more slice of the scan.")
    return annotated


def _reporter(progress: Progress | None, cancelled: Callable[[], bool] | None) -> Callable[[str, int, int], None]:
    def report(phase: str, done: int, total: int) -> None:
        if cancelled is not None and cancelled():
            raise Cancelled
        if progress is not None:
            progress({"event": "progress", "phase": phase, "done": done, "total": total})

    return report
