"""Voxels on their way to the worker and back, in .npy files of the private folder."""

import contextlib
import uuid
from collections.abc import Callable
from pathlib import Path

import numpy as np
import qt
from slicer.i18n import tr as _

from SAMedCore.errors import SAMedError
from SAMedCore.image.labels import LabelTable
from SAMedCore.image.volume import LabelMap, Volume
from SAMedCore.service.carried import LabelFile, VoxelFile, label_file, voxel_file
from SAMedLib.worker.privateFolder import makePrivateFile

SLAB_BYTES = 8 * 2**20
"""Copied at a time: some milliseconds, between which the application answers."""


class VoxelWriter:
    """Writes arrays to files, once it is told to `start` or to `finish`.

    Args:
        arrays: (k, j, i) each.
        folder: the private folder.
        onWritten: called once with the files' paths, in the order of the arrays.
        onFailed: called instead with the OSError, for example where the disk is full.

    Attributes:
        paths: of the files so far, which `stop` removes; whoever keeps one takes it out.
    """

    def __init__(
        self,
        arrays: list[np.ndarray],
        folder: Path,
        onWritten: Callable[[list[Path]], None],
        onFailed: Callable[[OSError], None],
    ) -> None:
        self.paths: list[Path] = []
        self._onWritten = onWritten
        self._onFailed = onFailed
        self._steps = self._write(arrays, folder)
        self._stopped = False

    def start(self) -> None:
        """Write a slab at each turn of the event loop, so that the application never waits."""
        qt.QTimer.singleShot(0, self._step)

    def finish(self) -> None:
        """Write all of it now, where it is little; that it failed is told from the event loop all the same."""
        try:
            for _slab in self._steps:
                pass
        except OSError as failure:
            error = failure
            self.stop()
            qt.QTimer.singleShot(0, lambda: self._onFailed(error))
        else:
            self._onWritten(self.paths)

    def stop(self) -> None:
        """Write no more and remove what is there."""
        self._stopped = True
        self._steps.close()
        remove(self.paths)

    def _step(self) -> None:
        if self._stopped:
            return
        try:
            next(self._steps)
        except StopIteration:
            self._onWritten(self.paths)
        except OSError as error:
            self.stop()
            self._onFailed(error)
        else:
            qt.QTimer.singleShot(0, self._step)

    def _write(self, arrays: list[np.ndarray], folder: Path):
        for array in arrays:
            path = makePrivateFile(folder / f"voxels-{uuid.uuid4().hex}.npy")
            self.paths.append(path)
            # Not "wb": ext4 writes a file that was truncated to the disk when it is closed, and the application waits.
            with path.open("r+b") as file:
                header = {"descr": array.dtype.str, "fortran_order": False, "shape": array.shape}
                np.lib.format.write_array_header_1_0(file, header)
                slices = max(1, SLAB_BYTES // max(1, array[0].nbytes))
                for start in range(0, len(array), slices):
                    np.ascontiguousarray(array[start : start + slices]).tofile(file)
                    yield
                file.flush()


def notHandedOver(error: OSError) -> SAMedError:
    """What a person is told of a `VoxelWriter` that has failed."""
    text = _("The volume could not be handed to the worker ({reason}): free some space for temporary files.")
    return SAMedError(text.format(reason=error.strerror or error))


def voxelFile(path: Path, volume: Volume) -> VoxelFile:
    """How a request names a volume whose voxels are in this file."""
    return voxel_file(path, volume.ijk_to_lps)


def labelFile(path: Path, labelmap: LabelMap) -> LabelFile:
    """How a request names a label map whose voxels are in this file."""
    return label_file(path, labelmap.ijk_to_lps, labelmap.labels)


def readLabelFile(answered: dict) -> LabelMap:
    """The label map of an answer, in memory; its file is removed."""
    labels = LabelTable.from_json(answered["labels"])
    labelmap = LabelMap(np.load(answered["path"]), np.array(answered["ijk_to_lps"]), labels)
    remove([Path(answered["path"])])
    return labelmap


def readVoxelFile(answered: dict) -> np.ndarray:
    """The voxels (k, j, i) of an answer, in memory; their file is removed."""
    voxels = np.load(answered["path"])
    remove([Path(answered["path"])])
    return voxels


def readBox(path: str, box) -> np.ndarray:
    """A copy of what is in the box [[k, k), [j, j), [i, i)] of the array in this file; the file is not kept open."""
    (k0, k1), (j0, j1), (i0, i1) = box
    mapped = np.load(path, mmap_mode="r")
    return np.array(mapped[k0:k1, j0:j1, i0:i1])


def remove(paths: list[Path]) -> None:
    for path in paths:
        # It may be gone already, or (Windows) still be mapped by the worker: the folder's own removal deals with it then.
        with contextlib.suppress(OSError):
            path.unlink()
