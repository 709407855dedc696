"""The worker's events on their way back, each after the voxels or the checkpoint that it tells of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from SAMedCore.remote.channel import Channel
from SAMedCore.remote.frames import Kind
from SAMedCore.remote.packing import PIECE, pack
from SAMedCore.service.answers import error_of
from SAMedCore.service.events import Error, Result, Slices
from SAMedCore.service.wire import ProtocolError, decode_event, encode

Box = tuple[slice, ...]


class Returning:
    """Sends of each array only what the near end does not have; it begins with zeros, as the worker's own maps do."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._sent: dict[int, dict[str, np.ndarray]] = {}

    def pass_on(self, line: bytes) -> None:
        """One line of the worker. Raises ConnectionGone."""
        try:
            event, request = decode_event(line)
        except ProtocolError:
            return
        try:
            if isinstance(event, Slices):
                voxels = np.load(event.labelmap, mmap_mode="r")
                self._send_box(request, event.labelmap, voxels, tuple(slice(start, stop) for start, stop in event.box))
                event = replace(event, labelmap=Path(event.labelmap).name)
            elif isinstance(event, Result):
                event = Result({name: self._returned(request, name, value) for name, value in event.values.items()})
        except OSError as error:
            if isinstance(event, Slices):
                return  # the request was cancelled meanwhile, and its file is gone
            event = error_of(error)
        if isinstance(event, Result | Error):
            self._sent.pop(request, None)
        self._channel.send(Kind.LINE, 0, encode(event, request))

    def _returned(self, request: int, name: str, value: Any) -> Any:
        """A value of a result, its files sent."""
        if name == "checkpoint" and isinstance(value, str):
            for file in sorted(Path(value).iterdir()):
                if file.is_file():
                    self._send_file(request, file)
        if isinstance(value, dict) and isinstance(value.get("path"), str):
            path = Path(value["path"])
            voxels = np.load(path, mmap_mode="r")
            self._send_box(request, str(path), voxels, _changed(voxels, self._sent_of(request, path.name, voxels)))
            path.unlink()
            return {**value, "path": path.name}
        return value

    def _send_box(self, request: int, path: str, voxels: np.ndarray, box: Box) -> None:
        name, number = Path(path).name, self._channel.next_number()
        part = np.ascontiguousarray(voxels[box])
        self._sent_of(request, name, voxels)[box] = part
        facts = {"request": request, "name": name, "dtype": voxels.dtype.str, "shape": voxels.shape}
        self._channel.call("box", number, **facts, box=[[each.start, each.stop] for each in box])
        content = part.tobytes()
        for start in range(0, len(content), PIECE):
            self._channel.send(Kind.DATA, number, pack(content[start : start + PIECE], voxels.dtype.itemsize))

    def _send_file(self, request: int, file: Path) -> None:
        number = self._channel.next_number()
        self._channel.call("file", number, request=request, name=file.name, size=file.stat().st_size)
        with file.open("rb") as source:
            while piece := source.read(PIECE):
                self._channel.send(Kind.DATA, number, pack(piece))

    def _sent_of(self, request: int, name: str, voxels: np.ndarray) -> np.ndarray:
        arrays = self._sent.setdefault(request, {})
        if name not in arrays:
            arrays[name] = np.zeros(voxels.shape, voxels.dtype)
        return arrays[name]


def _changed(voxels: np.ndarray, sent: np.ndarray) -> Box:
    """The smallest box outside which both are the same, bit for bit."""
    kind = f"u{voxels.dtype.itemsize}"
    differs = np.ascontiguousarray(voxels).view(kind) != sent.view(kind)
    box = []
    for axis in range(voxels.ndim):
        where = np.flatnonzero(differs.any(axis=tuple(other for other in range(voxels.ndim) if other != axis)))
        box.append(slice(int(where[0]), int(where[-1]) + 1) if len(where) else slice(0, 0))
    return tuple(box)
