"""The Synapse multi-organ CT (BTCV) as people have it: as it is downloaded, and as SAMed's authors prepared it.

Downloaded, ``RawData/Training/img/img0001.nii.gz`` has its 13 organs in ``RawData/Training/label/label0001.nii.gz``, and
``RawData/Testing/img`` has none. Prepared, ``train_npz/case0005_slice000.npz`` is a slice for training and
``test_vol_h5/case0001.npy.h5`` a volume for testing, each with its eight organs (`paper_arrays`); ``lists_Synapse/train.txt``
and ``test_vol.txt`` say which of them count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from SAMedCore.errors import InputError
from SAMedCore.files.listed_case import ListedCase, name_of
from SAMedCore.files.paper_arrays import SLICE_NAME, VOLUME_ENDING, slices_of
from SAMedCore.image.labels import LabelTable, label_named

BTCV_ORGANS = LabelTable(
    tuple(
        label_named(value, name)
        for value, name in enumerate(
            (
                "spleen",
                "right kidney",
                "left kidney",
                "gallbladder",
                "esophagus",
                "liver",
                "stomach",
                "aorta",
                "inferior vena cava",
                "portal vein and splenic vein",
                "pancreas",
                "right adrenal gland",
                "left adrenal gland",
            ),
            start=1,
        )
    )
)
"""The 13 organs of the downloaded label maps, as the dataset's own page numbers them."""

TRAINING, TESTING = "train_npz", "test_vol_h5"
LISTS = ("lists_Synapse", "lists/lists_Synapse")
TRAINING_LIST, TEST_LIST = "train.txt", "test_vol.txt"


def raw_root(folder: Path) -> Path | None:
    """The folder that holds ``Training/img``: this one or its ``RawData``; None where neither does."""
    return next((root for root in (folder, folder / "RawData") if (root / "Training" / "img").is_dir()), None)


def raw_cases(root: Path) -> list[ListedCase]:
    """The training cases of the downloaded dataset, with the 13 organs, and its test cases.

    Raises:
        InputError: no image, one without label map, or a file that is not named as the dataset's are.
    """
    labels, cases = root / "Training" / "label", []
    for image in _images(root / "Training" / "img"):
        label = labels / image.name.replace("img", "label", 1)
        if not label.is_file():
            raise InputError(f'"{image}" has no label map, "{label}" is not there: put it there, or take the image away.')
        cases.append(ListedCase(name_of(image), image, label, BTCV_ORGANS))
    if not cases:
        raise InputError(f'"{root / "Training" / "img"}" holds no images: put img0001.nii.gz and the others there.')
    tests = _images(root / "Testing" / "img") if (root / "Testing" / "img").is_dir() else []
    return [*cases, *(ListedCase(name_of(image), image, table=BTCV_ORGANS, test=True) for image in tests)]


def is_prepared(folder: Path) -> bool:
    """Whether it is the authors' dataset, or one of its two parts."""
    return any((folder / part).is_dir() for part in (TRAINING, TESTING)) or _part_of(folder) is not None


def prepared_cases(folder: Path) -> list[ListedCase]:
    """The cases of the authors' dataset; of one of its parts all that are there, of the whole those of the lists beside them.

    Raises:
        InputError: it holds none, a list names what is not there, or a slice of a case is missing.
    """
    part = _part_of(folder)
    training, testing = (folder / name if part is None else folder if part == name else None for name in (TRAINING, TESTING))
    cases = [
        *(_slice_cases(training, _list(folder, TRAINING_LIST)) if training is not None and training.is_dir() else []),
        *(_volume_cases(testing, _list(folder, TEST_LIST)) if testing is not None and testing.is_dir() else []),
    ]
    if not cases:
        raise InputError(f'"{folder}" holds none of the authors\' files: put case0005_slice000.npz or case0001.npy.h5 there.')
    return cases


def _part_of(folder: Path) -> str | None:
    """Which of the two parts the folder itself is, by its files."""
    names = [path.name for path in folder.iterdir()]
    if any(SLICE_NAME.fullmatch(name) for name in names):
        return TRAINING
    return TESTING if any(name.endswith(VOLUME_ENDING) for name in names) else None


def _slice_cases(folder: Path, names: list[str] | None) -> list[ListedCase]:
    numbers: dict[str, list[int]] = {}
    for path in sorted(folder.iterdir()):
        if match := SLICE_NAME.fullmatch(path.name):
            numbers.setdefault(match[1], []).append(int(match[2]))
    listed = _numbers_of(names, folder) if names is not None else numbers
    cases = []
    for case, chosen in sorted(listed.items()):
        missing = [number for number in chosen if number not in numbers.get(case, [])]
        if missing:
            name = f"{case}_slice{missing[0]:03d}"
            raise InputError(f'{TRAINING_LIST} names {name}, which is not in "{folder}": correct the list.')
        first = slices_of(folder / f"{case}_slice000.npz")[0]
        slices = None if set(chosen) == set(numbers[case]) else tuple(sorted(set(chosen)))
        cases.append(ListedCase(case, first, first, slices=slices))
    return cases


def _numbers_of(names: Iterable[str], folder: Path) -> dict[str, list[int]]:
    """For each case of a list its slices."""
    numbers: dict[str, list[int]] = {}
    for name in names:
        match = SLICE_NAME.fullmatch(f"{name}.npz")
        if match is None:
            raise InputError(f'{TRAINING_LIST} beside "{folder}" names "{name}": write case0005_slice000 and the like.')
        numbers.setdefault(match[1], []).append(int(match[2]))
    return numbers


def _volume_cases(folder: Path, names: list[str] | None) -> list[ListedCase]:
    there = {path.name.removesuffix(VOLUME_ENDING): path for path in folder.iterdir() if path.name.endswith(VOLUME_ENDING)}
    there = {name: path for name, path in there.items() if not name.startswith(".")}
    for name in names or ():
        if name not in there:
            raise InputError(f'{TEST_LIST} names {name}, which is not in "{folder}": correct the list.')
    return [ListedCase(name, there[name], there[name], test=True) for name in sorted(there if names is None else set(names))]


def _list(folder: Path, file: str) -> list[str] | None:
    """The names in a list of the dataset; None where it has no such list."""
    path = next((folder / place / file for place in LISTS if (folder / place / file).is_file()), None)
    if path is None:
        return None
    try:
        lines = path.read_text(encoding="utf-8-sig").split()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f'"{path}" cannot be read ({error}): write one name a line.') from error
    if not lines:
        raise InputError(f'"{path}" is empty: write one name a line.')
    return lines


def _images(folder: Path) -> list[Path]:
    images = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    for image in images:
        if re.fullmatch(r"img\d+\.nii(\.gz)?", image.name) is None:
            raise InputError(f'"{image}" is not named as the dataset\'s images are, img0001.nii.gz: rename it or take it away.')
    return images
