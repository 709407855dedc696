"""The scans and label maps that folders, tables and datasets hold, and which of them belong together."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from pathlib import Path

from SAMedCore.errors import InputError
from SAMedCore.files import dataset_json, synapse
from SAMedCore.files.listed_case import ENDINGS, ListedCase, name_of
from SAMedCore.files.tables import files_of_table


def listed(source: Path) -> list[ListedCase]:
    """The cases of a dataset, of a folder (each image file and each DICOM folder) or of a CSV file with a column ``image``,
    sorted by name.

    Raises:
        InputError: it is neither, holds nothing, lacks a file that it names, or two cases have the same name.
    """
    if source.suffix.lower() == ".csv":
        cases = [ListedCase(name_of(image), image) for (image,) in files_of_table(source, ("image",))]
    else:
        cases = _of_dataset(source) or [ListedCase(name_of(image), image) for image in scans_in(source)]
    cases.sort(key=lambda case: case.name)
    for case, other in itertools.pairwise(cases):
        if case.name == other.name:
            raise InputError(f'"{case.image}" and "{other.image}" have the same name: rename one of them.')
    return cases


def is_dataset(folder: Path) -> bool:
    """Whether the folder is laid out as nnU-Net's, the Decathlon's, BTCV's or the paper's data are."""
    return folder.is_dir() and (
        (folder / dataset_json.DESCRIPTION).is_file() or synapse.raw_root(folder) is not None or synapse.is_prepared(folder)
    )


def to_segment(cases: Sequence[ListedCase]) -> list[ListedCase]:
    """Those that a dataset keeps for testing; all of them where it keeps none."""
    return [case for case in cases if case.test] or list(cases)


def to_learn_from(dataset: Path) -> list[ListedCase]:
    """The cases of a dataset that are for training and have a label map.

    Raises:
        InputError: as `listed`; it is no dataset, or holds none.
    """
    if not is_dataset(dataset):
        raise InputError(
            f'"{dataset}" is no dataset: give a folder with dataset.json, Training/img and Training/label, or train_npz.'
        )
    cases = [case for case in listed(dataset) if case.labels is not None and not case.test]
    if not cases:
        raise InputError(f'"{dataset}" holds no labelled cases for training: give the folder that has them.')
    return cases


def with_labels(pairs: Sequence[tuple[Path, Path]]) -> list[ListedCase]:
    """The cases of (image, label map) each, as `paired` and `pairs_from_csv` give them."""
    return [ListedCase(name_of(image), image, labels) for image, labels in pairs]


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
    return [(image, labels) for image, labels in files_of_table(Path(path), ("image", "labels"))]


def labelled(files: Sequence[Path], cases: Sequence[ListedCase]) -> list[tuple[Path, ListedCase]]:
    """Each file, such as a prediction, with the case that it is of, sorted by case; names match as `paired` says.

    Args:
        files: from `label_maps_in`.
        cases: from `listed`; those without a label map are left out.

    Raises:
        InputError: two files are of the same case, or one of none that has a label map.
    """
    by_name = {_case(case.name): case for case in cases if case.labels is not None}
    here = _by_case(files)
    for name, path in here.items():
        if name not in by_name:
            raise InputError(
                f'"{path}" is of no labelled case of the dataset: take it away, or give a folder with its reference.'
            )
    return [(here[name], by_name[name]) for name in sorted(here)]


def _of_dataset(folder: Path) -> list[ListedCase]:
    """The cases of a dataset; none where the folder is laid out as no dataset."""
    if not is_dataset(folder):
        return []
    if (folder / dataset_json.DESCRIPTION).is_file():
        return dataset_json.cases_of(folder)
    root = synapse.raw_root(folder)
    return synapse.prepared_cases(folder) if root is None else synapse.raw_cases(root)


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
