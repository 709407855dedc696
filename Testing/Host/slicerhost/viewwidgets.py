"""Stand-ins for the widgets around Slicer's views: what an effect and the Segment Editor know of a view.

The picture, the nodes, the logic and the interactor's style are Slicer's own; see `views`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk
from PySide6 import QtCore, QtGui, QtWidgets

from slicerhost.standins import standIn
from slicerhost.views import SliceView, ThreeDView, View

BAR_HEIGHT = 24
BAR_COLOURS = {"Red": "#F34A33", "Green": "#6EB04B", "Yellow": "#EDD54C", "1": "#7483E9"}
"""Slicer's own."""
AXES = {"Axial": "S", "Sagittal": "R", "Coronal": "A"}
SMALLEST_VIEW = 100
"""In pixels."""

Key = QtCore.Qt.Key
SPECIAL_KEYS = {
    Key.Key_Return: "Return",
    Key.Key_Enter: "Return",
    Key.Key_Escape: "Escape",
    Key.Key_Backspace: "BackSpace",
    Key.Key_Delete: "Delete",
    Key.Key_Space: "space",
    Key.Key_Tab: "Tab",
    Key.Key_Left: "Left",
    Key.Key_Right: "Right",
    Key.Key_Up: "Up",
    Key.Key_Down: "Down",
    Key.Key_Control: "Control_L",
    Key.Key_Shift: "Shift_L",
}
"""VTK's names of the keys that write no letter."""


class VTKView(QtWidgets.QWidget):
    """What all view widgets share: a picture to look at, a cursor, and keys that go to VTK once no shortcut took them.

    Attributes:
        view: the off-screen view.
    """

    standsForCxx = True

    def __init__(self, view: View, parent: QtWidgets.QWidget) -> None:
        super().__init__(parent)
        self._view, self._defaultCursor = view, QtGui.QCursor()
        self.setFocusPolicy(QtCore.Qt.StrongFocus)
        self.setMinimumSize(SMALLEST_VIEW, SMALLEST_VIEW)
        policy = QtWidgets.QSizePolicy
        self.setSizePolicy(policy.Expanding, policy.Expanding)

    def renderWindow(self) -> vtk.vtkRenderWindow:
        return self._view.window

    def interactor(self) -> vtk.vtkRenderWindowInteractor:
        return self._view.interactor

    def interactorStyle(self) -> vtk.vtkInteractorObserver:
        return self._view.interactor.GetInteractorStyle()

    def interactorObserver(self) -> slicer.vtkMRMLViewInteractorStyle:
        return self._view.style

    def displayableManagerByClassName(self, className: str) -> Any:
        return self._view.managers.GetDisplayableManagerByClassName(className)

    def scheduleRender(self) -> None:
        """Once Qt has time."""
        self.update()

    def forceRender(self) -> None:
        self._view.window.Render()
        self.update()

    def setViewCursor(self, cursor: QtGui.QCursor) -> None:
        self.setCursor(cursor)

    def unsetViewCursor(self) -> None:
        self.setCursor(self._defaultCursor)

    def setDefaultViewCursor(self, cursor: QtGui.QCursor) -> None:
        self._defaultCursor = cursor
        self.setCursor(cursor)

    def resizeEvent(self, event: QtGui.QResizeEvent) -> None:
        self._view.resize(event.size().width(), event.size().height())

    def paintEvent(self, _event: QtGui.QPaintEvent) -> None:
        pixels = np.ascontiguousarray(self._view.picture())
        height, width, _three = pixels.shape
        image = QtGui.QImage(pixels.data, width, height, 3 * width, QtGui.QImage.Format_RGB888)
        painter = QtGui.QPainter(self)
        painter.drawImage(0, 0, image)
        painter.end()

    def keyPressEvent(self, event: QtGui.QKeyEvent) -> None:
        self._sendKey(event, vtk.vtkCommand.KeyPressEvent)

    def keyReleaseEvent(self, event: QtGui.QKeyEvent) -> None:
        self._sendKey(event, vtk.vtkCommand.KeyReleaseEvent)

    def _sendKey(self, event: QtGui.QKeyEvent, eventId: int) -> None:
        modifiers = event.modifiers()
        control, shift = bool(modifiers & QtCore.Qt.ControlModifier), bool(modifiers & QtCore.Qt.ShiftModifier)
        letter = event.text()[:1] or "\0"
        keysym = SPECIAL_KEYS.get(Key(event.key()), letter)
        self.interactor().SetKeyEventInformation(control, shift, letter, 0, keysym)
        self.interactor().InvokeEvent(eventId)
        if eventId == vtk.vtkCommand.KeyPressEvent and letter != "\0":
            self.interactor().InvokeEvent(vtk.vtkCommand.CharEvent)


