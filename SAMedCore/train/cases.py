"""Annotated scans in memory, and the structures that they teach."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from SAMedCore.errors import InputError
from SAMedCore.files.cases import ListedCase
from SAMedCore.files.read import read_labelmap, read_volume
from SAMedCore.image.intensities import TAKEN_AS, intensities_of, misfit
from SAMedCore.image.labels import Label, LabelTable, is_generic
from SAMedCore.image.placement import placed_on
from SAMedCore.image.slices import axial_axis, from_the_feet
from SAMedCore.image.volume import LabelMap, Volume
from SAMedCore.work import SILENT, Work


@dataclass(frozen=True)
class Case:
    """An annotated scan.

    Attributes:
        volume, labelmap: on the same grid.
        slices: which axial ones are learnt from, counted from the feet; None for what the training's options say.
    """

    volume: Volume
    labelmap: LabelMap
    slices: tuple[int, ...] | None = None


def load_cases(listed: Sequence[ListedCase], work: Work = SILENT, structures: Sequence[str] | None = None) -> list[Case]:
    """Read every scan with its label map, which may be cropped, as Slicer saves segmentations.

    Args:
        listed: cases with a label map each; see `files.cases`.
        work: told of structures that some label maps name and others do not.
        structures: the names of those that will be learnt; None for all.

    Raises:
        Cancelled: the work was.
        InputError: a file cannot be read, or a label map is on another grid than its scan or labels what lies outside it.
    """
    cases = []
    for number, case in enumerate(listed, start=1):
        cases.append(_loaded(case))
        work.step("reading", number, len(listed))
    _note_unlabelled(cases, structures, work)
    return cases


def _loaded(case: ListedCase) -> Case:
    assert case.labels is not None, "only cases with a label map can be learnt from"
    volume, labelmap = read_volume(case.image), read_labelmap(case.labels, case.table)
    try:
        placed = placed_on(labelmap, volume.grid)
    except InputError as error:
        raise InputError(
            f"{case.labels}: its grid ({labelmap.grid}) is not that of {case.image} ({volume.grid}); "
            "resample the labels to the scan."
        ) from error
    # Two scans may share spacing and origin: labels in the air beside a scan were drawn on another one.
    if np.count_nonzero(placed.voxels) < np.count_nonzero(labelmap.voxels):
        raise InputError(f"{case.labels}: has labels outside {case.image}; give the scan that they were drawn on.")
    if case.slices is None:
        return Case(volume, placed)
    _axis, upwards = axial_axis(volume.grid)
    numbers = from_the_feet(case.slices, len(volume.voxels), "LPS" if upwards else "LPI")
    return Case(volume, placed, tuple(sorted(numbers)))


def _note_unlabelled(cases: Sequence[Case], structures: Sequence[str] | None, work: Work) -> None:
    """Where one label map names a structure and another does not, it may be in the other's scan all the same."""
    tables = [{x.name.casefold() for x in case.labelmap.labels if not is_generic(x)} for case in cases]
    named = [table for table in tables if table]
    partly = sorted(set().union(*named) - set.intersection(*named)) if named else []
    if structures is not None:
        partly = [name for name in partly if name in {each.strip().casefold() for each in structures}]
    if partly:
        work.note(
            f"not all label maps know {', '.join(partly)}: in the scans of those that do not, it is learnt as background."
        )


def training_intensities(cases: Sequence[Case], asked: str = "auto", work: Work = SILENT) -> str:
    """What the values of all scans are taken as: "ct" (HU) or "other"; the checkpoint will take others so, too.

    Args:
        asked: of `options.INTENSITIES`.
        work: told where what was asked for does not fit.

    Raises:
        InputError: it is to be told from the scans, and they differ.
    """
    kinds = [intensities_of(case.volume) for case in cases]
    if asked == "auto" and len(set(kinds)) > 1:
        cts, others = (", ".join(str(n) for n, kind in enumerate(kinds, 1) if kind == one) for one in ("ct", "other"))
        raise InputError(
            f"some scans are CT (number {cts}) and some are not (number {others}): learn from one kind, or say what all of "
            "them are: CT, or other scans, each of which is scaled by its own percentiles."
        )
    if asked == "auto":
        return kinds[0]
    note_misfits(cases, asked, f"{TAKEN_AS[asked]}, as was asked for", work)
    return asked


