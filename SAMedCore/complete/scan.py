"""The rest of a partly annotated scan, from its annotated slices."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from SAMedCore.complete.choose import FILLERS, Estimate, choose, estimate, make_folds
from SAMedCore.complete.filler import PartialScan
from SAMedCore.complete.shapes import SliceShapes, reach
from SAMedCore.errors import InputError
from SAMedCore.image.intensities import intensities_of
from SAMedCore.image.orientation import reorient, restore_orientation
from SAMedCore.image.placement import placed_on
from SAMedCore.image.volume import LabelMap, Volume
from SAMedCore.options import CompleteOptions
from SAMedCore.work import SILENT, Work

if TYPE_CHECKING:
    from SAMedCore.model.promptable import Promptable

ORIENTATION = "LPS"


@dataclass(frozen=True)
class Completion:
    """A completed scan.

    Attributes:
        labelmap: by the chosen method, on the volume's own grid; annotated slices as they were.
        method: the chosen one's name, of `FILLERS`.
        estimates: method -> Dice on annotated slices that were left out; empty with fewer than three annotated slices. Left out
            means twice as far from the next annotated slice as the gaps that are to be filled, so the result is better.
        annotated: axial slices taken as annotated, counted from the feet.
        completed: axial slices that were filled in; those beyond `annotated` by more than their usual gap stay empty.
    """

    labelmap: LabelMap
    method: str
    estimates: Mapping[str, Estimate]
    annotated: tuple[int, ...]
    completed: tuple[int, ...]

    def summary(self) -> str:
        """What was chosen and why, in a sentence or two for the person."""
        titles = {filler.name: filler.title for filler in FILLERS}
        if not self.estimates:
            return f"Filled in by {titles[self.method]}: with fewer than three annotated slices no method can be compared."
        dices = ", ".join(f"{titles[method]} {estimate.mean_dice:.3f}" for method, estimate in self.estimates.items())
        in_vain = [filler.title for filler in FILLERS if filler.worth_it_by and filler.name != self.method]
        reasons = "".join(f" {title[0].upper()}{title[1:]} is no better on this scan." for title in in_vain)
        return f"Filled in by {titles[self.method]}.{reasons} Dice on annotated slices left out: {dices}."


def complete(
    volume: Volume,
    labelmap: LabelMap,
    options: CompleteOptions | None = None,
    work: Work = SILENT,
    model: Promptable | Callable[[], Promptable] | None = None,
) -> Completion:
    """Fill in the axial slices between the annotated ones, by whichever method does it best on this scan.

    Args:
        volume: in any orientation.
        labelmap: on the volume's grid or a part of it.
        options: None for the defaults.
        work: asked between steps and between the network's layers; told of the phases interpolating, encoding, estimating,
            training and completing, and before them where the intensities that were asked for do not fit.
        model: a loaded base model in place of the options' `base` and `device`, or what gives one when it is needed; used on
            the device where it is, and it comes back as it was.

    Raises:
        InputError: fewer than two slices are annotated, or none is left to fill in; a slice outside the scan; a voxel value
            that the label table does not know; a label map of another scan; no such base model.
        Cancelled: the user stopped the work.
    """
    options = options or CompleteOptions()
    scan, drawn = reorient(volume, ORIENTATION), reorient(placed_on(labelmap, volume.grid), ORIENTATION)
    _check_values(drawn)
    annotated = _check_slices(options.annotated_slices, drawn.voxels)
    missing = tuple(k for k in reach(annotated, drawn.voxels.shape[0]) if k not in annotated)
    if not missing:
        raise InputError("every slice is annotated already: there is nothing to complete.")

    options = replace(options, intensities=intensities_of(volume, options.intensities, work))
    i_mm, j_mm, _ = scan.grid.spacing_mm
    partial = PartialScan(scan, SliceShapes(drawn.voxels, annotated, (j_mm, i_mm)), options, work, model)
    folds = make_folds(annotated)
    # what takes time has to prove that it is worth it
    fillers = {make.name: make(partial) for make in FILLERS if folds or not make.worth_it_by}
    estimates: dict[str, Estimate] = {}
    if folds:
        estimates = {name: estimate(filler.leave_out(folds), drawn.voxels) for name, filler in fillers.items()}
    method = choose(estimates).name
    completed = _labelmap(fillers[method].fill(missing), drawn, annotated, volume)
    return Completion(completed, method, estimates, annotated, missing)


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
