"""The paper's preparation of the Synapse multi-organ CT (arXiv 2304.13785, section 4.1): from the download to the authors'
files.

The values are those of the authors' script, voxel for voxel: HU clipped to -125..275 and scaled to 0..1 in float32, slices
along the third axis as the files store them, eight of the 13 organs renumbered, the others background. Twelve cases are for
testing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from SAMedCore.errors import InputError
from SAMedCore.files.atomic import replace_folder
from SAMedCore.files.listed_case import ListedCase
from SAMedCore.files.paper_arrays import GEOMETRY, VOLUME_ENDING, WINDOW_HU, h5py_module, write_slices, write_volume_file
from SAMedCore.files.read import read_labelmap, read_volume
from SAMedCore.files.synapse import (
    BTCV_ORGANS,
    LISTS,
    TEST_LIST,
    TESTING,
    TRAINING,
    TRAINING_LIST,
    raw_cases,
    raw_root,
)
from SAMedCore.image.grid import same_grid
from SAMedCore.image.labels import SYNAPSE_ORGANS
from SAMedCore.model.preprocessing import window
from SAMedCore.work import SILENT, Work

TEST_CASES = (1, 2, 3, 4, 8, 22, 25, 29, 32, 35, 36, 38)
"""Numbers of the images that TransUNet's and SAMed's authors keep for testing."""

ALL_LIST = "all.lst"


def prepare(raw: Path, out: Path, work: Work = SILENT) -> None:
    """Write the authors' files of the training part of the download, all or none.

    Args:
        raw: the folder with ``RawData``, or that folder.
        out: the folder to make, with ``train_npz``, ``test_vol_h5`` and ``lists_Synapse``.
        work: told "preparing", in cases.

    Raises:
        Cancelled: the work was.
        InputError: `raw` is not the download, `out` is there or cannot be written, a label map is not on its image's grid, or
            h5py is not installed.
    """
    root = raw_root(raw) if raw.is_dir() else None
    if root is None:
        raise InputError(f'"{raw}" is not the downloaded dataset: give the folder that holds RawData/Training/img.')
    if out.exists():
        raise InputError(f'"{out}" is there already: choose another place.')
    h5py_module()
    cases = [case for case in raw_cases(root) if not case.test]
    replace_folder(out, lambda folder: _fill(folder, cases, work))


def arrays_of(case: ListedCase) -> dict[str, np.ndarray]:
    """``image`` in [0, 1] and ``label`` 0 to 8, both (k, j, i) float32 as the files store them, and ``ijk_to_lps``."""
    assert case.labels is not None, "test cases of the download have no labels"
    volume, labelmap = read_volume(case.image), read_labelmap(case.labels, BTCV_ORGANS)
    if not same_grid(volume.grid, labelmap.grid):
        raise InputError(f'"{case.labels}" is not on the grid of "{case.image}": take the pair from the download again.')
    value_of_name = dict(zip(SYNAPSE_ORGANS.names, SYNAPSE_ORGANS.values, strict=True))
    new_value = np.zeros(65536, np.float32)
    for label in BTCV_ORGANS:
        new_value[label.value] = value_of_name.get(label.name, 0)
    return {"image": window(volume.voxels, WINDOW_HU), "label": new_value[labelmap.voxels], GEOMETRY: volume.ijk_to_lps}


def _fill(folder: Path, cases: Sequence[ListedCase], work: Work) -> None:
    lists = folder / LISTS[0]
    for part in (folder / TRAINING, folder / TESTING, lists):
        part.mkdir()
    slices, volumes, names = [], [], []
    for done, case in enumerate(cases, start=1):
        work.stop_if_cancelled()
        number = case.name.removeprefix("img")
        name = f"case{number}"
        names.append(f"{name}{VOLUME_ENDING}")
        if int(number) in TEST_CASES:
            write_volume_file(folder / TESTING, name, arrays_of(case))
            volumes.append(name)
        else:
            slices += write_slices(folder / TRAINING, name, arrays_of(case))
        work.step("preparing", done, len(cases))
    for file, lines in ((TRAINING_LIST, slices), (TEST_LIST, volumes), (ALL_LIST, names)):
        (lists / file).write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
