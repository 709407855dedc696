"""Messages as lines of bytes, and back: one ASCII JSON object a line, with the number of its request."""

from __future__ import annotations

import json
import math
import types
import typing
from dataclasses import asdict, fields, is_dataclass
from typing import Any, Literal, TypeVar

from SAMedCore.errors import InputError
from SAMedCore.service.events import Event
from SAMedCore.service.messages import Request

LONGEST_LINE = 4 * 2**20
"""Bytes. What is longer was not written by this project and is skipped."""


class ProtocolError(Exception):
    """A line that is no message."""


class Refused(Exception):
    """A message one of whose values is out of range; the sentence is the user's.

    Attributes:
        number: of the request.
    """

    def __init__(self, error: InputError, number: int) -> None:
        super().__init__(str(error))
        self.number = number


_REQUESTS = {cls.__name__: cls for cls in typing.get_args(Request)}
_EVENTS = {cls.__name__: cls for cls in typing.get_args(Event)}
AnyMessage = TypeVar("AnyMessage")


def encode(message: Request | Event, number: int = 0) -> bytes:
    """The message as one line, with its newline. Raises InputError where one that long would be skipped."""
    row = {"type": type(message).__name__, "number": number, **asdict(message)}
    line = json.dumps(row, ensure_ascii=True, allow_nan=False).encode("ascii")
    if len(line) > LONGEST_LINE:
        raise InputError(f"what is to be sent is larger than {LONGEST_LINE // 2**20} MB: ask for less at a time.")
    return line + b"\n"


def decode_request(line: bytes) -> tuple[Request, int]:
    """The request in a line and its number. Raises ProtocolError, or Refused where its options refuse a value."""
    return _decode(line, _REQUESTS)


def decode_event(line: bytes) -> tuple[Event, int]:
    """The event in a line and the number of its request (0: none). Raises ProtocolError."""
    return _decode(line, _EVENTS)


class Lines:
    """Bytes as they come, cut into lines.

    A line may come in pieces; an empty one and one longer than `LONGEST_LINE` are skipped.

    Example:
        >>> lines = Lines()
        >>> lines.feed(b'{"a"'), lines.feed(b': 1}\\n{')
        ([], [b'{"a": 1}'])
    """

    def __init__(self) -> None:
        self._rest = bytearray()
        self._skipping = False

    def feed(self, piece: bytes) -> list[bytes]:
        """The lines that this piece completes, without their newline."""
        *complete, rest = bytes(piece).split(b"\n")
        lines = []
        for part in complete:
            self._append(part)
            if self._rest:
                lines.append(bytes(self._rest))
            self._rest.clear()
            self._skipping = False
        self._append(rest)
        return lines

    def _append(self, part: bytes) -> None:
        self._skipping = self._skipping or len(self._rest) + len(part) > LONGEST_LINE
        if self._skipping:
            self._rest.clear()
        else:
            self._rest += part


def _decode(line: bytes, known: dict[str, type]) -> tuple[Any, int]:
    try:
        row = json.loads(line)
        message_class = known[row.pop("type")]
        number = row.pop("number")
        if type(number) is not int:
            raise TypeError("number")
        try:
            return _build(message_class, row), number
        except InputError as error:
            raise Refused(error, number) from error
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ProtocolError(f"no message: {line[:200]!r} ({type(error).__name__}: {str(error)[:200]})") from error


def _build(cls: type[AnyMessage], row: dict[str, Any]) -> AnyMessage:
    hints = typing.get_type_hints(cls)
    unknown = row.keys() - {each.name for each in fields(cls)}  # type: ignore[arg-type]
    if unknown:
        raise TypeError(f"{cls.__name__} has no {min(unknown)}")
    return cls(**{name: _value(hints[name], value) for name, value in row.items()})


def _value(hint: Any, value: Any) -> Any:
    """What JSON gave as what the annotation says: tuples for lists, data classes for objects, the types checked."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if is_dataclass(hint):
        if not isinstance(value, dict):
            raise TypeError(f"{value!r} is no object")
        return _build(typing.cast(type, hint), value)
    if origin in (types.UnionType, typing.Union):
        return _value_of_one(arguments, value)
    if hint is type(None):
        if value is not None:
            raise TypeError(f"{value!r} is not null")
        return None
    if origin is Literal:
        if value not in arguments:
            raise TypeError(f"{value!r} is none of {arguments}")
        return value
    if origin is tuple and isinstance(value, list):
        inner = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else arguments
        return tuple(_value(each, item) for each, item in zip(inner, value, strict=True))
    expected = origin or hint
    if expected is float and type(value) is int:
        value = float(value)
    if not isinstance(value, expected) or (expected is int and isinstance(value, bool)):
        raise TypeError(f"{value!r} is no {expected.__name__}")
    if expected is float and not math.isfinite(value):
        raise TypeError(f"{value} is not finite")
    return value


def _value_of_one(hints: tuple[Any, ...], value: Any) -> Any:
    """What the first of these annotations that fits makes of it."""
    for hint in hints:
        try:
            return _value(hint, value)
        except TypeError:
            continue
    raise TypeError(f"{value!r} is none of {', '.join(map(str, hints))}")
