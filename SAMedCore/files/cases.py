"""The scans and label maps that folders hold, and which of them belong together."""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from SAMedCore.errors import InputError

ENDINGS = (".seg.nrrd", ".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd", ".dcm")


@dataclass(frozen=True)
class ListedCase:
    """One case of a folder, a table or a dataset.

    Attributes:
        name: by which it is told from the others; also that of its results.
        image: a file, or a DICOM series folder.
        labels: its label map; None where there is none.
    """

    name: str
    image: Path
    labels: Path | None = None


def listed(source: Path) -> list[ListedCase]:
    """The cases of a folder (each image file and each DICOM folder) or of a CSV file with a column ``image``, sorted by name.

    Raises:
        InputError: it is neither, holds nothing, or two cases have the same name.
    """
    if source.suffix.lower() == ".csv":
        cases = [ListedCase(name_of(image), image, labels) for image, labels in pairs_from_csv(source)]
    else:
        cases = [ListedCase(name_of(image), image) for image in scans_in(source)]
    cases.sort(key=lambda case: case.name)
    for case, other in itertools.pairwise(cases):
        if case.name == other.name:
            raise InputError(f'"{case.image}" and "{other.image}" have the same name: rename one of them.')
    return cases


def scans_in(folder: Path) -> list[Path]:
    """Each image file and each subfolder, which is a DICOM series, sorted.

    Raises:
        InputError: it is no folder, or holds none.
    """
    return _listed(folder, "images")


def label_maps_in(folder: Path) -> list[Path]:
    """As `scans_in`, for label maps: subfolders are passed over."""
    return _listed(folder, "label maps")


def paired(first: Sequence[Path], second: Sequence[Path]) -> list[tuple[Path, Path]]:
    """The files of two listings that are the same case, sorted by case: scans and labels, or predictions and references.

    Names match where they are equal but for upper and lower case, nnU-Net's channel (``case_0000``) and a word that says what
    the file is (``img0001`` and ``label0001``, ``case1_ct`` and ``case1_seg``).

    Args:
        first, second: from `scans_in` or `label_maps_in`.

    Raises:
        InputError: two files of one listing are the same case, or a case is in one listing alone.
    """
    here, there = _by_case(first), _by_case(second)
    for cases, others in ((here, there), (there, here)):
        alone = sorted(cases.keys() - others.keys())
        if alone:
            path, more = cases[alone[0]], f" (and {len(alone) - 1} more)" if len(alone) > 1 else ""
            folder = next(iter(others.values())).parent
            raise InputError(f'"{path}"{more} has no partner in "{folder}": add it there, rename it or take it away here.')
    return [(here[case], there[case]) for case in sorted(here)]


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


def name_of(path: Path) -> str:
    """The file's name without its ending, or the folder's name."""
    endings = () if path.is_dir() else ENDINGS
    length = next((len(ending) for ending in endings if path.name.lower().endswith(ending)), 0)
    return path.name[: len(path.name) - length]


def _listed(folder: Path, kind: str) -> list[Path]:
    if not folder.is_dir():
        raise InputError(f'"{folder}" is not a folder: give the folder that holds the {kind}.')
    paths = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    found = [path for path in paths if (kind == "images" if path.is_dir() else path.name.lower().endswith(ENDINGS))]
    if not found:
        folders = " or DICOM folders" if kind == "images" else ""
        raise InputError(f'"{folder}" holds no {kind}: put files ending in {", ".join(ENDINGS)}{folders} there.')
    return found


def _by_case(paths: Sequence[Path]) -> dict[str, Path]:
    cases: dict[str, Path] = {}
    for path in paths:
        case = _case(name_of(path))
        if case in cases:
            both = f'"{cases[case].name}" and "{path.name}"'
            raise InputError(f'"{path.parent}" holds {both}, which look like the same case: keep one file for each case.')
        cases[case] = path
    return cases


def _case(name: str) -> str:
    name = re.sub(r"_0000$", "", name.lower())
    words = r"(images?|img|ct|volume|labels?|segmentation|seg|masks?)"
    return re.sub(rf"^{words}[-_]?(?=\d)|[-_.]{words}$", "", name)
