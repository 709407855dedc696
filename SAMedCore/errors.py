"""The one family of errors that a user is meant to read.

Each carries a single sentence that names the file or option, says what is wrong with it and what to do. They are raised
where the cause is known and shown in one place by the command line and in one by the panel.
"""

import errno
import os
import re
from typing import Literal


class SAMedError(Exception):
    """Something failed that the user can act on. Exit code 1.

    Attributes:
        exit_code: of the command line.
        kind: for programs, in the command line's JSON events and in the worker's messages.
    """

    exit_code = 1
    kind: Literal["failed", "input", "cancelled"] = "failed"


class InputError(SAMedError):
    """A file, folder or option is not what it has to be. Exit code 2."""

    exit_code = 2
    kind = "input"


class BaseNeeded(InputError):
    """The weights file of a checkpoint's base model has to be named; how that is done each client adds in its own words."""


class BaseNotFetched(InputError):
    """A base model of the catalogue or the Hub is not in the cache folder yet; how it is fetched each client adds in its words.

    Attributes:
        base: its name.
    """

    def __init__(self, base: str) -> None:
        super().__init__(f'the weights of the base model "{base}" are not here: fetch them first.')
        self.base = base


class CheckpointNotFetched(InputError):
    """A checkpoint of the Hugging Face Hub is not in the cache folder yet; how it is fetched each client adds likewise.

    Attributes:
        checkpoint: its name.
    """

    def __init__(self, checkpoint: str) -> None:
        super().__init__(f'the checkpoint "{checkpoint}" is not here: fetch it first.')
        self.checkpoint = checkpoint


class DeviceNeeded(InputError):
    """The device that was asked for is not usable here; how another one is chosen each client adds in its own words."""


class Cancelled(SAMedError):
    """The user stopped the work; nothing half-written is left. Exit code 130."""

    exit_code = 130
    kind = "cancelled"

    def __init__(self, message: str = "Cancelled.") -> None:
        super().__init__(message)


def quoted(text: str) -> str:
    """A text that somebody gave, for a sentence: in quotes, on one line, with escapes for what cannot be shown."""
    return f'"{text}"' if text.isprintable() else f'"{ascii(text)[1:-1]}"'


def is_out_of_memory(error: Exception) -> bool:
    """Python's own, the system's, a GPU's (torch.OutOfMemoryError), torch's on a CPU or Apple GPU, safetensors' own kind."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    said = str(error).lower()
    signs = ("out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory")
    return not isinstance(error, SAMedError) and any(sign in said for sign in signs)


def said_of_the_system(error: BaseException) -> SAMedError | None:
    """What the operating system refused, as the user's sentence; None where only a traceback tells: no file is named, it is
    nothing that a user can act on, or another error."""
    if isinstance(error, RuntimeError) and (loop := _LOOP.fullmatch(str(error))):
        return InputError(f'"{loop[1]}" {_REFUSALS[errno.ELOOP]}.')
    if not isinstance(error, OSError):
        return None
    if error.errno in DISK_FULL:
        return SAMedError("The disk is full: free some space and try again.")
    reason = reason_of(error)
    if reason is None or not isinstance(error.filename, str | bytes | os.PathLike):
        return None
    return InputError(f'"{os.fsdecode(error.filename)}" {reason}.')


def reason_of(error: Exception) -> str | None:
    """What is wrong with the file and what to do, to be put behind its name; None where no user can do anything."""
    return _REFUSALS.get(error.errno or 0) if isinstance(error, OSError) else None


_LOOP = re.compile("Symlink loop from '(.*)'", re.DOTALL)
"""As pathlib says it before Python 3.13."""

DISK_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
"""What the system says where a disk, or a person's share of it, is full."""

_CLOSED = "may not be opened or changed by you: have its permissions changed, or choose another place"
_REFUSALS = {
    errno.EACCES: _CLOSED,
    errno.EPERM: _CLOSED,
    errno.EROFS: "lies where nothing can be written: choose another place",
    errno.ENOENT: "is not there: check the path",
    errno.ENOTDIR: "cannot be there, since a part of its path is a file: check the path",
    errno.EISDIR: "is a folder: choose a file",
    errno.EEXIST: "is there already: choose another name",
    errno.ENAMETOOLONG: "has a name that is too long: shorten it, or that of a folder on the way",
    errno.ELOOP: "is a link that leads back to itself: choose the file that is meant",
    errno.EILSEQ: "has a name that this disk cannot hold: rename it",
    errno.ENXIO: "is no file but a device that does not answer: choose a file",
}
