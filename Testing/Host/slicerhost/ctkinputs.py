"""Stand-ins for ctk's widgets that hold a value."""

from __future__ import annotations

import re
from typing import ClassVar

from PySide6 import QtCore, QtWidgets

from slicerhost.standins import forwarded, plainLayout, standIn, stored

MAX_HISTORY = 5
"""Paths that a ctkPathLineEdit offers again."""


@standIn
class ctkCheckBox(QtWidgets.QCheckBox):
    """A check box that can show an icon."""


@standIn
class ctkComboBox(QtWidgets.QComboBox):
    """With a text for when nothing is chosen."""

    defaultText = stored("defaultText", str, "", changed="_showDefault")
    forceDefault = stored("forceDefault", bool, False)

    def _showDefault(self) -> None:
        self.setPlaceholderText(self.defaultText)


class _Number(QtWidgets.QWidget):
    """A spin box inside a widget of its own, as ctk has it."""

    valueChanged = QtCore.Signal(float)
    decimalsChanged = QtCore.Signal(int)
    cxxSignals: ClassVar = {"valueChanged(double)": "valueChanged"}
    decimals = forwarded("decimals", int, "_spinBox")
    prefix = forwarded("prefix", str, "_spinBox")
    singleStep = forwarded("singleStep", float, "_spinBox")
    suffix = forwarded("suffix", str, "_spinBox")
    value = forwarded("value", float, "_spinBox")

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._spinBox = QtWidgets.QDoubleSpinBox()
        layout = plainLayout(QtWidgets.QHBoxLayout(self))
        layout.addWidget(self._spinBox)
        self._spinBox.valueChanged.connect(self._report)
        self.setFocusProxy(self._spinBox)

    def _report(self, value: float) -> None:
        self.valueChanged.emit(value)

    def setValue(self, value: float) -> None:
        self.value = value


@standIn
class ctkDoubleSpinBox(_Number):
    minimum = forwarded("minimum", float, "_spinBox")
    maximum = forwarded("maximum", float, "_spinBox")
    readOnly = forwarded("readOnly", bool, "_spinBox")


@standIn
class ctkSliderWidget(_Number):
    """A slider beside a spin box."""

    valueIsChanging = QtCore.Signal(float)
    STEPS = 1000

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._slider = QtWidgets.QSlider(QtCore.Qt.Horizontal)
        self._slider.setRange(0, self.STEPS)
        self.layout().insertWidget(0, self._slider, 1)
        self._slider.valueChanged.connect(self._follow)

    def _setMinimum(self, value: float) -> None:
        self._spinBox.setMinimum(value)
        self._report(self._spinBox.value)

    def _setMaximum(self, value: float) -> None:
        self._spinBox.setMaximum(value)
        self._report(self._spinBox.value)

    minimum = QtCore.Property(float, lambda self: self._spinBox.minimum, _setMinimum)
    maximum = QtCore.Property(float, lambda self: self._spinBox.maximum, _setMaximum)
    tracking = stored("tracking", bool, True)

    def _follow(self, step: int) -> None:
        self._spinBox.value = self.minimum + (self.maximum - self.minimum) * step / self.STEPS

    def _report(self, value: float) -> None:
        span = self.maximum - self.minimum
        self._slider.blockSignals(True)
        self._slider.value = round((value - self.minimum) / span * self.STEPS) if span > 0 else 0
        self._slider.blockSignals(False)
        super()._report(value)


@standIn
class ctkPathLineEdit(QtWidgets.QWidget):
    """A path to type, to choose from the last ones or by a dialog.

    As in ctk, `currentPathChanged` is sent only for paths that the name filters accept, and setting `settingKey` fills in
    the path that was used last.
    """

    currentPathChanged = QtCore.Signal(str)
    validInputChanged = QtCore.Signal(bool)
    Dirs, Files, Readable, Writable, Hidden = 0x001, 0x002, 0x010, 0x020, 0x100
    filters = stored("filters", int, Files)
    label = stored("label", str, "")
    nameFilters = stored("nameFilters", "QStringList", [])
    settingKey = stored("settingKey", str, "", changed="retrieveHistory")
    showHistoryButton = stored("showHistoryButton", bool, True)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._comboBox = QtWidgets.QComboBox()
        self._comboBox.setEditable(True)
        self._comboBox.setSizePolicy(QtWidgets.QSizePolicy.Expanding, QtWidgets.QSizePolicy.Fixed)
        self._comboBox.setMinimumContentsLength(6)
        self._browseButton = QtWidgets.QToolButton()
        self._browseButton.setText("...")
        layout = plainLayout(QtWidgets.QHBoxLayout(self))
        layout.addWidget(self._comboBox)
        layout.addWidget(self._browseButton)
        self._browseButton.clicked.connect(self.browse)
        self._comboBox.lineEdit().textChanged.connect(self._report)
        self.setFocusProxy(self._comboBox)

    def setCurrentPath(self, path: str) -> None:
        self._comboBox.lineEdit().setText(path)

    currentPath = QtCore.Property(str, lambda self: self._comboBox.lineEdit().text, setCurrentPath)

    def comboBox(self) -> QtWidgets.QComboBox:
        return self._comboBox

    def browse(self) -> None:
        dialog = QtWidgets.QFileDialog
        if self.filters & self.Files:
            path = dialog.getOpenFileName(self, self.label, self.currentPath, ";;".join(self.nameFilters))
        else:
            path = dialog.getExistingDirectory(self, self.label, self.currentPath)
        if path:
            self.setCurrentPath(path)

    def retrieveHistory(self) -> None:
        path = self.currentPath
        self._comboBox.clear()
        self._comboBox.addItems(self._history()[:MAX_HISTORY])
        self.setCurrentPath(path or self._comboBox.itemText(0))

    def addCurrentPathToHistory(self) -> None:
        path = self.currentPath
        if path:
            QtCore.QSettings().setValue(self.settingKey, [path, *(p for p in self._history() if p != path)])
            self.retrieveHistory()

    def _history(self) -> list[str]:
        history = QtCore.QSettings().value(self.settingKey) if self.settingKey else None
        return [history] if isinstance(history, str) else list(history or [])

    def _report(self, path: str) -> None:
        patterns = [p for names in self.nameFilters for p in re.sub(r".*\(|\)", "", names).split()]
        if not patterns or QtCore.QDir.match(patterns, QtCore.QFileInfo(path).fileName()):
            self.currentPathChanged.emit(path)


@standIn
class ctkDirectoryButton(QtWidgets.QPushButton):
    """A folder to choose by a dialog."""

    directoryChanged = QtCore.Signal(str)
    caption = stored("caption", str, "")

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._directory = ""
        self.clicked.connect(self.browse)

    def _setDirectory(self, path: str) -> None:
        if path != self._directory:
            self._directory = path
            self.setText(path)
            self.directoryChanged.emit(path)

    directory = QtCore.Property(str, lambda self: self._directory, _setDirectory)

    def browse(self) -> None:
        path = QtWidgets.QFileDialog.getExistingDirectory(self, self.caption, self._directory)
        if path:
            self.directory = path
