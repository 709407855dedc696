"""Stand-ins for the widgets of ctk and MRML that the module's .ui has; its selectors of nodes are in `nodecombobox`."""

from __future__ import annotations

from typing import ClassVar

import shiboken6
import slicer
import vtk
from PySide6 import QtCore, QtGui, QtWidgets

from slicerhost.standins import standIn

Style, Qt = QtWidgets.QStyle, QtCore.Qt
HEADER_HEIGHT = 24
"""Of a collapsible button, in pixels."""
UNBOUNDED = 2**24 - 1
"""Qt's QWIDGETSIZE_MAX, in pixels."""
BINARY, SURFACE = "Binary labelmap", "Closed surface"


@standIn
class qMRMLWidget(QtWidgets.QWidget):
    """The top level of a module's .ui: gives its scene to the widgets connected with it."""

    mrmlSceneChanged = QtCore.Signal(object)
    cxxSignals: ClassVar = {"mrmlSceneChanged(vtkMRMLScene*)": "mrmlSceneChanged"}

    def setMRMLScene(self, scene: slicer.vtkMRMLScene | None) -> None:
        if scene is not self.__dict__.get("_scene"):
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)


@standIn
class ctkCollapsibleButton(QtWidgets.QAbstractButton):
    """Hides the widgets directly below it while collapsed; those that were hidden before stay so."""

    contentsCollapsed = QtCore.Signal(bool)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._collapsed, self._hidden = False, []
        self.setContentsMargins(0, HEADER_HEIGHT, 0, 0)
        self.setCheckable(True)
        self.setChecked(True)
        self.setSizePolicy(QtWidgets.QSizePolicy.Minimum, QtWidgets.QSizePolicy.Preferred)
        self.toggled.connect(lambda checked: self._setCollapsed(not checked))

    def _setCollapsed(self, collapsed: bool) -> None:
        if collapsed == self._collapsed:
            return
        if collapsed:
            children = [child for child in self.children() if isinstance(child, QtWidgets.QWidget)]
            self._hidden = [child for child in children if not child.isHidden()]
        for child in self._hidden:
            child.setVisible(not collapsed)
        self._collapsed = collapsed
        self.setChecked(not collapsed)
        self.setMaximumHeight(HEADER_HEIGHT if collapsed else UNBOUNDED)
        self.contentsCollapsed.emit(collapsed)
        self.updateGeometry()

    collapsed = QtCore.Property(bool, lambda self: self._collapsed, _setCollapsed)

    def childEvent(self, event: QtCore.QChildEvent) -> None:
        """A widget that comes while collapsed is hidden too: a .ui sets the property before it makes the children."""
        super().childEvent(event)
        child = event.child()
        arrived = event.type() == QtCore.QEvent.ChildPolished and isinstance(child, QtWidgets.QWidget)
        if arrived and self._collapsed and not child.isHidden():
            self._hidden.append(child)
            child.hide()

    def hitButton(self, position: QtCore.QPoint) -> bool:
        return position.y() < HEADER_HEIGHT

    def sizeHint(self) -> QtCore.QSize:
        if self.layout() is None or self._collapsed:
            return QtCore.QSize(120, HEADER_HEIGHT)
        return self.layout().totalSizeHint()

    minimumSizeHint = sizeHint

    def paintEvent(self, _event: QtGui.QPaintEvent) -> None:
        painter = QtGui.QPainter(self)
        button = QtWidgets.QStyleOptionButton()
        button.initFrom(self)
        button.rect = QtCore.QRect(0, 0, self.width, HEADER_HEIGHT)
        self.style().drawControl(Style.CE_PushButtonBevel, button, painter, self)
        arrow = QtWidgets.QStyleOption()
        arrow.initFrom(self)
        arrow.rect = QtCore.QRect(6, (HEADER_HEIGHT - 12) // 2, 12, 12)
        kind = Style.PE_IndicatorArrowRight if self._collapsed else Style.PE_IndicatorArrowDown
        self.style().drawPrimitive(kind, arrow, painter, self)
        painter.drawText(button.rect.adjusted(24, 0, 0, 0), Qt.AlignVCenter | Qt.TextShowMnemonic, self.text)
        painter.end()


@standIn
class qMRMLSegmentationShow3DButton(QtWidgets.QPushButton):
    """Makes the closed surfaces of a segmentation and shows them, or takes them away again."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._node: slicer.vtkMRMLSegmentationNode | None = None
        self._observer = 0
        self.setText("Show 3D")
        self.setCheckable(True)
        self.setEnabled(False)
        self.toggled.connect(self._toggle)

    def setSegmentationNode(self, node: slicer.vtkMRMLSegmentationNode | None) -> None:
        if self._node is not None:
            self._node.RemoveObserver(self._observer)
        self._node = node
        if node is not None:
            # A method: where node and button go together as garbage, Python would have emptied a function before it is called.
            self._observer = node.AddObserver(vtk.vtkCommand.AnyEvent, self._onNodeEvent)
        self._update()

    def _onNodeEvent(self, *_event: object) -> None:
        """The node may outlive the panel, whose widgets Qt deletes."""
        if shiboken6.isValid(self) and "_node" in self.__dict__:
            self._update()

    def _update(self) -> None:
        segmentation = self._node.GetSegmentation() if self._node is not None else None
        some = segmentation is not None and segmentation.GetNumberOfSegments() > 0
        self.setEnabled(some and segmentation.GetSourceRepresentationName() != SURFACE)
        self.blockSignals(True)
        self.setChecked(some and segmentation.ContainsRepresentation(SURFACE))
        self.blockSignals(False)

    def _toggle(self, shown: bool) -> None:
        if self._node is None:
            return
        segmentation, display = self._node.GetSegmentation(), self._node.GetDisplayNode()
        with slicer.util.NodeModify(self._node):
            if not shown:
                segmentation.RemoveRepresentation(SURFACE)
            elif segmentation.CreateRepresentation(SURFACE) and display is not None:
                display.SetPreferredDisplayRepresentationName3D(SURFACE)
                display.SetPreferredDisplayRepresentationName2D(BINARY)
