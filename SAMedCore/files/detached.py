"""The files that a NRRD or MetaImage header names for its voxels: in its own folder or below it, and no others.

A pattern (``slice%03d.raw 1 10 1``) reaches C's printf in ITK's readers: what is not plainly a number's place is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath

from SAMedCore.errors import InputError

PATTERN = re.compile(r"[^%]*%(0?[1-9])?d[^%]*")
MOST_FILES = 100_000


def data_files(header: Path, named: str, following: Iterable[str]) -> tuple[Path, ...]:
    """The files that hold the voxels, in order.

    Args:
        header: the file that names them.
        named: a name; a pattern with the first number, the last and the step; or "LIST".
        following: the lines after it, the names of a list.

    Raises:
        InputError: a name leads out of the header's folder, or the pattern is not a plain one; the sentence says "it".
    """
    words = named.split()
    if words[:1] == ["LIST"]:
        names: Sequence[str] = [line.strip() for line in following if line.strip()]
    elif "%" in named:
        names = _of_pattern(header, words)
    else:
        names = [named]
    if not names or not all(names):
        raise InputError("its header names no file for its voxels: save it anew in one file, as .nrrd or .mha.")
    return tuple(_inside(header, name) for name in names)


def _of_pattern(header: Path, words: list[str]) -> list[str]:
    # ITK's readers put the folder before the pattern and print numbers into both.
    plain = len(words) in (4, 5) and PATTERN.fullmatch(words[0]) and "%" not in str(header.parent)
    numbers = [int(word) for word in words[1:4] if re.fullmatch(r"\d{1,9}", word)] if plain else []
    if len(numbers) != 3 or not numbers[2]:
        raise InputError("it names its voxels' files by a pattern that is unsafe to follow: save it anew as .nrrd or .mha.")
    first, last, step = numbers
    if (last - first) // step >= MOST_FILES:
        raise InputError(f"it names more than {MOST_FILES} files for its voxels: save it anew as .nrrd or .mha.")
    return [words[0] % number for number in range(first, last + 1, step)]


def _inside(header: Path, name: str) -> Path:
    parts = PurePath(name)
    if parts.anchor or ".." in parts.parts:
        raise InputError(f'it names "{name}" for its voxels, which is not in its own folder: put both into one.')
    return header.parent / parts
