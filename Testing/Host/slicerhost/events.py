"""A person's hands and eyes, for tests: click, wait, look, and feel whether the panel answers."""

from __future__ import annotations

import time
from collections.abc import Callable

from PySide6 import QtCore, QtTest, QtWidgets

SLOT_MS = 5
"""Between two looks at whether something has happened, in milliseconds."""


def processEvents() -> None:
    """Do what Qt has waiting, deletions included."""
    QtWidgets.QApplication.processEvents()
    QtWidgets.QApplication.sendPostedEvents(None, QtCore.QEvent.DeferredDelete.value)


def click(button: QtWidgets.QAbstractButton) -> None:
    """Click a button as a person does.

    Raises:
        AssertionError: it is disabled, and its tool tip should say why; or a modal dialog lies before it.
    """
    dialog = QtWidgets.QApplication.activeModalWidget()
    assert dialog in (None, button.window()), f"{button.objectName} cannot be clicked: {dialog.windowTitle} is modal"
    assert button.isEnabled(), f"{button.objectName} cannot be clicked: {button.toolTip}"
    button.click()
    processEvents()


def waitUntil(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Run the event loop until the condition holds.

    Raises:
        AssertionError: it does not within this time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s"
        QtTest.QTest.qWait(SLOT_MS)


class StallMeter:
    """How long the event loop did not come round, at the worst.

    with StallMeter() as stalls:
        ...
    assert stalls.longestMs < 100
    """

    def __init__(self) -> None:
        self.longestMs = 0.0
        self._last = 0.0
        self._timer = QtCore.QTimer()
        self._timer.setTimerType(QtCore.Qt.PreciseTimer)
        self._timer.timeout.connect(self._note)

    def __enter__(self) -> StallMeter:
        self._last = time.perf_counter()
        self._timer.start(SLOT_MS)
        return self

    def __exit__(self, *_exception: object) -> None:
        self._note()
        self._timer.stop()

    def _note(self) -> None:
        now = time.perf_counter()
        self.longestMs = max(self.longestMs, (now - self._last) * 1000 - SLOT_MS)
        self._last = now
