"""One process at a time writes to a place: a file or a folder, on whatever computer that sees it.

Beside the place lies a lock file while somebody writes there. What counts is the operating system's lock on that file, which a
process loses however it ends; so nothing has to be guessed from process numbers, ages or clocks. Needs nothing but Python's
own library: Slicer's process has this module before anything is installed there.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import platform
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from SAMedCore.errors import InputError

POLL_S = 0.1
PREFIX = ".samed-"
BUSY = {errno.EAGAIN, errno.EACCES, errno.EDEADLK}
"""What the system says where another process has the lock."""

NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}
"""What it says where the file system, as some shared ones, has no locks."""


@dataclass
class _Lock:
    """A lock of this process: its file, how often it is held here, and whether it keeps others out."""

    descriptor: int
    keeps_out: bool
    times: int = 1


_mine: dict[Path, _Lock] = {}
_looking = threading.Lock()


def hidden(place: Path, ending: str) -> Path:
    """Another name beside `place`, told from it by a hash: not too long where the name itself is long already.

    The hash does not heed upper and lower case, which are one file on Windows and macOS.
    """
    place = place.absolute()
    name = hashlib.sha256(os.fsencode(place.name.casefold())).hexdigest()[:12]
    return place.parent / f"{PREFIX}{name}{ending}"


@contextmanager
def held(
    place: Path, patience_s: float = 0.0, waiting: Callable[[], None] = lambda: None, named: Path | None = None
) -> Iterator[bool]:
    """Keeps other processes from holding `place` inside the block; this one may hold it several times.

    Args:
        place: there or not; its folder is.
        patience_s: how long another process is waited for.
        waiting: called several times a second meanwhile; may raise.
        named: what the message calls the place.

    Yields:
        whether nobody else was there: False where this process has it already, or where the file system knows no locks.

    Raises:
        InputError: another process holds it; the message says which.
        OSError: the folder takes no files.
    """
    file = hidden(place, ".lock")
    file = file.parent.resolve() / file.name
    give_up = time.monotonic() + patience_s
    while (is_new := _take(file)) is None:
        if time.monotonic() >= give_up:
            raise InputError(
                f'"{named or place}" is being written to by another run{_holder(file)}: wait for its end, or choose another '
                "place."
            )
        waiting()
        time.sleep(POLL_S)
    try:
        yield is_new
    finally:
        _give_back(file)


def _take(file: Path) -> bool | None:
    """None where another process holds it; else as `held` yields."""
    with _looking:
        if file in _mine:
            _mine[file].times += 1
            return False
        while True:
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                _lock(descriptor)
                keeps_out = True
            except OSError as error:
                if error.errno not in NO_LOCKS:
                    os.close(descriptor)
                    if error.errno in BUSY:
                        return None
                    raise
                keeps_out = False
            # Whoever held it until now has removed the file: then this lock is on one that nobody will find.
            if _is_there(file, descriptor):
                break
            os.close(descriptor)
        _mine[file] = _Lock(descriptor, keeps_out)
        _write_holder(descriptor)
        return keeps_out


def _give_back(file: Path) -> None:
    with _looking:
        lock = _mine[file]
        lock.times -= 1
        if lock.times:
            return
        del _mine[file]
        # Elsewhere it has to go while it is locked, or another process' new lock might be removed; on Windows, where an open
        # file stays, removing fails for as long as another process has it.
        if sys.platform == "win32":
            os.close(lock.descriptor)
        with contextlib.suppress(OSError):
            file.unlink()
        if sys.platform != "win32":
            os.close(lock.descriptor)


def _is_there(file: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(file.stat(), os.fstat(descriptor))
    except OSError:
        return False


def _write_holder(descriptor: int) -> None:
    """For the other's message only: on a full disk there is none."""
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, json.dumps({"process": os.getpid(), "computer": platform.node()}).encode("ascii"))


def _holder(file: Path) -> str:
    try:
        row = json.loads(file.read_bytes())
        return f' (process {int(row["process"])} on "{row["computer"]}")'
    except (OSError, ValueError, KeyError, TypeError):
        return ""


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        # Far behind what is written there, which the other process could not read otherwise.
        os.lseek(descriptor, 2**20, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        # Not flock, whose locks children that were forked keep when this process is gone.
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
