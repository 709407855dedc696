"""The one family of errors that a user is meant to read.

Each carries a single sentence that names the file or option, says what is wrong with it and what to do. They are raised
where the cause is known and shown in one place by the command line and in one by the panel.
"""

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


def is_out_of_memory(error: Exception) -> bool:
    """Python's own, a GPU's (torch.OutOfMemoryError is a RuntimeError) and that of torch on a CPU or Apple GPU."""
    said = str(error).lower()
    signs = ("out of memory", "can't allocate memory", "not enough memory")
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and any(sign in said for sign in signs))
