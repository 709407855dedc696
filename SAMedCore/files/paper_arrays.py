"""The files of SAMed's authors: ``case0005_slice000.npz``, a slice each, and ``case0001.npy.h5``, a volume each.

Both hold the arrays ``image`` and ``label``, (j, i) or (k, j, i) float32: HU from -125 to 275 as 0 to 1, and the eight organs
as 1 to 8. The authors' files do not say where their voxels lie; those written here add the array ``ijk_to_lps``, which the
authors' programs pass over. Nothing is ever unpickled.
"""

from __future__ import annotations

import glob
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from SAMedCore.errors import InputError
from SAMedCore.files.whole import check_file
from SAMedCore.image.grid import MOST_VOXELS

SLICE_NAME = re.compile(r"([^.].*)_slice(\d{3,})\.npz")
VOLUME_ENDING = ".npy.h5"
WINDOW_HU = (-125, 275)
"""What the authors scaled to 0 and 1."""

AIR_HU = -1000
"""What lies below the window becomes."""

GEOMETRY = "ijk_to_lps"
UNKNOWN_GEOMETRY = np.diag([-1.0, 1.0, 1.0, 1.0])
"""Columns towards the patient's right and rows towards the back, as the authors' figures show them ("RPS"); voxels of 1 mm."""


def is_paper_file(path: Path) -> bool:
    """Whether it is named as the authors' files are: a volume, or a slice, which stands for all slices of its case."""
    return path.name.endswith(VOLUME_ENDING) or SLICE_NAME.fullmatch(path.name) is not None


def read_arrays(path: Path, key: str) -> tuple[np.ndarray, np.ndarray]:
    """The array of this name, "image" or "label", of a whole case, and where its voxels lie.

    Args:
        path: of a volume, or of any slice of the case.

    Returns:
        (k, j, i) as it is stored, and (4, 4) float64 from voxel index to LPS in mm.

    Raises:
        InputError: a file is missing, damaged or holds no such array of numbers, slices are missing or differ in size, or h5py
            is not installed. The sentence names the file where it is another than `path`.
    """
    if path.name.endswith(VOLUME_ENDING):
        return _read_volume(path, key)
    paths = slices_of(path)
    slices, matrices = zip(*(_read_slice(each, key) for each in paths), strict=True)
    for each, voxels in zip(paths, slices, strict=True):
        if voxels.shape != slices[0].shape:
            raise InputError(f"{each.name} is of another size than {paths[0].name}: write the slices of this case anew.")
    return np.stack(slices), matrices[0]


def hu_of(scaled: np.ndarray) -> np.ndarray:
    """HU whose window gives exactly these values again: int16 where whole numbers do, as in any CT, otherwise float32.

    What was below the window is air again, as it nearly always was: a base model with another window than the authors' would
    otherwise learn from a grey that no scan has there.

    Args:
        scaled: float32, `WINDOW_HU` as 0 to 1.

    Raises:
        InputError: a value is not from 0 to 1.
    """
    if not ((scaled >= 0) & (scaled <= 1)).all():  # NaN is neither
        raise InputError("its image is not scaled to 0..1, as SAMed's authors scale -125..275 HU: prepare it anew.")
    low, high = WINDOW_HU
    shifted = scaled.astype(np.float32) * np.float32(high - low)
    whole = np.rint(shifted)
    if np.array_equal(_scaled(whole), scaled):
        return np.where(scaled == 0, np.int16(AIR_HU), (whole + low).astype(np.int16))
    # Rounding has moved some by one step of float32 away from what was there before it was divided.
    for neighbour in (whole, np.nextafter(shifted, np.float32(0)), np.nextafter(shifted, np.float32(high))):
        shifted = np.where(_scaled(shifted) == scaled, shifted, neighbour)
    return np.where(scaled == 0, np.float32(AIR_HU), shifted + np.float32(low))


def write_slices(folder: Path, case: str, arrays: dict[str, np.ndarray]) -> list[str]:
    """A file for each slice of a case.

    Args:
        arrays: ``image`` and ``label`` (k, j, i), and ``ijk_to_lps``.

    Returns:
        the files' names without their ending.
    """
    names = [f"{case}_slice{number:03d}" for number in range(len(arrays["image"]))]
    for name, image, label in zip(names, arrays["image"], arrays["label"], strict=True):
        np.savez(folder / f"{name}.npz", image=image, label=label, ijk_to_lps=arrays[GEOMETRY])
    return names


