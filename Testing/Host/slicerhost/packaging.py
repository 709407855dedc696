"""Stand-in for `slicer.packaging`: notes what would be installed.

`installed` has what each call would have given to pip. A test that wants more sets `onInstall`.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from PySide6 import QtCore

installed: list[dict] = []
"""The arguments of every `pip_install` so far."""
onInstall: Callable[[list[str]], str | None] | None = None
"""Called with the requirements of each `pip_install`; returns pip's output, may raise subprocess.CalledProcessError with it."""


def clear() -> None:
    """Forget what was noted."""
    global onInstall
    installed.clear()
    onInstall = None


def pip_install(
    requirements: list[str],
    constraints: str | Path | None = None,
    blocking: bool = True,
    show_progress: bool = True,
    logCallback: Callable[[str], None] = print,
    completedCallback: Callable[[int], None] = lambda _exitCode: None,
) -> None:
    """Note that this would be installed; the callbacks are called from the event loop, after this has returned.

    Raises:
        NotImplementedError: it would block, or show Slicer's own dialog, which displays an error before one is raised.
    """
    if blocking or show_progress:
        raise NotImplementedError("the stand-in for pip_install neither blocks nor shows its progress")
    installed.append({"requirements": requirements, "constraints": constraints})
    try:
        said, exitCode = (onInstall(requirements) if onInstall is not None else None) or "", 0
    except subprocess.CalledProcessError as error:
        said, exitCode = error.output, error.returncode

    def tell() -> None:
        for line in said.splitlines():
            logCallback(line)
        completedCallback(exitCode)

    QtCore.QTimer.singleShot(0, tell)
