"""Slicer's Python in a process of its own, while Slicer stays responsive: pip, and what works as pip does."""

import re
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from SAMedLib.setup.locations import pythonSlicerExecutable

POLL_SECONDS = 0.02
SHOWN_CHARACTERS = 100


class PythonFailed(Exception):
    """The process ended badly; the message is the line of its output that says why."""


def reasonOf(lines: Iterable[str]) -> str:
    """Pip's last error, or else the last line that says anything."""
    said = [line.strip() for line in lines if line.strip() and not line.startswith("[notice]")]
    errors = [line.removeprefix("ERROR:").strip() for line in said if line.startswith("ERROR:")]
    return (errors or said or [_("pip gave no reason")])[-1]


def runPython(arguments: list[str], label: str) -> None:
    """Run Slicer's Python to its end behind a progress dialog.

    Args:
        arguments: of the interpreter, such as ["-m", "pip", "install", "tqdm"].
        label: what the dialog says above the process's own last line.

    Raises:
        PythonFailed: the process ended with another exit code than 0.
    """

    def start(onLine: Callable[[str], None], onEnd: Callable[[int], None]) -> None:
        slicer.util.launchConsoleProcess(
            [pythonSlicerExecutable(), *arguments],
            useStartupEnvironment=False,
            blocking=False,
            logCallback=onLine,
            completedCallback=onEnd,
        )

    _waitBehindDialog(start, label)


def pipInstall(requirements: list[str], constraints: Path, label: str) -> None:
    """Install by `slicer.packaging` behind the same dialog; its own would show an error before ours.

    Args:
        requirements: as pip takes them, options among them.
        constraints: pip's file of them.
        label: as of `runPython`.

    Raises:
        PythonFailed: pip failed, or is at work for somebody else.
    """

    def start(onLine: Callable[[str], None], onEnd: Callable[[int], None]) -> None:
        try:
            slicer.packaging.pip_install(
                requirements,
                constraints=constraints,
                blocking=False,
                show_progress=False,
                logCallback=onLine,
                completedCallback=onEnd,
            )
        except RuntimeError as error:
            raise PythonFailed(str(error)) from error

    _waitBehindDialog(start, label)


def _waitBehindDialog(start: Callable[[Callable[[str], None], Callable[[int], None]], None], label: str) -> None:
    """Wait for a process behind a modal dialog, which no one can close while packages are half written.

    `start` gets what is to be called with each line of output, and with the exit code at the end.
    """
    lines: list[str] = []
    exitCodes: list[int] = []
    # Not modal by itself, whatever its documentation says: a second click would start a second pip.
    dialog = slicer.util.createProgressDialog(
        labelText=label,
        windowTitle=_("SAMed: installing"),
        maximum=0,
        autoClose=False,
        autoReset=False,
        windowModality=qt.Qt.ApplicationModal,
    )
    dialog.setCancelButton(None)

    def onLine(line: str) -> None:
        downloaded = re.match(r"Progress (\d+) of (\d+)", line)
        if downloaded and int(downloaded[2]):
            dialog.maximum = 100
            dialog.value = 100 * int(downloaded[1]) // int(downloaded[2])
            return
        print(line)
        lines.append(line)
        dialog.labelText = f"{label}\n{line.strip()[:SHOWN_CHARACTERS]}"

    try:
        start(onLine, exitCodes.append)
        while not exitCodes:
            # Escape hides a progress dialog, even one without a button.
            dialog.show()
            slicer.app.processEvents()
            time.sleep(POLL_SECONDS)
    finally:
        dialog.hide()
        dialog.deleteLater()
    if exitCodes[0] != 0:
        raise PythonFailed(reasonOf(lines))


def hasOwnIndex() -> bool:
    """Whether pip is told to ask another index than PyPI, such as a hospital's mirror, or none."""
    process = slicer.util.launchConsoleProcess(
        [pythonSlicerExecutable(), "-m", "pip", "config", "list"], useStartupEnvironment=False
    )
    # Not logged: an index's address may hold a password.
    settings, _errors = process.communicate()
    for setting in settings.splitlines():
        key, _equals, value = setting.partition("=")
        name = key.rpartition(".")[2]
        if name == "no-index" or (name == "index-url" and "//pypi.org/" not in value):
            return True
    return False
