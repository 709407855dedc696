"""The one family of errors that a user is meant to read.

Each carries a single sentence that names the file or option, says what is wrong with it and what to do. They are raised
where the cause is known and shown in one place by the command line and in one by the panel.
"""


class SAMedError(Exception):
    """Something failed that the user can act on. Exit code 1."""

    exit_code = 1


class InputError(SAMedError):
    """A file, folder or option is not what it has to be. Exit code 2."""

    exit_code = 2


class Cancelled(SAMedError):
    """The user stopped the work; nothing half-written is left. Exit code 130."""

    exit_code = 130

    def __init__(self, message: str = "Cancelled.") -> None:
        super().__init__(message)
