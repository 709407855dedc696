"""Files and folders that are there whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from SAMedCore.errors import InputError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a path beside `path` to write to; what was written becomes `path` when the block ends without an error.

    The temporary name keeps the ending of `path`, by which many writers choose the format. After an error nothing of it
    is left and a file that was at `path` is as it was.

    Raises:
        InputError: the folder does not exist or cannot be written to, or `path` is a folder.
    """
    path = Path(path)
    _check_place(path)
    temporary = path.with_name(f".{uuid.uuid4().hex[:8]}.{path.name}")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise InputError(f'"{path}" cannot be written ({error.strerror or error}): choose another place.') from error
    finally:
        temporary.unlink(missing_ok=True)


def replace_folder(folder: Path, fill: Callable[[Path], None]) -> None:
    """Have `fill` write a new folder beside `folder`, flush it to the disk, and put it in its place.

    Raises:
        InputError: the place cannot be written to.
    """
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    try:
        partial.mkdir(parents=True)
        fill(partial)
        for path in (*partial.iterdir(), partial):
            _flush(path)
        if folder.exists():
            folder.rename(old)
        partial.rename(folder)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror or error}): choose another place.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        if old.exists() and not folder.exists():
            old.rename(folder)
        shutil.rmtree(old, ignore_errors=True)


def check_different(*paths: Path | None) -> None:
    """Raises InputError where two of the paths are the same, so that no output replaces an input or another output."""
    given = [path for path in paths if path is not None]
    for number, path in enumerate(given):
        if path.resolve() in [other.resolve() for other in given[:number]]:
            raise InputError(f"{path} is named twice: inputs and outputs need a file of their own each.")


def check_writable(path: Path | str) -> None:
    """Raises InputError where a file of this path could not be created or replaced."""
    path = Path(path)
    _check_place(path)
    try:
        # Permissions alone do not tell on read-only file systems and network shares.
        tempfile.TemporaryFile(dir=path.parent).close()
    except OSError as error:
        raise InputError(f'"{path}" cannot be written, its folder takes no files: choose another one.') from error


def make_folder(path: Path) -> None:
    """The folder `path`, made with its parents unless it is there. Raises InputError where it cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f'the folder "{path}" cannot be made ({error.strerror or error}): choose another place.') from error


def _check_place(path: Path) -> None:
    if path.is_dir():
        raise InputError(f'"{path}" is a folder: give the name of a file.')
    if not path.parent.is_dir():
        state = "is a file" if path.parent.exists() else "does not exist"
        raise InputError(f'"{path}" cannot be written, the folder "{path.parent}" {state}: choose or make another one.')


def _flush(path: Path) -> None:
    if os.name == "nt" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
