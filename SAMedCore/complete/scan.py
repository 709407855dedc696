"""The rest of a partly annotated scan, from its annotated slices."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from SAMedCore.complete.choose import FILLERS, Estimate, choose, estimate, make_folds
from SAMedCore.complete.filler import Filler, PartialScan, Scores
from SAMedCore.complete.shapes import SliceShapes, reach, to_labels
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
        labelmap: by the chosen methods, on the volume's own grid; annotated slices as they were.
        by_label: label value -> name of the method, of `FILLERS`, that filled it in.
        estimates: method -> Dice on annotated slices that were left out; empty with fewer than three annotated slices. Left out
            means farther from the next annotated slice than the slices that are filled in, so the result is better.
        annotated: axial slices taken as annotated, counted from the feet.
        completed: axial slices that were filled in; those beyond `annotated` by more than their usual gap stay empty.
    """

    labelmap: LabelMap
    by_label: Mapping[int, str]
    estimates: Mapping[str, Estimate]
    annotated: tuple[int, ...]
    completed: tuple[int, ...]

    @property
    def method(self) -> str:
        """Name of the method that filled in most structures; of equals the later one in `FILLERS`."""
        used = list(self.by_label.values())
        return max(reversed(FILLERS), key=lambda filler: used.count(filler.name)).name

    def summary(self) -> str:
        """What was chosen and why, in a few sentences for the person."""
        titles = {filler.name: filler.title for filler in FILLERS}
        names = dict(zip(self.labelmap.labels.values, self.labelmap.labels.names, strict=True))
        others = {}
        for filler in FILLERS:
            structures = [names[value] for value, method in self.by_label.items() if method == filler.name != self.method]
            if structures:
                others[filler.title] = ", ".join(structures)
        text = (
            f"Filled in by {titles[self.method]}" + "".join(f"; by {title}: {these}" for title, these in others.items()) + "."
        )
        if not self.estimates:
            return f"{text} With fewer than three annotated slices no method can be compared."
        dices = ", ".join(f"{titles[method]} {estimate.mean_dice:.3f}" for method, estimate in self.estimates.items())
        used = {part for filler in FILLERS if filler.name in self.by_label.values() for part in (filler, *filler.parts)}
        in_vain = [filler.title for filler in FILLERS if filler.worth_it_by and not filler.parts and filler not in used]
        reasons = "".join(f" {title[0].upper()}{title[1:]} is no better on this scan." for title in in_vain)
        return f"{text}{reasons} Dice on annotated slices left out: {dices}."


def complete(
    volume: Volume,
    labelmap: LabelMap,
    options: CompleteOptions | None = None,
    work: Work = SILENT,
    model: Promptable | Callable[[], Promptable] | None = None,
) -> Completion:
    """Fill in the axial slices between the annotated ones, each structure by whichever method does it best on this scan.

    Args:
        volume: in any orientation.
        labelmap: on the volume's grid or a part of it.
        options: None for the defaults.
        work: asked between steps and between the network's layers; told of the phases interpolating, registering, encoding,
            estimating, training and completing, and before them where the intensities that were asked for do not fit.
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
    shapes = SliceShapes(drawn.voxels, annotated, (j_mm, i_mm))
    partial = PartialScan(scan, shapes, options, work, model)
    folds = make_folds(annotated)
    # what takes time has to prove that it is worth it
    fillers: dict[str, Filler] = {}
    for make in FILLERS:
        if folds or not make.worth_it_by:
            fillers[make.name] = make(partial, *(fillers[part.name] for part in make.parts))
    estimates: dict[str, Estimate] = {}
    if folds:
        estimates = {name: estimate(filler.leave_out(folds), drawn.voxels) for name, filler in fillers.items()}
    by_label = {value: choose(estimates, value).name for value in drawn.labels.values if value in shapes.values}
    voxels = np.zeros_like(drawn.voxels)
    voxels[list(annotated)] = drawn.voxels[list(annotated)]
    for k, scores in _scores(fillers, by_label, missing):
        voxels[k] = to_labels(scores, voxels.shape[1:], voxels.dtype)
    completed = restore_orientation(replace(drawn, voxels=voxels, person_drew=True), like=volume.grid)
    return Completion(completed, by_label, estimates, annotated, missing)


def _scores(fillers: Mapping[str, Filler], by_label: Mapping[int, str], missing: Sequence[int]) -> Iterator[tuple[int, Scores]]:
    """Each missing slice's scores, of each structure from its own filler; only those that are of use fill in."""
    used = [name for name in fillers if name in by_label.values()]
    with ExitStack() as stack:
        streams = [stack.enter_context(closing(fillers[name].fill(missing))) for name in used]
        for filled in zip(*streams, strict=True):
            by_name = dict(zip(used, (scores for _, scores in filled), strict=True))
            yield filled[0][0], {value: by_name[name][value] for value, name in by_label.items() if value in by_name[name]}


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
