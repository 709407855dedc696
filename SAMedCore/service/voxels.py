"""The .npy files through which voxels travel."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from SAMedCore.errors import InputError
from SAMedCore.image.labels import LabelTable
from SAMedCore.image.volume import LabelMap, Volume
from SAMedCore.service.carried import LabelFile, VoxelFile, label_file, voxel_file
from SAMedCore.service.events import Slices
from SAMedCore.service.job import Box, Job, Pace


def volume_of(file: VoxelFile) -> Volume:
    """The volume, its voxels mapped and not yet read. Raises InputError where the file holds none."""
    return Volume(_mapped(file.path), np.array(file.ijk_to_lps, np.float64))


def labelmap_of(file: LabelFile) -> LabelMap:
    """The label map, likewise."""
    return LabelMap(_mapped(file.path), np.array(file.ijk_to_lps, np.float64), LabelTable.from_json(file.labels))


def write_labelmap(job: Job, labelmap: LabelMap) -> dict[str, Any]:
    """A finished label map in a new file of the private folder, as the `LabelFile` of a result, as plain JSON.

    Raises:
        OSError: there is no room for it.
    """
    path = _output(job, "labelmap")
    make_private_file(path)
    with path.open("r+b") as file:
        np.save(file, labelmap.voxels)
    return _message(path, labelmap.ijk_to_lps, labelmap.labels)


class OutputMap:
    """A label map in a new .npy file of the private folder, all 0, that the other side can read while it is filled.

    Attributes:
        voxels: (k, j, i), mapped.

    Raises:
        OSError: there is no room for it.
    """

    def __init__(self, job: Job, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self._job = job
        self.path, self.voxels = _new_map(job, "labelmap", shape, dtype)
        self._box: Box | None = None
        self._pace = Pace()

    def finished(self, box: Box) -> None:
        """This part is filled; the other side is told a few times a second, of all that came since."""
        self._box = box if self._box is None else _around(self._box, box)
        if self._pace.is_due():
            self.tell()

    def tell(self) -> None:
        """Tell of what was not told yet."""
        if self._box is not None:
            self.voxels.flush()
            self._job.send(Slices(str(self.path), tuple((each.start, each.stop) for each in self._box)))
            self._box = None
            self._pace.restart()

    def message(self, ijk_to_lps: np.ndarray, labels: LabelTable) -> dict[str, Any]:
        """The whole map as the `LabelFile` of a result, as plain JSON."""
        self.voxels.flush()
        return _message(self.path, ijk_to_lps, labels)


class UncertaintyMap:
    """Uncertainty (k, j, i) float16 in a new .npy file of the private folder, all 0 so far.

    Attributes:
        voxels: mapped.

    Raises:
        OSError: there is no room for it.
    """

    def __init__(self, job: Job, shape: tuple[int, ...]) -> None:
        self._path, self.voxels = _new_map(job, "uncertainty", shape, np.dtype(np.float16))

    def message(self, ijk_to_lps: np.ndarray) -> dict[str, Any]:
        """The whole map as the `VoxelFile` of a result, as plain JSON."""
        self.voxels.flush()
        return asdict(voxel_file(self._path, ijk_to_lps))


def new_map(path: Path, shape: tuple[int, ...], dtype: np.dtype) -> np.memmap:
    """Zeros in a new .npy file, mapped.

    Raises:
        OSError: there is no room for it, or a file of that name.
    """
    make_private_file(path)
    if hasattr(os, "posix_fallocate"):
        # Writing to a mapped file on a full disk would be a bus error.
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, int(np.prod(shape)) * dtype.itemsize + 4096)
    return np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)


def make_private_file(path: Path) -> None:
    """An empty new file, readable by this user alone."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def _new_map(job: Job, name: str, shape: tuple[int, ...], dtype: np.dtype) -> tuple[Path, np.memmap]:
    path = _output(job, name)
    return path, new_map(path, shape, dtype)


def _output(job: Job, name: str) -> Path:
    """Where a new file of the job is to lie; removed if the job fails."""
    path = job.folder / f"{name}-{job.number}.npy"
    job.outputs.append(path)
    return path


def _message(path: Path, ijk_to_lps: np.ndarray, labels: LabelTable) -> dict[str, Any]:
    return asdict(label_file(path, ijk_to_lps, labels))


def _mapped(path: str) -> np.ndarray:
    try:
        if not Path(path).is_file():  # a pipe would be waited for
            raise ValueError("no file")
        return np.load(Path(path), mmap_mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f'the voxels in "{path}" cannot be read ({error}): try again.') from error


def _around(first: Box, second: Box) -> Box:
    k, j, i = (slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(first, second, strict=True))
    return k, j, i
