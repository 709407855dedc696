"""CSV files that name the files of cases, a row each."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from SAMedCore.errors import InputError, reason_of
from SAMedCore.files.json_values import within
from SAMedCore.files.small import read_whole
from SAMedCore.values import MOST


def files_of_table(path: Path, columns: Sequence[str]) -> list[tuple[Path, ...]]:
    """The files that stand in these columns, row by row, relative to the table's own folder.

    Args:
        path: a CSV file in UTF-8, its first line the names of the columns, in any order and among others.

    Raises:
        InputError: it cannot be read whole (`read_whole`) or is no such table, has more than `MOST` rows, or names a file that
            is not there; the sentence names the table, and the line.
    """
    with within(f'"{path}"'):
        heading, *rows = _rows(read_whole(path), columns) or [(1, [])]
        names = [name.strip() for name in heading[1]]
        if not rows or any(names.count(column) != 1 for column in columns):
            raise InputError(f"it needs a first line {','.join(columns)} and one line for each scan below it.")
        if len(rows) > MOST:
            raise InputError(f"it has more than {MOST} lines: split it.")
        at = [names.index(column) for column in columns]
        return [tuple(_file(path.parent, line, row[place] if place < len(row) else "") for place in at) for line, row in rows]


def _rows(content: bytes, columns: Sequence[str]) -> list[tuple[int, list[str]]]:
    """The rows that are not empty, each with the number of its last line; of too many so many that it can be told."""
    try:
        text = content.decode("utf-8-sig")
        if "\0" in text:
            raise ValueError("it holds NUL")
        reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True, strict=True)
        return [(reader.line_num, row) for row in islice(reader, MOST + 2) if row]
    except (ValueError, csv.Error) as error:
        reason = "it is not in UTF-8" if isinstance(error, UnicodeDecodeError) else error
        raise InputError(
            f"it is no CSV file ({reason}): save it as CSV in UTF-8, with the columns {','.join(columns)}."
        ) from error


def _file(folder: Path, line: int, name: str) -> Path:
    file = folder / name
    try:
        there = file.exists() and file != folder
    except OSError as error:
        raise InputError(f'line {line}: "{file}" {reason_of(error) or "cannot be reached: correct the line"}.') from error
    if not there:
        raise InputError(f'line {line}: it names "{file}", which is not there; correct the line.')
    return file
