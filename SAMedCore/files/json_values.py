"""JSON files that another program or a person wrote: read whole, each value checked, and refused in words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from SAMedCore.errors import InputError
from SAMedCore.files.small import read_whole
from SAMedCore.image.texts import is_readable
from SAMedCore.values import MOST

FARTHEST = 1e9
"""No coordinate in mm is larger, nor any other number that is read."""

LONGEST_TEXT = 255
"""Characters of a name, as of a file's."""


def read_json(path: Path) -> dict[str, Any]:
    """The object that a JSON file holds.

    Raises:
        InputError: as `read_whole`; or it is no whole JSON object; NaN and infinity are none either.
    """
    content = read_whole(path)
    try:
        value = json.loads(content.decode("utf-8-sig"), parse_constant=_no_constant)
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
    """The value, which has to be a list of no more than `MOST` things."""
    if not isinstance(value, list):
        raise InputError(f"{what} is {shown(value)}: it has to be a list in brackets.")
    if len(value) > MOST:
        raise InputError(f"{what} lists {len(value)} things: it has to be no more than {MOST}.")
    return value


def a_text(value: Any, what: str) -> str:
    """The value, which has to be a string of characters that can be seen, as one line no longer than `LONGEST_TEXT`."""
    text = " ".join(value.split()) if isinstance(value, str) else "\0"
    if not is_readable(text):
        raise InputError(f"{what} is {shown(value)}: it has to be a readable text in quotes.")
    if len(text) > LONGEST_TEXT:
        raise InputError(f"{what} is {shown(value)}: it has to be no longer than {LONGEST_TEXT} characters.")
    return text


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
