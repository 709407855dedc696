"""JSON files that another program or a person wrote: read whole, each value checked, and refused in words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from SAMedCore.errors import InputError
from SAMedCore.image.texts import is_readable

LARGEST_FILE = 16 * 2**20
"""Bytes; ten thousand control points of Slicer's take a quarter of it."""

FARTHEST = 1e9
"""No coordinate in mm is larger, nor any other number that is read."""


def read_json(path: Path) -> dict[str, Any]:
    """The object that a JSON file holds.

    Raises:
        InputError: it cannot be read, is too large, or is no whole JSON object; NaN and infinity are none either.
    """
    try:
        with path.open("rb") as file:
            text = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise InputError(f"it cannot be read ({error.strerror or error}): choose another file.") from error
    if len(text) > LARGEST_FILE:
        raise InputError(f"it is larger than {LARGEST_FILE // 2**20} MB, which nobody draws: choose another file.")
    try:
        value = json.loads(text.decode("utf-8-sig"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise InputError(f"it is empty, cut off or no JSON ({error}): save it again.") from error
    if not isinstance(value, dict):
        raise InputError(f"it holds {shown(value)}, not a JSON object: choose another file.")
    return value


@contextmanager
def within(place: str) -> Iterator[None]:
    """Says in a complaint where the value is that it is about."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{place}: {error}") from error


def an_object(value: Any, what: str, known: Sequence[str] = ()) -> dict[str, Any]:
    """The value, which has to be a JSON object; with these keys at the most where `known` names any."""
    if not isinstance(value, dict):
        raise InputError(f"{what} is {shown(value)}: it has to be an object in braces.")
    unknown = [key for key in value if known and key not in known]
    if unknown:
        raise InputError(f"{what} has {shown(unknown[0])}, which is not known: write {', '.join(known)} only.")
    return value


def a_list(value: Any, what: str) -> list[Any]:
    """The value, which has to be a list."""
    if not isinstance(value, list):
        raise InputError(f"{what} is {shown(value)}: it has to be a list in brackets.")
    return value


def a_text(value: Any, what: str) -> str:
    """The value, which has to be a string of characters that can be seen, as one line."""
    if not isinstance(value, str) or not " ".join(value.split()).isprintable():
        raise InputError(f"{what} is {shown(value)}: it has to be a readable text in quotes.")
    return " ".join(value.split())


def numbers(value: Any, count: int, what: str) -> tuple[float, ...]:
    """The value, which has to be a list of so many numbers, none of them endless."""
    if not isinstance(value, list) or len(value) != count or not all(_is_number(each) for each in value):
        raise InputError(f"{what} is {shown(value)}: it has to be {count} finite numbers in brackets.")
    return tuple(float(each) for each in value)


def shown(value: Any) -> str:
    """The value as JSON, no longer than a sentence can bear, and nothing in it that a terminal obeys."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return "something that lies too deep in itself"
    text = text if is_readable(text[:60]) else json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) <= FARTHEST


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")
