"""Dialogs without a person: each is noted, and answered at once.

    slicerhost.dialogs.answers["yesno"] = False
    ...
    assert slicerhost.dialogs.shown == [("yesno", "Delete the model?")]

Kinds: "error", "warning", "info", "okcancel", "yesno", "retry", "message", "delay" (of slicer.util), "messagebox", "dialog"
(any other `exec_()`), "open", "save", "folder", "text" (file and input dialogs), "url" (opened in the browser).

An answer may be a function: it gets the text, for "messagebox" and "dialog" the dialog itself, to look at and to click in.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import slicer.util
from PySide6 import QtCore, QtGui, QtWidgets

DEFAULTS = {"okcancel": True, "yesno": True, "retry": False, "open": "", "save": "", "folder": "", "text": "", "url": True}
shown: list[tuple[str, str]] = []
"""Kind and text of every dialog since the last `clear`."""
answers: dict[str, Any] = {}
"""What the dialogs of a kind answer, where it is not Yes, OK or nothing chosen."""


def clear() -> None:
    shown.clear()
    answers.clear()


def texts(kind: str) -> list[str]:
    """The texts of the dialogs of one kind."""
    return [text for shownKind, text in shown if shownKind == kind]


def answer(kind: str, text: str, about: Any = None) -> Any:
    """Note a dialog and say what it answers."""
    shown.append((kind, text))
    given = answers.get(kind, DEFAULTS.get(kind))
    return given(text if about is None else about) if callable(given) else given


def _asking(kind: str, level: int) -> Callable:
    """A function of slicer.util that takes a text first, and logs it as Slicer does."""

    def ask(text: str, *_arguments: object, **_options: object) -> Any:
        logging.log(level, text)
        return answer(kind, text)

    return ask


def _messageBox(text: str, *_arguments: object, **_options: object) -> Any:
    given = answer("message", text)
    return QtWidgets.QMessageBox.Ok if given is None else given


def _run(dialog: QtWidgets.QDialog) -> int:
    """`exec_()`: shown for a moment and accepted, unless an answer says otherwise."""
    dialog.show()
    if isinstance(dialog, QtWidgets.QMessageBox):
        given = answer("messagebox", dialog.text, dialog)
        accepted = int(QtWidgets.QMessageBox.Ok)
    else:
        given = answer("dialog", dialog.windowTitle, dialog)
        accepted = int(QtWidgets.QDialog.Accepted)
    result = accepted if given is None else int(given)
    if dialog.isVisible():
        dialog.done(result)
    return result


def _static(kind: str, position: int) -> staticmethod:
    """A static function of Qt that asks for a path or a text; `position` of its caption."""

    def ask(*arguments: Any, **_options: Any) -> str:
        return answer(kind, str(arguments[position]) if len(arguments) > position else "")

    return staticmethod(ask)


def _messageBoxFunction(kind: str) -> staticmethod:
    """A static function of QMessageBox."""
    buttons = {True: QtWidgets.QMessageBox.Yes, False: QtWidgets.QMessageBox.No, None: QtWidgets.QMessageBox.Ok}

    def ask(_parent: QtWidgets.QWidget | None, _title: str, text: str, *_arguments: Any) -> Any:
        given = answer(kind, text)
        return buttons.get(given, given)

    return staticmethod(ask)


def install() -> None:
    """Take the place of Slicer's and Qt's dialogs."""
    for name, (kind, level) in {
        "errorDisplay": ("error", logging.ERROR),
        "warningDisplay": ("warning", logging.WARNING),
        "infoDisplay": ("info", logging.INFO),
        "confirmOkCancelDisplay": ("okcancel", logging.INFO),
        "confirmYesNoDisplay": ("yesno", logging.INFO),
        "confirmRetryCloseDisplay": ("retry", logging.ERROR),
        "delayDisplay": ("delay", logging.INFO),
    }.items():
        setattr(slicer.util, name, _asking(kind, level))
    slicer.util.messageBox = _messageBox
    QtWidgets.QDialog.exec_ = QtWidgets.QDialog.exec = _run
    for name, kind in {"getOpenFileName": "open", "getSaveFileName": "save", "getExistingDirectory": "folder"}.items():
        setattr(QtWidgets.QFileDialog, name, _static(kind, 1))
    QtWidgets.QInputDialog.getText = _static("text", 2)
    for name, kind in {"information": "info", "warning": "warning", "critical": "error", "question": "yesno"}.items():
        setattr(QtWidgets.QMessageBox, name, _messageBoxFunction(kind))
    QtGui.QDesktopServices.openUrl = staticmethod(lambda url: answer("url", QtCore.QUrl(url).toString()))
