"""Stand-in for qMRMLNodeComboBox: it follows the real scene."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import slicer
import vtk
from PySide6 import QtCore, QtWidgets

from slicerhost.standins import standIn, stored


@standIn
class qMRMLNodeComboBox(QtWidgets.QWidget):
    """The nodes of some classes in the scene, one of them chosen.

    As in Slicer, the current node stays through changes of the scene as long as it exists; without `noneEnabled` the first
    node that appears is chosen.
    """

    currentNodeChanged = QtCore.Signal(object)
    cxxSignals: ClassVar = {"currentNodeChanged(vtkMRMLNode*)": "currentNodeChanged"}
    nodeTypes = stored("nodeTypes", "QStringList", [], changed="_refresh")
    showChildNodeTypes = stored("showChildNodeTypes", bool, True, changed="_refresh")
    noneEnabled = stored("noneEnabled", bool, False, changed="_refresh")
    noneDisplay = stored("noneDisplay", str, "None", changed="_refresh")
    addEnabled = stored("addEnabled", bool, True)
    removeEnabled = stored("removeEnabled", bool, True)
    renameEnabled = stored("renameEnabled", bool, False)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene: slicer.vtkMRMLScene | None = None
        self._observers: list[int] = []
        self._ids: list[str] = []
        self._reported = ""
        self._leaving: slicer.vtkMRMLNode | None = None
        self._comboBox = QtWidgets.QComboBox()
        self._comboBox.setSizePolicy(QtWidgets.QSizePolicy.Expanding, QtWidgets.QSizePolicy.Fixed)
        self._comboBox.setMinimumContentsLength(6)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._comboBox)
        self._comboBox.currentIndexChanged.connect(self._report)
        self.setFocusProxy(self._comboBox)

    def setMRMLScene(self, scene: slicer.vtkMRMLScene | None) -> None:
        for tag in self._observers:
            self._scene.RemoveObserver(tag)
        self._scene, self._observers = scene, []
        if scene is not None:
            changes = (scene.NodeAddedEvent, scene.EndCloseEvent, scene.EndImportEvent)
            self._observers = [scene.AddObserver(event, lambda *_: self._refresh()) for event in changes]
            self._observers.append(scene.AddObserver(scene.NodeAboutToBeRemovedEvent, self._leaveOut()))
            observers = self._observers
            self.destroyed.connect(lambda: [scene.RemoveObserver(tag) for tag in observers])
        self._refresh()

    def _leaveOut(self) -> Callable:
        """A node goes from the list, and another becomes the current one, while it is still in the scene."""

        @vtk.calldata_type(vtk.VTK_OBJECT)
        def leaveOut(_scene: slicer.vtkMRMLScene, _event: str, node: slicer.vtkMRMLNode) -> None:
            self._leaving = node
            self._refresh()
            self._leaving = None

        return leaveOut

    def nodeCount(self) -> int:
        return len(self._nodes())

    def nodeFromIndex(self, index: int) -> slicer.vtkMRMLNode | None:
        nodes = self._nodes()
        return nodes[index] if 0 <= index < len(nodes) else None

    def currentNode(self) -> slicer.vtkMRMLNode | None:
        return self._scene.GetNodeByID(self._currentID()) if self._scene is not None and self._currentID() else None

    def setCurrentNode(self, node: slicer.vtkMRMLNode | None) -> None:
        """Choose a node; None, or no node where None is not offered, for one that is not listed."""
        wanted = node.GetID() if node is not None and node.GetID() in self._ids else ""
        self._comboBox.setCurrentIndex(self._ids.index(wanted) if wanted in self._ids else -1)

    def _currentID(self) -> str:
        index = self._comboBox.currentIndex
        return self._ids[index] if 0 <= index < len(self._ids) else ""

    def comboBox(self) -> QtWidgets.QComboBox:
        """The list as the user sees it; not callable from Python in Slicer, for tests."""
        return self._comboBox

    def _nodes(self) -> list[slicer.vtkMRMLNode]:
        if self._scene is None:
            return []
        every = [self._scene.GetNthNode(index) for index in range(self._scene.GetNumberOfNodes())]
        return [node for node in every if node is not self._leaving and self._shows(node)]

    def _shows(self, node: slicer.vtkMRMLNode) -> bool:
        if node.GetHideFromEditors():
            return False
        return any(node.IsA(kind) if self.showChildNodeTypes else node.GetClassName() == kind for kind in self.nodeTypes)

    def _refresh(self) -> None:
        """Bring the list up to date with the scene; the current node stays if it is still there."""
        if self._scene is not None and (self._scene.IsClosing() or self._scene.IsImporting()):
            return
        chosen, nodes = self._currentID(), self._nodes()
        self._comboBox.blockSignals(True)
        self._comboBox.clear()
        self._ids = []
        if self.noneEnabled and self._scene is not None:
            self._comboBox.addItem(self.noneDisplay)
            self._ids.append("")
        for node in nodes:
            self._comboBox.addItem(node.GetName())
            self._ids.append(node.GetID())
        self._comboBox.setCurrentIndex(self._ids.index(chosen) if chosen in self._ids else (0 if self._ids else -1))
        self._comboBox.blockSignals(False)
        self._report()

    def _report(self, _index: int = 0) -> None:
        if self._currentID() != self._reported:
            self._reported = self._currentID()
            self.currentNodeChanged.emit(self.currentNode())
