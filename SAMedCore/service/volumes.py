"""The open volumes, by the handles under which the other side names them."""

from __future__ import annotations

import threading
from dataclasses import replace

from SAMedCore.errors import InputError
from SAMedCore.image.slices import axial_count, check_slices
from SAMedCore.image.volume import Volume
from SAMedCore.service.carried import VoxelFile
from SAMedCore.service.voxels import volume_of


class Volumes:
    """Opened and closed by the thread that reads the requests, while another one works with them."""

    def __init__(self) -> None:
        self._open: dict[str, Volume] = {}
        self._lock = threading.Lock()

    def open(self, handle: str, file: VoxelFile, modality: str | None = None) -> None:
        """Map the file's voxels. Raises InputError where it holds none, or the handle is taken."""
        volume = replace(volume_of(file), modality=modality)
        with self._lock:
            if handle in self._open:
                raise InputError(f'a volume is open as "{handle}" already: close that first.')
            self._open[handle] = volume

    def close(self, handle: str) -> None:
        """Let go of it; who works with it still has it. Raises InputError as `named`."""
        self.named(handle)
        with self._lock:
            self._open.pop(handle, None)

    def named(self, handle: str) -> Volume:
        """Raises InputError where no volume is open under this handle."""
        with self._lock:
            volume = self._open.get(handle)
        if volume is None:
            raise InputError(f'the worker does not hold the volume "{handle}" (any more): send it again.')
        return volume

    def check_slice(self, handle: str, k: int) -> None:
        """Raises InputError as `named`, and where the volume has no axial slice `k`, counted from the feet."""
        check_slices((k,), axial_count(self.named(handle).grid))