def write_volume_file(folder: Path, case: str, arrays: dict[str, np.ndarray]) -> None:
    """The file of a whole case; `arrays` as for `write_slices`. Raises InputError where h5py is not installed."""
    with h5py_module().File(folder / f"{case}{VOLUME_ENDING}", "w") as file:
        for key, array in arrays.items():
            file[key] = array


def h5py_module() -> ModuleType:
    """The package h5py. Raises InputError where it is not installed."""
    try:
        import h5py
    except ImportError as error:
        raise InputError('the authors\' volumes (.npy.h5) need h5py: run pip install "samedcore[synapse]".') from error
    return h5py


def _scaled(shifted: np.ndarray) -> np.ndarray:
    """What the window makes of HU, which are given from its lower end."""
    low, high = (np.float32(value) for value in WINDOW_HU)
    return ((shifted + low) - low) / (high - low)


def slices_of(path: Path) -> list[Path]:
    """All slices of the case that a slice's file is of, from 000 on. Raises InputError where one is missing."""
    match = SLICE_NAME.fullmatch(path.name)
    assert match is not None, "read_arrays takes the authors' files only"
    paths = {}
    for each in path.parent.glob(f"{glob.escape(match[1])}_slice*.npz"):
        other = SLICE_NAME.fullmatch(each.name)
        if other is not None and other[1] == match[1]:
            paths[int(other[2])] = each
    missing = sorted(set(range(max(paths, default=0) + 1)) - paths.keys())
    if missing:
        name = f"{match[1]}_slice{missing[0]:03d}.npz"
        raise InputError(f'{name} is not in "{path.parent}": put every slice of the case there, from 000 on.')
    return [paths[number] for number in sorted(paths)]


def _read_slice(path: Path, key: str) -> tuple[np.ndarray, np.ndarray]:
    check_file(path)
    with _damage_told(path), zipfile.ZipFile(path) as members:
        if any(member.file_size > MOST_VOXELS for member in members.infolist()):
            raise InputError(f"{path.name} holds more than any slice: prepare it anew.")
    with _damage_told(path), np.load(path, allow_pickle=False) as file:
        voxels, matrix = file[key], np.asarray(file.get(GEOMETRY, UNKNOWN_GEOMETRY), np.float64)
    return _checked(voxels, 2, key, path), matrix


def _read_volume(path: Path, key: str) -> tuple[np.ndarray, np.ndarray]:
    check_file(path)
    with _damage_told(path), h5py_module().File(path, "r") as file:
        voxels, matrix = _dataset(file, key, path), np.asarray(UNKNOWN_GEOMETRY, np.float64)
        if GEOMETRY in file:
            matrix = _dataset(file, GEOMETRY, path).astype(np.float64)
    return _checked(voxels, 3, key, path), matrix


def _dataset(file: Any, key: str, path: Path) -> np.ndarray:
    """An array of a HDF5 file, which may name other files for it, or claim any size."""
    h5py = h5py_module()
    elsewhere = InputError(f'{path.name} has its "{key}" in another file: prepare it anew.')
    if isinstance(file.get(key, getlink=True), h5py.ExternalLink):
        raise elsewhere
    found = file[key]
    if not isinstance(found, h5py.Dataset):
        raise InputError(f'{path.name}: its "{key}" is a group, no array of 3 dimensions: prepare it anew.')
    if found.external or found.is_virtual:
        raise elsewhere
    if found.size > MOST_VOXELS:
        raise InputError(f"{path.name} holds more than any scan: prepare it anew.")
    return np.asarray(found)


def _checked(voxels: np.ndarray, dimensions: int, key: str, path: Path) -> np.ndarray:
    if voxels.ndim != dimensions or voxels.dtype.kind not in "iuf" or not voxels.size:
        raise InputError(f'{path.name}: its "{key}" is no array of {dimensions} dimensions: prepare it anew.')
    return voxels


DAMAGE = (OSError, ValueError, EOFError, TypeError, NotImplementedError, MemoryError, zipfile.BadZipFile, zlib.error)
"""What numpy and h5py raise on a file that is not what it should be."""


@contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    try:
        yield
    except KeyError as error:
        raise InputError(f"{path.name} lacks the array {error}: prepare it anew.") from error
    except DAMAGE as error:
        raise InputError(f"{path.name} cannot be read, it is damaged or not the authors': prepare it anew.") from error
