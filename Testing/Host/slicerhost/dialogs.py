"""Dialogs without a person: each is noted, and answered at once.

    slicerhost.dialogs.answers["okcancel"] = False
    ...
    assert slicerhost.dialogs.shown == [("okcancel", "Delete the model?")]

Kinds: "error", "info", "okcancel" (of slicer.util), "open", "save", "folder" (file dialogs), and the Segment Editor's two
questions: "convert" (to a binary labelmap) and "showSegment" (True: yes, False: no, None: cancel). Any other dialog that would
wait for a person is refused.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import slicer.util
from PySide6 import QtWidgets

USUAL = {
    "error": None,
    "info": None,
    "okcancel": True,
    "open": "",
    "save": "",
    "folder": "",
    "convert": False,
    "showSegment": True,
}
shown: list[tuple[str, str]] = []
"""Kind and text of every dialog since the last `clear`."""
answers: dict[str, Any] = {}
"""What the dialogs of a kind answer, where it is not OK or nothing chosen."""


def clear() -> None:
    shown.clear()
    answers.clear()


def texts(kind: str) -> list[str]:
    """The texts of the dialogs of one kind."""
    return [text for shownKind, text in shown if shownKind == kind]


def answer(kind: str, text: str) -> Any:
    """Note a dialog and say what it answers."""
    shown.append((kind, text))
    return answers.get(kind, USUAL[kind])


def _asking(kind: str, level: int) -> Callable:
    """A function of slicer.util that takes a text first, and logs it as Slicer does."""

    def ask(text: str, *_arguments: object, **_options: object) -> Any:
        logging.log(level, text)
        return answer(kind, text)

    return ask


def _choosing(kind: str) -> staticmethod:
    """A static function of QFileDialog, whose answer is a plain string in PythonQt."""
    return staticmethod(lambda _parent, caption="", *_arguments: answer(kind, caption))


def _refuse(dialog: QtWidgets.QDialog) -> None:
    raise NotImplementedError(f"{type(dialog).__name__} would wait for a person, and `slicerhost.dialogs` has no answer")


def install() -> None:
    """Take the place of Slicer's and Qt's dialogs."""
    slicer.util.errorDisplay = _asking("error", logging.ERROR)
    slicer.util.infoDisplay = _asking("info", logging.INFO)
    slicer.util.confirmOkCancelDisplay = _asking("okcancel", logging.INFO)
    QtWidgets.QDialog.exec_ = QtWidgets.QDialog.exec = _refuse
    for name, kind in {"getOpenFileName": "open", "getSaveFileName": "save", "getExistingDirectory": "folder"}.items():
        setattr(QtWidgets.QFileDialog, name, _choosing(kind))
