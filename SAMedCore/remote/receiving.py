"""Voxels and checkpoints on their way from the far end.

The far end is another computer: nothing that it names is written anywhere but under a plain name in the private folder.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from SAMedCore.files.atomic import replace_folder
from SAMedCore.remote.frames import BrokenStream
from SAMedCore.remote.packing import unpack
from SAMedCore.service.voxels import new_map

MOST_BYTES = 2**40
"""Of an array: what is larger was not announced by this project."""


class Receiver:
    """Fills .npy files and gathers checkpoints in the private folder.

    Attributes:
        failures: number of the request -> why what belongs to it could not be written here.
    """

    def __init__(self, folder: Path) -> None:
        self.failures: dict[int, OSError] = {}
        self._folder = folder
        self._coming: dict[int, _Box | _File] = {}

    def begin(self, number: int, call: dict[str, Any]) -> None:
        """A CALL that announces data: "box", a part of an array; "file", of a checkpoint. Raises BrokenStream."""
        try:
            request = int(call["request"])
            if call["op"] == "box":
                path = self._folder / plain_name(call["name"])
                coming: _Box | _File = _Box(path, np.dtype(call["dtype"]), tuple(call["shape"]), call["box"])
            else:
                coming = _File(self.gathered(request) / plain_name(call["name"]), int(call["size"]))
        except (KeyError, TypeError, ValueError) as error:
            raise BrokenStream(f"what the far end announces is nothing: {call}") from error
        self._write(request, coming, b"")
        if not coming.is_complete:
            self._coming[number] = coming
            coming.request = request

    def data(self, number: int, payload: bytes) -> None:
        """A piece of what was announced under this number. Raises BrokenStream."""
        coming = self._coming.get(number)
        if coming is None:
            raise BrokenStream("a piece of nothing")
        self._write(coming.request, coming, unpack(payload))
        if coming.is_complete:
            del self._coming[number]

    def gathered(self, request: int) -> Path:
        """Where the files of a checkpoint lie that a request has made."""
        return self._folder / f"checkpoint-{request}"

    def place(self, request: int, out: Path) -> None:
        """Put the checkpoint that has come to `out`, whole or not at all. Raises InputError where it cannot be written."""
        files = sorted(self.gathered(request).iterdir())

        def fill(partial: Path) -> None:
            for file in files:
                shutil.copyfile(file, partial / file.name)

        replace_folder(out, fill)
        shutil.rmtree(self.gathered(request), ignore_errors=True)

    def _write(self, request: int, coming: _Box | _File, piece: bytes) -> None:
        try:
            coming.add(piece, is_kept=request not in self.failures)
        except OSError as error:
            self.failures[request] = error


class _Box:
    """A part of an array, written when all of it has come."""

    def __init__(self, path: Path, dtype: np.dtype, shape: tuple[int, ...], box: Any) -> None:
        self._path = path
        self._dtype = dtype
        self._shape = shape
        self._box = tuple(slice(int(start), int(stop)) for start, stop in box)
        self._size = tuple(each.stop - each.start for each in self._box)
        inside = all(0 <= each.start <= each.stop <= length for each, length in zip(self._box, shape, strict=True))
        if dtype.kind not in "iufb" or not inside or np.prod(shape, dtype=float) * dtype.itemsize > MOST_BYTES:
            raise ValueError("no array")
        self._bytes = bytearray()
        self._expected = int(np.prod(self._size)) * dtype.itemsize
        self.request = 0
        self.is_complete = False

    def add(self, piece: bytes, is_kept: bool) -> None:
        self._bytes += piece
        if len(self._bytes) > self._expected:
            raise BrokenStream("more voxels than announced")
        self.is_complete = len(self._bytes) == self._expected
        if self.is_complete and is_kept:
            self._store()

    def _store(self) -> None:
        if not self._path.exists():
            new_map(self._path, self._shape, self._dtype)
        voxels = np.load(self._path, mmap_mode="r+")
        voxels[self._box] = np.frombuffer(self._bytes, self._dtype).reshape(self._size)
        voxels.flush()


class _File:
    """A file of a checkpoint."""

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._left = size
        self.request = 0
        self.is_complete = False

    def add(self, piece: bytes, is_kept: bool) -> None:
        self._left -= len(piece)
        if self._left < 0:
            raise BrokenStream("more bytes than announced")
        self.is_complete = self._left == 0
        if is_kept:
            self._path.parent.mkdir(mode=0o700, exist_ok=True)
            with self._path.open("ab") as file:
                file.write(piece)


def plain_name(name: Any) -> str:
    """A file's name without a folder. Raises ValueError where it is none."""
    if not isinstance(name, str) or not name or name in (".", "..") or any(each in name for each in "/\\:\0"):
        raise ValueError(f"{name!r} is no plain name")
    return name
