"""What was done of a cohort, on the disk: a scan that is written down is not done again, whatever ends the process.

`.samed/journal.jsonl` in the output folder: the first line says what was asked for, each further one is a scan's row, written
when its segmentation is whole. One process writes it, the one that holds it.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from SAMedCore.cohort.scans import OWN_FOLDER, Scan, ScanRow
from SAMedCore.errors import InputError
from SAMedCore.files.atomic import claimed, make_folder, room_told

FORMAT = 1


class Journal:
    """The rows so far, and a place for more.

    Args:
        file: open for reading and appending bytes, unbuffered.
        path: its name.

    Attributes:
        asked: what the first line says was asked for; None where there is no whole first line.
        rows: the last one of each scan, by its name.
    """

    def __init__(self, file: IO[bytes], path: Path) -> None:
        self._file = file
        self._path = path
        self.rows: dict[str, ScanRow] = {}
        file.seek(0)
        *lines, torn = file.read().split(b"\n")
        if torn:
            # Written in part when the computer or the process went; what follows needs a line of its own.
            file.truncate(file.seek(0, os.SEEK_END) - len(torn))
        self.asked: dict[str, Any] | None = _object(lines[0]) if lines else None
        for line in lines[1:]:
            try:
                row = ScanRow.from_json(_object(line) or {})
            except (KeyError, TypeError, ValueError):
                continue
            self.rows[row.scan.name] = row

    def begin(self, asked: dict[str, Any]) -> None:
        """Write what is asked for as the first line of an empty journal."""
        self._file.truncate(0)
        self.rows.clear()
        self._write(asked)
        self.asked = asked

    def append(self, row: ScanRow) -> None:
        """Write a scan down; on the disk when this returns. Raises SAMedError where that is full."""
        self._write(row.to_json())
        self.rows[row.scan.name] = row

    def has(self, scan: Scan) -> bool:
        """Whether the scan has been segmented, is still the same file, and its segmentation is still there.

        Where they lie does not count: another computer may find them under another path.
        """
        row = self.rows.get(scan.name)
        return row is not None and row.error is None and row.scan.state == scan.state and Path(scan.output).exists()

    def _write(self, value: dict[str, Any]) -> None:
        with room_told(self._path):
            line = json.dumps(value).encode("ascii") + b"\n"
            while line:
                line = line[self._file.write(line) :]
            os.fsync(self._file.fileno())


@contextmanager
def open_journal(out: Path, asked: dict[str, Any]) -> Iterator[Journal]:
    """The journal of an output folder, which nobody else writes to inside the block; the folder is made.

    Args:
        asked: what makes segmentations other ones, plain JSON: checkpoint, labels and so on.

    Raises:
        InputError: another process is at work on this folder, or it holds what was asked for otherwise.
    """
    folder = out / OWN_FOLDER
    for needed in (folder / "thumbnails", folder / "unfinished"):
        make_folder(needed)
    path = folder / "journal.jsonl"
    with claimed(path, named=out), path.open("a+b", buffering=0) as file:
        journal, asked = Journal(file, path), {"format": FORMAT, **asked}
        if journal.asked is None:
            journal.begin(asked)
        elif journal.asked != asked:
            other = ", ".join(name for name in asked if asked[name] != journal.asked.get(name))
            raise InputError(
                f'"{out}" holds segmentations that were made otherwise ({other}): choose another folder, or remove '
                f'"{folder}" to have all made anew.'
            )
        # What a killed process left there.
        shutil.rmtree(folder / "unfinished", ignore_errors=True)
        make_folder(folder / "unfinished")
        try:
            yield journal
        finally:
            shutil.rmtree(folder / "unfinished", ignore_errors=True)


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
