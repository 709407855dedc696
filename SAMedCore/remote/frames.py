"""What travels over the connection: bytes cut into frames, and back.

The other end begins with a greeting: `MARK` and one line of JSON. Whatever a login shell printed before it is no part of it.
From then on both directions carry frames: a header of 11 bytes (``b"SF"``, kind, number, length) and so many bytes.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

FRAMES_VERSION = 1
"""To be raised with every change that another version's end would misunderstand."""

MARK = b"\x00SAMed far end\x00"
SYNC = b"SF"
HEADER = struct.Struct(">2sBII")
LONGEST_FRAME = 8 * 2**20
LONGEST_CHATTER = 2**20
"""Bytes of what a login shell may print, and of the greeting."""


class Kind(IntEnum):
    """What a frame carries."""

    LINE = 1
    """A message of `service.messages` or `service.events`, as `service.wire` has it."""
    CALL = 2
    """What the two ends say to each other: JSON with an "op"."""
    DATA = 3
    """A packed piece of the file or voxels that the last CALL of this number has announced."""
    TAKEN = 4
    """A DATA of this number has arrived."""


@dataclass(frozen=True)
class Frame:
    """One frame; `number` is that of a CALL, and of what belongs to it."""

    kind: Kind
    number: int
    payload: bytes

    @property
    def call(self) -> dict[str, Any]:
        """The payload of a CALL. Raises BrokenStream where it is none."""
        try:
            row = json.loads(self.payload)
            if isinstance(row, dict) and isinstance(row["op"], str):
                return row
        except (ValueError, KeyError, RecursionError) as error:
            raise BrokenStream("a call that is none") from error
        raise BrokenStream("a call that is none")


class BrokenStream(Exception):
    """What came is not what the other end sends."""


def framed(kind: Kind, number: int, payload: bytes = b"") -> bytes:
    """The frame as bytes."""
    return HEADER.pack(SYNC, kind, number, len(payload)) + payload


def greeting(facts: dict[str, Any]) -> bytes:
    """The first bytes of the far end."""
    return MARK + json.dumps(facts, ensure_ascii=True).encode("ascii") + b"\n"


class Greeting:
    """Waits for the greeting among what comes.

    Attributes:
        chatter: what came before it.
        facts: what it says; None as long as it has not come.
    """

    def __init__(self) -> None:
        self.chatter = b""
        self.facts: dict[str, Any] | None = None
        self._rest = b""

    def feed(self, piece: bytes) -> bytes:
        """Takes a piece until the greeting is whole; returns what comes after it. Raises BrokenStream where it never will."""
        self._rest += piece
        before, _mark, after = self._rest.partition(MARK)
        line, newline, frames = after.partition(b"\n")
        if not newline:
            self.chatter = before
            if len(self._rest) > LONGEST_CHATTER:
                raise BrokenStream("no greeting")
            return b""
        self.chatter, self._rest = before, b""
        try:
            self.facts = dict(json.loads(line))
        except (ValueError, TypeError, RecursionError) as error:
            raise BrokenStream("a greeting that is none") from error
        return frames


class Frames:
    """Bytes as they come, cut into frames."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, piece: bytes) -> list[Frame]:
        """The frames that this piece completes. Raises BrokenStream where what came is no frame."""
        self._rest += piece
        frames, start = [], 0
        while len(self._rest) - start >= HEADER.size:
            sync, kind, number, length = HEADER.unpack_from(self._rest, start)
            if sync != SYNC or kind not in list(Kind) or length > LONGEST_FRAME:
                raise BrokenStream(f"{bytes(self._rest[start : start + 40])!r} in place of a frame")
            end = start + HEADER.size + length
            if len(self._rest) < end:
                break
            frames.append(Frame(Kind(kind), number, bytes(self._rest[start + HEADER.size : end])))
            start = end
        del self._rest[:start]
        return frames
