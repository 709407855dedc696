"""The Segment Editor's keys in the main window. They come before a view and its effect: Escape ends the effect."""

from __future__ import annotations

import slicer
from PySide6 import QtGui, QtWidgets

EFFECT_INDEX = {"Esc": 0, "Space": -1}
"""The property by which Slicer's own shortcuts say which effect they choose: none, and the last one."""
PREVIOUS, NEXT = ("Q", "/", ",", ">"), ("W", "*", ".", "<")


class EditorShortcuts:
    """A part of the editor. The digits, which choose Slicer's own effects, are left out with those."""

    def installKeyboardShortcuts(self, parent: QtWidgets.QWidget | None = None) -> None:
        """In the window of `parent`, by default the main window; none without one."""
        self.uninstallKeyboardShortcuts()
        parent = parent or slicer.app.mainWindow()
        if parent is None:
            return
        actions = {
            self._endEffect: ("Esc",),
            self._backToLastEffect: ("Space",),
            self.undo: ("Z", QtGui.QKeySequence.Undo),
            self.redo: ("Y", QtGui.QKeySequence.Redo),
            self.selectPreviousSegment: PREVIOUS,
            self.selectNextSegment: NEXT,
            self.toggleSourceVolumeIntensityMaskEnabled: ("I",),
        }
        for action, keys in actions.items():
            for key in keys:
                shortcut = QtGui.QShortcut(QtGui.QKeySequence(key), parent)
                shortcut.setProperty("effectIndex", EFFECT_INDEX.get(key))
                shortcut.activated.connect(action)
                self._shortcuts.append(shortcut)

    def uninstallKeyboardShortcuts(self) -> None:
        for shortcut in self._shortcuts:
            shortcut.setEnabled(False)
            shortcut.setParent(None)
        self._shortcuts.clear()

    def _endEffect(self) -> None:
        if not self._locked:
            self.setActiveEffect(None)

    def _backToLastEffect(self) -> None:
        if not self._locked:
            self.setActiveEffect(self._last)
