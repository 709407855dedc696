"""Annotated scans in memory, and the structures that they teach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from SAMedCore.errors import InputError
from SAMedCore.files.read import read_labelmap, read_volume
from SAMedCore.image.intensities import TAKEN_AS, intensities_of, misfit
from SAMedCore.image.labels import LabelTable
from SAMedCore.image.placement import placed_on
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


def load_cases(files: Sequence[tuple[Path, Path]], work: Work = SILENT) -> list[Case]:
    """Read every scan with its label map, which may be cropped, as Slicer saves segmentations.

    Args:
        files: (scan, label map) each; see `files.cases`.

    Raises:
        Cancelled: the work was.
        InputError: a file cannot be read, or a label map is on another grid than its scan or labels what lies outside it.
    """
    cases = []
    for number, (image, labels) in enumerate(files, start=1):
        volume, labelmap = read_volume(image), read_labelmap(labels)
        try:
            placed = placed_on(labelmap, volume.grid)
        except InputError as error:
            raise InputError(
                f"{labels}: its grid ({labelmap.grid}) is not that of {image} ({volume.grid}); resample the labels to the scan."
            ) from error
        # Two scans may share spacing and origin: labels in the air beside a scan were drawn on another one.
        if np.count_nonzero(placed.voxels) < np.count_nonzero(labelmap.voxels):
            raise InputError(f"{labels}: has labels outside {image}; give the scan that they were drawn on.")
        cases.append(Case(volume, placed))
        work.step("reading", number, len(files))
    return cases


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

    Class c of the network is the table's c-th label.

    Raises:
        InputError: nothing is annotated, or a chosen name is in no table.
    """
    by_name = {}
    for case in cases:
        present = set(np.unique(case.labelmap.voxels).tolist())
        by_name.update({x.name.casefold(): x for x in case.labelmap.labels if x.value in present})
    if not by_name:
        raise InputError("the label maps are empty (all 0): annotate at least one slice.")
    table = LabelTable(tuple(by_name.values()))
    return table if names is None else table.subset(names)


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
    unnamed = {label.value for label in labelmap.labels if label.name == f"label {label.value}"}
    for number, label in enumerate(labels, start=1):
        value = value_of_name.get(label.name.casefold(), label.value if label.value in unnamed else None)
        if value is not None:
            class_of_value[value] = number
    return class_of_value[labelmap.voxels]
