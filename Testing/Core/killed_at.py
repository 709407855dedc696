"""A process that is killed at one of its file operations: the moments that take little of the time and matter most."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

CHANGES = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate"}
"""Python's audit events of what opens or changes files."""


def kill_at(operation: int, below: Path) -> Callable[[], int]:
    """From now on this process dies at its file operation of that number below the folder; for 0 it never does.

    Returns:
        tells how many there have been.
    """
    seen = 0

    def hook(event: str, arguments: tuple) -> None:
        nonlocal seen
        if event in CHANGES and str(arguments[0]).startswith(str(below)):
            seen += 1
            if seen == operation:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    return lambda: seen