def note_misfits(cases: Sequence[Case], taken_as: str, how: str, work: Work) -> None:
    """Tell the person, in one sentence, of the scans whose values are taken as what they are not.

    Args:
        taken_as: "ct" or "other".
        how: they are taken so, in words.
    """
    reasons = {number: misfit(case.volume, taken_as) for number, case in enumerate(cases, start=1)}
    odd = [number for number, reason in reasons.items() if reason is not None]
    if odd:
        like_it = f" (and {', '.join(map(str, odd[1:]))} likewise)" if odd[1:] else ""
        work.note(f"scan {odd[0]} {reasons[odd[0]]}{like_it}, but {how}.")


def training_labels(cases: Sequence[Case], names: Sequence[str] | None = None) -> LabelTable:
    """The structures to learn: those that occur in any of the label maps, or those chosen by name.

    Class c of the network is the table's c-th label. A structure keeps the value that it has in the first case that holds it,
    or gets a free one where another structure has that value.

    Raises:
        InputError: nothing is annotated, a chosen name is in no table, or label maps give a value different names and another
            one none.
    """
    by_name: dict[str, Label] = {}
    for case in cases:
        present = set(np.unique(case.labelmap.voxels).tolist())
        for label in case.labelmap.labels:
            if label.value in present:
                by_name.setdefault(label.name.casefold(), label)
    if not by_name:
        raise InputError("the label maps are empty (all 0): annotate at least one slice.")
    named = [label for case in cases for label in case.labelmap.labels if not is_generic(label)]
    for unnamed in [label for label in by_name.values() if is_generic(label)]:
        meanings = {label.name.casefold() for label in named if label.value == unnamed.value}
        if len(meanings) > 1 or any(by_name[name].value != unnamed.value for name in meanings if name in by_name):
            raise InputError(
                f"a label map does not say what its value {unnamed.value} is, and the others say different things "
                f"({', '.join(sorted(meanings))}): name it there."
            )
        if meanings & by_name.keys():
            del by_name[unnamed.name]
    table = LabelTable(_without_clashes(by_name.values(), {label.value for case in cases for label in case.labelmap.labels}))
    return table if names is None else table.subset(names)


def _without_clashes(labels: Iterable[Label], used: set[int]) -> tuple[Label, ...]:
    """The labels, with a value outside `used` where an earlier one has the same."""
    free = (value for value in itertools.count(1) if value not in used)
    taken: dict[int, Label] = {}
    for label in labels:
        value = next(free) if label.value in taken else label.value
        taken[value] = replace(label, value=value)
    return tuple(taken.values())


def classes_of(labelmap: LabelMap, labels: LabelTable) -> np.ndarray:
    """(k, j, i) uint8: the label map's voxels as classes 1..len(labels); 0 where it has none of these labels.

    A label is known by its name; by its value where the file gives no names ("label 3").

    Raises:
        InputError: more than 254 labels.
    """
    if len(labels) > 254:
        raise InputError(f"{len(labels)} labels are more than the 254 that can be trained: choose fewer of them.")
    class_of_value = np.zeros(65536, dtype=np.uint8)
    value_of_name = {label.name.casefold(): label.value for label in labelmap.labels}
    unnamed = {label.value for label in labelmap.labels if is_generic(label)}
    for number, label in enumerate(labels, start=1):
        value = value_of_name.get(label.name.casefold(), label.value if label.value in unnamed else None)
        if value is not None:
            class_of_value[value] = number
    return class_of_value[labelmap.voxels]
