"""Why a scan failed, in words, and whether another try makes sense."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

from SAMedCore.errors import InputError, SAMedError, is_out_of_memory

LASTING = {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.EINVAL}
"""Of the operating system's errors those that are the same the next time; the others (EIO, ESTALE, ENOSPC...) may pass."""

PIECE = 2**24


def may_pass(error: BaseException) -> bool:
    """Whether what failed may succeed the next time: memory or storage, but not a scan that is of no use."""
    return any(_passes(each) for each in _causes(error))


def _passes(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno is not None and error.errno not in LASTING
    if isinstance(error, SAMedError):
        return not isinstance(error, InputError)
    return isinstance(error, Exception) and is_out_of_memory(error)


def storage_error(image: Path) -> OSError | None:
    """What the storage says where a scan's bytes cannot be had, so that not the scan is to blame; None where they can."""
    try:
        for file in [image] if image.is_file() else sorted(image.iterdir()):
            if file.is_file():
                with file.open("rb") as opened:
                    while opened.read(PIECE):
                        pass
    except OSError as error:
        return error
    return None


def sentence_of(error: BaseException) -> str:
    """What is said of it to a person."""
    if isinstance(error, SAMedError):
        return " ".join(str(error).split())
    if isinstance(error, Exception) and is_out_of_memory(error):
        return "The memory ran out: let fewer workers work at a time, or choose another device."
    if isinstance(error, OSError):
        return f"The storage failed ({error.strerror or error}): try again."
    reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    return f"It failed unexpectedly ({reason})."


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__
