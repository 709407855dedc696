"""Small files that another program or a person wrote, read whole: whatever has the name, it neither waits nor fills memory."""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path

from SAMedCore.errors import InputError, reason_of

LARGEST_FILE = 16 * 2**20
"""Bytes; ten thousand control points of Slicer's take a quarter of it."""


def read_whole(path: Path) -> bytes:
    """The bytes of a file.

    Raises:
        InputError: it is not there or closed, no file (a folder, a device, a pipe on which nobody writes), or larger than
            `LARGEST_FILE`; the sentence begins with "it".
    """
    try:
        with io.BufferedReader(io.FileIO(path, opener=_opened)) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise InputError("it is a pipe or a device: save what it gives, and choose that file.")
            content = file.read(LARGEST_FILE + 1)
    except (OSError, ValueError) as error:
        reason = reason_of(error) or f"cannot be read ({error}): choose another file"
        raise InputError(f"it {reason}.") from error
    if len(content) > LARGEST_FILE:
        raise InputError(f"it is larger than {LARGEST_FILE // 2**20} MB, which nobody writes by hand: choose another file.")
    return content


def _opened(path: str, flags: int) -> int:
    # A pipe would be waited for unless asked not to; for a file the flag means nothing.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
