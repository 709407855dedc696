"""What the values of a request may be: each of the kind that its annotation says, and none larger than anybody means.

Imports nothing but Python's own, so that a request is checked where it is made, in Slicer's process too.
"""

from __future__ import annotations

import os
import re
import reprlib
import types
import typing
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from numbers import Integral, Real
from typing import Any

from SAMedCore.errors import InputError

MOST = 100_000
"""Of the slices, names or points that one value lists, and the highest number of a slice: ten times the longest scans."""

MOST_TIMES = 1_000_000
"""Of whatever is done so many times: epochs, steps."""

WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?")
"""What people write; Python itself also takes underscores and other scripts' digits, which are slips of the hand here."""

_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a text", tuple: "a list"}


def settle(request: Any) -> None:
    """Make the values of a frozen data class what their annotations say: lists and ranges become tuples, paths texts, numpy's
    numbers Python's.

    Raises:
        InputError: one of them is of another kind, lists more than `MOST`, or is a text that cannot be written down.
    """
    kind: Any = type(request)
    hints = _hints(kind)
    for each in fields(request):
        try:
            value = _settled(hints[each.name], getattr(request, each.name))
        except _Other as error:
            raise InputError(f'"{each.name.replace("_", " ")}" is {reprlib.repr(error.value)}: give {error.wanted}.') from None
        object.__setattr__(request, each.name, value)


def check_text(text: str) -> None:
    """Raises InputError where a text holds what neither a file's name nor a person's can: NUL, or half a character."""
    try:
        text.encode("utf-8", "surrogateescape")  # which bytes of a file's name that are no UTF-8 come as
    except UnicodeEncodeError:
        broken = True
    else:
        broken = "\0" in text
    if broken:
        raise InputError(f"{reprlib.repr(text)} holds a character that cannot be written: take it out.")


def check_range(number: float | None, what: str, least: float, most: float) -> None:
    """Raises InputError where there is a number and it is not one from `least` to `most`.

    Args:
        what: it is of, such as "epochs".
    """
    if number is None or least <= number <= most:
        return
    bound = f"give at least {least}" if number < least else f"give at most {most}" if number > most else "give a number"
    raise InputError(f"{number} {what}: {bound}.")


class _Other(Exception):
    """A value that is none of what is wanted."""

    def __init__(self, value: Any, wanted: str) -> None:
        self.value, self.wanted = value, wanted


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _settled(hint: Any, value: Any) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return _settled_as_one(arguments, value)
    if origin is tuple:
        return _tuple(arguments, value)
    if hint is types.NoneType or is_dataclass(hint):
        kind = typing.cast(type, hint)
        if not isinstance(value, kind):
            raise _Other(value, "nothing" if kind is types.NoneType else f"a {kind.__name__}")
        return value
    if hint is str and isinstance(value, os.PathLike):
        value = os.fspath(value)
    wanted = {int: Integral, float: Real}.get(hint, hint)
    if not isinstance(value, wanted) or (isinstance(value, bool) and hint is not bool):
        raise _Other(value, _WORDS[hint])
    if hint is str:
        check_text(value)
    try:
        return hint(value)
    except OverflowError:
        raise _Other(value, "a smaller number") from None


def _settled_as_one(hints: tuple[Any, ...], value: Any) -> Any:
    """What the first of these annotations that fits makes of it."""
    wanted = []
    for hint in hints:
        try:
            return _settled(hint, value)
        except _Other as error:
            wanted.append(error.wanted)
    raise _Other(value, " or ".join(dict.fromkeys(wanted)))


def _tuple(hints: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    if hasattr(value, "tolist"):
        value = value.tolist()
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise _Other(value, _WORDS[tuple])
    if value[MOST:]:  # a range may be longer than can be counted
        raise _Other(value, f"no more than {MOST}")
    if hints[-1] is Ellipsis:
        return tuple(_settled(hints[0], each) for each in value)
    if len(value) != len(hints):
        raise _Other(value, f"{len(hints)} values")
    return tuple(_settled(hint, each) for hint, each in zip(hints, value, strict=True))
