"""Files that are there whole or not at all."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
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
    if path.is_dir():
        raise InputError(f'"{path}" is a folder: give the name of a file.')
    if not path.parent.is_dir():
        raise InputError(f'"{path}" cannot be written, the folder "{path.parent}" does not exist: make it first.')
    temporary = path.with_name(f".{uuid.uuid4().hex[:8]}.{path.name}")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise InputError(f'"{path}" cannot be written ({error.strerror or error}): choose another place.') from error
    finally:
        temporary.unlink(missing_ok=True)


def make_folder(path: Path) -> None:
    """The folder `path`, made with its parents unless it is there. Raises InputError where it cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f'the folder "{path}" cannot be made ({error.strerror or error}): choose another place.') from error
