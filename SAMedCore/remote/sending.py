"""Files on their way to the far end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from SAMedCore.errors import SAMedError
from SAMedCore.remote.channel import Channel, ConnectionGone
from SAMedCore.remote.frames import Kind
from SAMedCore.remote.packing import PIECE, pack
from SAMedCore.remote.window import Window


class Sender:
    """Asks the far end and sends it files; one thread does so.

    Args:
        host: its name, for sentences.
    """

    def __init__(self, channel: Channel, host: str) -> None:
        self.window = Window()
        self.host = host
        self._channel = channel
        self._answered = threading.Condition()
        self._answers: dict[int, dict[str, Any]] = {}
        self._is_closed = False

    def ask(self, op: str, **facts: Any) -> dict[str, Any]:
        """What the far end answers to a call. Raises ConnectionGone, or SAMedError where it fails there."""
        number = self._channel.next_number()
        self._channel.call(op, number, **facts)
        return self._answer(number)

    def missing(self, paths: list[str]) -> list[str]:
        """Those of the paths at which nothing is, there. Raises ConnectionGone."""
        return list(self.ask("missing", paths=paths)["paths"]) if paths else []

    def remove(self, paths: list[str]) -> None:
        """Remove files or folders there, without waiting for it. Raises ConnectionGone."""
        if paths:
            self._channel.call("remove", paths=paths)

    def send(
        self, source: Path, target: str, sha256: str = "", watch: Callable[[int, int], None] = lambda done, all: None
    ) -> None:
        """A file, whole at `target` there when this returns.

        Args:
            sha256: it has to have; "" for whichever.
            watch: told bytes sent and all; where it raises (Cancelled), nothing is left there.

        Raises:
            ConnectionGone.
            OSError: it cannot be read here.
            SAMedError: it cannot be written there, for example because the disk is full.
        """
        number, done, size = self._channel.next_number(), 0, source.stat().st_size
        self._channel.call("file", number, path=target, sha256=sha256)
        try:
            for piece, item_size in pieces(source):
                watch(done, size)
                if number in self._answers:
                    break
                packed = pack(piece, item_size)
                self.window.wait_for(len(packed))
                self._channel.send(Kind.DATA, number, packed)
                done += len(piece)
        except BaseException:
            self._channel.call("drop", number)
            raise
        self._channel.call("end", number)
        self._answer(number)
        watch(size, size)

    def answered(self, number: int, answer: dict[str, Any]) -> None:
        """The far end has answered the call of this number."""
        with self._answered:
            self._answers[number] = answer
            self._answered.notify_all()

    def close(self) -> None:
        """The connection is gone: whoever waits hears it."""
        self.window.close()
        with self._answered:
            self._is_closed = True
            self._answered.notify_all()

    def _answer(self, number: int) -> dict[str, Any]:
        with self._answered:
            self._answered.wait_for(lambda: self._is_closed or number in self._answers)
            if number not in self._answers:
                raise ConnectionGone
            answer = self._answers.pop(number)
        if answer.get("error"):
            raise SAMedError(
                f"{self.host} could not take what was sent ({answer['error']}): free some space there, and try again."
            )
        return answer


def pieces(path: Path) -> Iterator[tuple[bytes, int]]:
    """The file's bytes in pieces of at most `PIECE`, each with the size of the items of which it consists."""
    with path.open("rb") as file:
        item_size = 1
        if path.suffix == ".npy":
            item_size = _item_size(file)
            header = file.tell()
            file.seek(0)
            yield file.read(header), 1
        while piece := file.read(PIECE):
            yield piece, item_size


def _item_size(file: Any) -> int:
    """Of the array in a .npy file, which is then read up to its voxels; 1, and not read, where it is none."""
    try:
        major, _ = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
        return int(read(file)[2].itemsize)
    except ValueError:
        file.seek(0)
        return 1