@standIn
class qMRMLSliceView(VTKView):
    def mrmlSliceNode(self) -> slicer.vtkMRMLSliceNode:
        return self.parent().mrmlSliceNode()

    def convertDeviceToXYZ(self, xy: list[int]) -> list[float]:
        return [float(xy[0]), float(xy[1]), 0.0]

    def convertXYZToRAS(self, xyz: list[float]) -> list[float]:
        return list(self.mrmlSliceNode().GetXYToRAS().MultiplyPoint([*xyz, 1.0])[:3])

    def convertRASToXYZ(self, ras: list[float]) -> list[float]:
        toRAS = slicer.util.arrayFromVTKMatrix(self.mrmlSliceNode().GetXYToRAS())
        return np.linalg.solve(toRAS, [*ras, 1.0])[:3].tolist()


@standIn
class qMRMLThreeDView(VTKView):
    def mrmlViewNode(self) -> slicer.vtkMRMLViewNode:
        return self.parent().mrmlViewNode()


class ViewWidget(QtWidgets.QWidget):
    """A view under a bar with its letter and the place of its slice."""

    standsForCxx = True

    def _build(self, name: str, view: VTKView) -> None:
        self.setObjectName(f"{type(self).__name__}{name}")
        self._name, self._vtkView = name, view
        self._place = QtWidgets.QLabel()
        bar = QtWidgets.QFrame()
        bar.setFixedHeight(BAR_HEIGHT)
        bar.setStyleSheet(f"background: {BAR_COLOURS[name]}; color: black;")
        row = QtWidgets.QHBoxLayout(bar)
        row.setContentsMargins(8, 2, 8, 2)
        row.addWidget(QtWidgets.QLabel(f"<b>{name[0]}</b>"))
        row.addStretch()
        row.addWidget(self._place)
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(bar)
        column.addWidget(view)

    def _viewOf(self) -> VTKView:
        return self._vtkView


@standIn
class qMRMLSliceWidget(ViewWidget):
    def __init__(self, name: str) -> None:
        super().__init__()
        self._logic = slicer.app.sliceLogics[name]
        self._build(name, qMRMLSliceView(SliceView(name), self))
        node = self._logic.GetSliceNode()
        node.AddObserver(vtk.vtkCommand.ModifiedEvent, self._onSliceModified)
        self._logic.AddObserver(vtk.vtkCommand.ModifiedEvent, self._onSliceModified)

    sliceViewName = QtCore.Property(str, lambda self: self._name)

    def sliceView(self) -> qMRMLSliceView:
        return self._vtkView

    def sliceLogic(self) -> slicer.vtkMRMLSliceLogic:
        return self._logic

    def mrmlSliceNode(self) -> slicer.vtkMRMLSliceNode:
        return self._logic.GetSliceNode()

    def mrmlAbstractViewNode(self) -> slicer.vtkMRMLSliceNode:
        return self._logic.GetSliceNode()

    def mrmlSliceCompositeNode(self) -> slicer.vtkMRMLSliceCompositeNode:
        return self._logic.GetSliceCompositeNode()

    def interactorStyle(self) -> vtk.vtkInteractorObserver:
        return self._vtkView.interactorStyle()

    def fitSliceToBackground(self) -> None:
        self._logic.FitSliceToBackground(*self._vtkView._view.size)

    def _onSliceModified(self, *_event: object) -> None:
        axis = AXES.get(self.mrmlSliceNode().GetOrientation(), "")
        self._place.setText(f"{axis}: {self._logic.GetSliceOffset():.1f} mm")
        self._vtkView.update()


@standIn
class qMRMLThreeDWidget(ViewWidget):
    def __init__(self) -> None:
        super().__init__()
        self._build("1", qMRMLThreeDView(ThreeDView(), self))

    def threeDView(self) -> qMRMLThreeDView:
        return self._vtkView

    def mrmlViewNode(self) -> slicer.vtkMRMLViewNode:
        return slicer.mrmlScene.GetSingletonNode("1", "vtkMRMLViewNode")

    def mrmlAbstractViewNode(self) -> slicer.vtkMRMLViewNode:
        return self.mrmlViewNode()
