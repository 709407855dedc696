"""Which label map belongs to which scan, on disk and in memory."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from SAMedCore.errors import InputError
from SAMedCore.files.read import read_labelmap, read_volume
from SAMedCore.image.labels import LabelTable
from SAMedCore.image.placement import placed_on
from SAMedCore.image.volume import LabelMap, Volume


@dataclass(frozen=True)
class Pair:
    """An annotated scan: volume and label map on the same grid."""

    volume: Volume
    labelmap: LabelMap


def pairs_from_csv(path: Path) -> list[tuple[Path, Path]]:
    """(image, label map) for each row; columns ``image`` and ``labels``, relative to the file's own folder.

    Raises:
        InputError: the file is missing or empty, lacks a column, or names a file that is not there.
    """
    path = Path(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as table:
            rows = list(csv.DictReader(table, skipinitialspace=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read ({error}): give a CSV file with the columns image,labels.") from error
    if not rows or not {"image", "labels"} <= rows[0].keys():
        raise InputError(f"{path}: needs a first line image,labels and one line for each scan below it.")
    pairs = [(path.parent / (row["image"] or ""), path.parent / (row["labels"] or "")) for row in rows]
    for file in (file for pair in pairs for file in pair):
        if not file.exists() or file == path.parent:
            raise InputError(f"{path}: names {file}, which is not there; correct the line.")
    return pairs


def load_pairs(files: Sequence[tuple[Path, Path]], progress: Callable[[dict[str, object]], None] | None = None) -> list[Pair]:
    """Read every scan with its label map, which may be cropped, as Slicer saves segmentations.

    Raises:
        InputError: a file cannot be read, or a label map is on another grid than its scan or labels what lies outside it.
    """
    pairs = []
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
        pairs.append(Pair(volume, placed))
        if progress:
            progress({"phase": "reading", "done": number, "total": len(files)})
    return pairs


def training_labels(pairs: Sequence[Pair], names: Sequence[str] | None = None) -> LabelTable:
    """The structures to learn: those that occur in any of the label maps, or those chosen by name.

    Class c of the network is the table's c-th label.

    Raises:
        InputError: nothing is annotated, or a chosen name is in no table.
    """
    by_name = {}
    for pair in pairs:
        present = set(np.unique(pair.labelmap.voxels).tolist())
        by_name.update({x.name.casefold(): x for x in pair.labelmap.labels if x.value in present})
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
        raise InputError(f"{len(labels)} labels are more than the 254 that can be trained: choose some with --classes.")
    class_of_value = np.zeros(65536, dtype=np.uint8)
    value_of_name = {label.name.casefold(): label.value for label in labelmap.labels}
    unnamed = {label.value for label in labelmap.labels if label.name == f"label {label.value}"}
    for number, label in enumerate(labels, start=1):
        value = value_of_name.get(label.name.casefold(), label.value if label.value in unnamed else None)
        if value is not None:
            class_of_value[value] = number
    return class_of_value[labelmap.voxels]
