"""Files and folders that are there whole or not at all, by one writer at a time; and what a killed writer left is swept.

Whoever writes to a place holds it (`lock.held`) and writes to a hidden name beside it. What has such a name while nobody holds
the place was left by a process that is gone, and the next one that writes there removes it. Where a folder is replaced there is
a moment without it: whoever is killed then has left the old one, which comes back.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from SAMedCore.errors import DISK_FULL, InputError, SAMedError
from SAMedCore.files.lock import held, hidden

PATIENCE_S = 10.0
"""So long a file that is ready waits for another process that writes to the same place."""

FULL = {*DISK_FULL, errno.EFBIG}
PROBE = 2**16
"""Bytes by which it is found out whether a disk is full."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a path beside `path` to write to; what was written becomes `path` when the block ends without an error.

    The temporary name keeps the ending of `path`, by which many writers choose the format. After an error nothing of it
    is left and a file that was at `path` is as it was.

    Raises:
        InputError: the folder does not exist or cannot be written to, `path` is a folder, or another process writes there.
        SAMedError: the disk is full, whatever the writer raised for that.
    """
    path = Path(path)
    _check_place(path)
    temporary = _unfinished(path, "".join(path.suffixes[-2:]))
    with claimed(path, patience_s=PATIENCE_S), _whole_or_not(path, temporary):
        yield temporary
        _flush(temporary)
        temporary.replace(path)
        _flush(path.absolute().parent)


def replace_folder(folder: Path, fill: Callable[[Path], None]) -> None:
    """Have `fill` write a new folder beside `folder`, flush it to the disk, and put it in its place.

    Raises:
        InputError: the place cannot be written to, or another process writes there.
        SAMedError: the disk is full, whatever `fill` raised for that.
    """
    folder = folder.absolute()
    partial, old = _unfinished(folder, ""), _old(folder)
    make_folder(folder.parent)
    with claimed(folder, patience_s=PATIENCE_S), _whole_or_not(folder, partial):
        partial.mkdir()
        fill(partial)
        for path in (*partial.rglob("*"), partial):
            _flush(path)
        try:
            if folder.exists():
                folder.rename(old)
            partial.rename(folder)
            _flush(folder.parent)
        finally:
            _settle(folder)


@contextmanager
def claimed(
    *places: Path | None, patience_s: float = 0.0, waiting: Callable[[], None] = lambda: None, named: Path | None = None
) -> Iterator[None]:
    """No other process writes to these places inside the block; what a killed one left there is gone.

    Args:
        places: files or folders to write, there or not; None for none. One in a folder that is missing is left to those who
            check it.
        patience_s, waiting, named: as in `lock.held`.

    Raises:
        InputError: another process holds one of them, or their folder takes no files.
    """
    with ExitStack() as holding:
        for place in places:
            if place is not None and place.absolute().parent.is_dir():
                try:
                    is_new = holding.enter_context(held(place, patience_s, waiting, named))
                except OSError as error:
                    raise _failure(place, error) from error
                if is_new:
                    _sweep(place)
        yield


def bring_back(folder: Path) -> None:
    """Before it is read: the folder, where a process was killed at the moment of replacing it."""
    if _old(folder).exists() and not folder.exists():
        with contextlib.suppress(SAMedError), claimed(folder):
            pass


@contextmanager
def scratch(place: Path) -> Iterator[Path]:
    """A new folder beside `place` for what `place` is made of, removed at the end, or by the next to claim the place.

    Only for who has claimed it.
    """
    folder = _unfinished(place, "")
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        _remove(folder)


@contextmanager
def room_told(place: Path) -> Iterator[None]:
    """Raises SAMedError where what is done inside the block fails because the disk that `place` lies on is full."""
    try:
        yield
    except OSError as error:
        check_room(place, error)
        raise


def check_room(place: Path, error: Exception) -> None:
    """Raises SAMedError where the reason of the error is that the disk is full."""
    full = _full_disk(place, error)
    if full is not None:
        raise _failure(place, full) from error


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


@contextmanager
def _whole_or_not(place: Path, temporary: Path) -> Iterator[None]:
    """What goes wrong inside the block is one sentence; `temporary` goes, but not before the disk was asked why."""
    try:
        yield
    except SAMedError:
        raise
    except Exception as error:
        # Not every library says that the disk is full, and some raise errors of their own kind.
        full = _full_disk(place, error)
        if full is not None or isinstance(error, OSError):
            raise _failure(place, full or error) from error
        raise
    finally:
        _remove(temporary)


def _full_disk(place: Path, error: Exception) -> OSError | None:
    """The system's own error where a full disk is the reason; None where it is not."""
    number = error.errno if isinstance(error, OSError) else None
    if number is not None and number in FULL:
        return OSError(number, os.strerror(number))
    # The library may have removed what it wrote, so that there is room again.
    if os.strerror(errno.ENOSPC) in str(error):
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return _asked(place)


def _asked(place: Path) -> OSError | None:
    """What the system says to a few more bytes on this disk; None where it takes them, or has other objections."""
    probe = _unfinished(place, ".room")
    try:
        with probe.open("wb") as file:
            file.write(bytes(PROBE))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return error if error.errno in FULL else None
    finally:
        _remove(probe)
    return None


def _failure(place: Path, error: Exception) -> SAMedError:
    said = getattr(error, "strerror", None) or error
    if getattr(error, "errno", None) in FULL:
        return SAMedError(
            f'"{place}" cannot be written, there is no room for it on the disk ({said}): make some and try again. What was '
            "there before is as it was."
        )
    return InputError(f'"{place}" cannot be written ({said}): choose another place.')


def _sweep(place: Path) -> None:
    """Remove what a killed process left of `place`, and bring back the folder that it was about to replace."""
    for left in place.absolute().parent.glob(f"{hidden(place, '').name}-*"):
        _remove(left)
    _settle(place)


def _unfinished(place: Path, ending: str) -> Path:
    return hidden(place, f"-{uuid.uuid4().hex[:8]}{ending}")


def _old(folder: Path) -> Path:
    return hidden(folder, ".old")


def _settle(folder: Path) -> None:
    """Either the new folder is in its place, or the old one comes back."""
    old = _old(folder)
    if old.exists() and not folder.exists():
        old.rename(folder)
    _remove(old)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


def _check_place(path: Path) -> None:
    if path.is_dir():
        raise InputError(f'"{path}" is a folder: give the name of a file.')
    if path.exists() and not path.is_file():
        # Its name would be given to a file, and with the rights of an administrator the system be without /dev/null.
        raise InputError(f'"{path}" is a device, a pipe or a socket: give the name of a file.')
    if not path.parent.is_dir():
        state = "is a file" if path.parent.exists() else "does not exist"
        raise InputError(f'"{path}" cannot be written, the folder "{path.parent}" {state}: choose or make another one.')


def _flush(path: Path) -> None:
    """To the disk; a folder, where the system can do that."""
    is_folder = path.is_dir()
    if os.name == "nt" and is_folder:
        return
    # Windows flushes only what is open for writing.
    descriptor = os.open(path, os.O_RDONLY if is_folder else os.O_RDWR)
    try:
        os.fsync(descriptor)
    except OSError:
        if not is_folder:
            raise
    finally:
        os.close(descriptor)
