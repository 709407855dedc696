"""A main window, which a test opens: with it come the layout manager, views with a mouse, and keyboard shortcuts.

    with slicerhost.mainWindow():
        slicer.util.selectModule("SegmentEditor")
        mouse.drag("Red", (-40, 10, 0), (20, 60, 0))

Without it `slicer.app.layoutManager()` and `slicer.util.mainWindow()` are None, as in a Slicer started without a main window.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import slicer
import vtk
from PySide6 import QtCore, QtTest, QtWidgets

from slicerhost import mouse
from slicerhost.events import processEvents
from slicerhost.standins import standIn, stored
from slicerhost.viewwidgets import qMRMLSliceWidget, qMRMLThreeDWidget

NAME = "qSlicerMainWindow"
"""By which `slicer.util.mainWindow()` finds an open one."""
PANEL_WIDTH, GAP = 500, 3
PLACES = {"Red": (0, 0), "1": (0, 1), "Green": (1, 0), "Yellow": (1, 1)}
"""Row and column of each view in Slicer's usual layout, Four-Up."""
ONE_UP = {slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView: ("Red",)}
"""The views of the layouts that show fewer."""


@standIn
class qSlicerLayoutManager(QtCore.QObject):
    """The views of the window. The layouts that it knows are Four-Up and One-Up; any other looks as the former."""

    layoutChanged = QtCore.Signal(int)
    layout = stored("layout", int, slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)

    def __init__(self, sliceWidgets: dict[str, qMRMLSliceWidget], threeDWidget: qMRMLThreeDWidget) -> None:
        super().__init__()
        self._sliceWidgets, self._threeDWidget = sliceWidgets, threeDWidget

    threeDViewCount = QtCore.Property(int, lambda self: 1)

    def sliceViewNames(self) -> tuple[str, ...]:
        return tuple(self._sliceWidgets)

    def sliceWidget(self, name: str) -> qMRMLSliceWidget | None:
        return self._sliceWidgets.get(name)

    def threeDWidget(self, number: int) -> qMRMLThreeDWidget | None:
        return self._threeDWidget if number == 0 else None

    def mrmlSliceLogics(self) -> vtk.vtkCollection:
        return slicer.app.applicationLogic().GetSliceLogics()

    def setLayout(self, layout: int) -> None:
        if layout != self.layout:
            self.layout = layout
            for name, widget in {**self._sliceWidgets, "1": self._threeDWidget}.items():
                widget.setVisible(name in ONE_UP.get(layout, PLACES))
            self.layoutChanged.emit(layout)
            slicer.app.layoutChanged.emit(layout)

    def resetSliceViews(self) -> None:
        for widget in self._sliceWidgets.values():
            widget.fitSliceToBackground()

    def resetThreeDViews(self) -> None:
        self._threeDWidget.threeDView()._view.fit(nearer=1.2)


class PanelColumn(QtWidgets.QScrollArea):
    """Where a module's panel is: as wide as the panel needs, scrolled upright alone."""

    def __init__(self) -> None:
        super().__init__()
        self.setFixedWidth(PANEL_WIDTH)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarAlwaysOff)
        self.setFrameShape(QtWidgets.QFrame.NoFrame)

    def eventFilter(self, watched: QtCore.QObject, event: QtCore.QEvent) -> bool:
        """Of the panel, whose layout may change."""
        if event.type() == QtCore.QEvent.LayoutRequest and watched is self.widget():
            self.setFixedWidth(max(PANEL_WIDTH, watched.minimumSizeHint.width()))
        return super().eventFilter(watched, event)


class MainWindow(QtWidgets.QMainWindow):
    """The current module's panel on the left, four views on the right.

    Attributes:
        layoutManager: what `slicer.app.layoutManager()` is while the window is open.
    """

    def __init__(self) -> None:
        super().__init__()
        slices = {name: qMRMLSliceWidget(name) for name in slicer.app.sliceLogics}
        self.layoutManager = qSlicerLayoutManager(slices, qMRMLThreeDWidget())
        views = {**slices, "1": self.layoutManager.threeDWidget(0)}
        centre = QtWidgets.QWidget()
        self._columns = QtWidgets.QHBoxLayout(centre)
        self._columns.setContentsMargins(0, 0, 0, 0)
        self._columns.setSpacing(GAP)
        self._panel = PanelColumn()
        self._columns.addWidget(self._panel)
        grid = QtWidgets.QGridLayout()
        grid.setSpacing(GAP)
        for name, place in PLACES.items():
            grid.addWidget(views[name], *place)
        self._columns.addLayout(grid, 1)
        self.setCentralWidget(centre)

    def showPanel(self, panel: QtWidgets.QWidget | None) -> None:
        """Put a module's panel into the left column, and leave the one before to itself."""
        before = self._panel.takeWidget()
        if before is not None and before is not panel:
            before.setParent(None)
        if panel is not None:
            self._panel.setWidget(panel)
            panel.show()


@contextmanager
def mainWindow(width: int = 1300, height: int = 850) -> Iterator[MainWindow]:
    """An open main window of this size in pixels; the same object each time, for its views are dear."""
    app = slicer.app
    app.builtWindow = app.builtWindow or MainWindow()
    app.window = window = app.builtWindow
    window.setObjectName(NAME)
    window.resize(width, height)
    window.show()
    window.activateWindow()
    assert QtTest.QTest.qWaitForWindowActive(window), "the main window did not get the keyboard"
    if QtWidgets.QApplication.focusWidget() is not None:
        QtWidgets.QApplication.focusWidget().clearFocus()
    mouse.forget()
    try:
        yield window
    finally:
        mouse.leave()
        window.showPanel(None)
        window.hide()
        window.destroy()  # its native window, for Qt's offscreen platform activates one only once
        window.setObjectName("")
        app.window = None
        processEvents()
