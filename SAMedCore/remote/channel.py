"""Frames in both directions between two file descriptors."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from typing import Any

from SAMedCore.remote.frames import Frame, Frames, Kind, framed

PING_S = 5.0
"""So often the near end lets itself be heard, and asks the far end to."""

NEAR_PATIENCE_S = 20.0
"""After so long without a byte from the far end the near end takes the connection for lost."""

FAR_PATIENCE_S = 60.0
"""After so long without one from the near end the far end leaves: nothing else tells it that the network was cut."""


class ConnectionGone(Exception):
    """Nobody is at the other end any more."""


class Channel:
    """Several threads may send; one receives.

    Args:
        read, write: file descriptors.

    Attributes:
        heard: when the last byte came (time.monotonic).
        received, sent: bytes so far.
    """

    def __init__(self, read: int, write: int) -> None:
        self._read = read
        self._write = write
        self._sending = threading.Lock()
        self._count = 0
        self.heard = time.monotonic()
        self.received = self.sent = 0

    def send(self, kind: Kind, number: int, payload: bytes = b"") -> None:
        """One frame. Raises ConnectionGone."""
        piece = framed(kind, number, payload)
        try:
            with self._sending:
                self.sent += len(piece)
                while piece:
                    piece = piece[os.write(self._write, piece) :]
        except OSError as error:
            raise ConnectionGone from error

    def call(self, op: str, number: int = 0, **facts: Any) -> None:
        """One CALL, likewise."""
        self.send(Kind.CALL, number, json.dumps({"op": op, **facts}, ensure_ascii=True).encode("ascii"))

    def next_number(self) -> int:
        """For a CALL that others refer to; of one end's own, from 1 on."""
        with self._sending:
            self._count += 1
            return self._count

    def pieces(self) -> Iterator[bytes]:
        """What comes, as it comes, until the other end is gone."""
        try:
            while piece := os.read(self._read, 1 << 16):
                self.heard = time.monotonic()
                self.received += len(piece)
                yield piece
        except OSError:
            return

    def frames(self, first: bytes = b"") -> Iterator[Frame]:
        """The frames that come, until the other end is gone, `first` being what came already. Raises BrokenStream."""
        frames = Frames()
        yield from frames.feed(first)
        for piece in self.pieces():
            yield from frames.feed(piece)
