"""Stand-in for qMRMLNodeComboBox: it follows the real scene and changes it."""

from __future__ import annotations

from typing import ClassVar

import slicer
from PySide6 import QtCore, QtWidgets

from slicerhost.standins import plainLayout, standIn, stored


@standIn
class qMRMLNodeComboBox(QtWidgets.QWidget):
    """The nodes of some classes in the scene, one of them chosen.

    As in Slicer, the current node stays through changes of the scene as long as it exists; without `noneEnabled` the first
    node that appears is chosen.
    """

    currentNodeChanged = QtCore.Signal(object)
    currentNodeIDChanged = QtCore.Signal(str)
    nodeAdded = QtCore.Signal(object)
    nodeAddedByUser = QtCore.Signal(object)
    nodeActivated = QtCore.Signal(object)
    _currentNodeValid = QtCore.Signal(bool)
    cxxSignals: ClassVar = {
        "currentNodeChanged(vtkMRMLNode*)": "currentNodeChanged",
        "currentNodeChanged(bool)": "_currentNodeValid",
        "nodeAdded(vtkMRMLNode*)": "nodeAdded",
        "nodeAddedByUser(vtkMRMLNode*)": "nodeAddedByUser",
        "nodeActivated(vtkMRMLNode*)": "nodeActivated",
    }
    nodeTypes = stored("nodeTypes", "QStringList", [], changed="_refresh")
    hideChildNodeTypes = stored("hideChildNodeTypes", "QStringList", [], changed="_refresh")
    showHidden = stored("showHidden", bool, False, changed="_refresh")
    showChildNodeTypes = stored("showChildNodeTypes", bool, True, changed="_refresh")
    noneEnabled = stored("noneEnabled", bool, False, changed="_refresh")
    noneDisplay = stored("noneDisplay", str, "None", changed="_refresh")
    addEnabled = stored("addEnabled", bool, True, changed="_refresh")
    removeEnabled = stored("removeEnabled", bool, True, changed="_refresh")
    editEnabled = stored("editEnabled", bool, False, changed="_refresh")
    renameEnabled = stored("renameEnabled", bool, False, changed="_refresh")
    selectNodeUponCreation = stored("selectNodeUponCreation", bool, True)
    baseName = stored("baseName", str, "")

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene: slicer.vtkMRMLScene | None = None
        self._observers: list[int] = []
        self._ids: list[str] = []
        self._reported = self._requested = ""
        self._comboBox = QtWidgets.QComboBox()
        self._comboBox.setSizePolicy(QtWidgets.QSizePolicy.Expanding, QtWidgets.QSizePolicy.Fixed)
        self._comboBox.setMinimumContentsLength(6)
        plainLayout(QtWidgets.QHBoxLayout(self)).addWidget(self._comboBox)
        self._comboBox.currentIndexChanged.connect(self._report)
        self._comboBox.activated.connect(self._activate)
        self.setFocusProxy(self._comboBox)

    def mrmlScene(self) -> slicer.vtkMRMLScene | None:
        return self._scene

    def setMRMLScene(self, scene: slicer.vtkMRMLScene | None) -> None:
        for tag in self._observers:
            self._scene.RemoveObserver(tag)
        self._scene, self._observers = scene, []
        if scene is not None:
            changes = (scene.NodeAddedEvent, scene.NodeRemovedEvent, scene.EndCloseEvent, scene.EndImportEvent)
            self._observers = [scene.AddObserver(event, lambda *_: self._refresh()) for event in changes]
            observers = self._observers
            self.destroyed.connect(lambda: [scene.RemoveObserver(tag) for tag in observers])
        self._refresh()
        if scene is not None and self._requested:
            self.setCurrentNodeID(self._requested)
            self._requested = ""

    def nodeCount(self) -> int:
        return len(self._nodes())

    def nodeFromIndex(self, index: int) -> slicer.vtkMRMLNode | None:
        nodes = self._nodes()
        return nodes[index] if 0 <= index < len(nodes) else None

    def currentNode(self) -> slicer.vtkMRMLNode | None:
        return self._scene.GetNodeByID(self._currentID()) if self._scene is not None and self._currentID() else None

    def setCurrentNode(self, node: slicer.vtkMRMLNode | None) -> None:
        self.setCurrentNodeID(node.GetID() if node is not None else "")

    def setCurrentNodeID(self, nodeID: str | None) -> None:
        """Choose a node; what is asked for before there is a scene is chosen when it comes."""
        if self._scene is None:
            self._requested = nodeID or ""
        missing = 0 if self.noneEnabled and self._scene is not None else -1
        self._comboBox.setCurrentIndex(self._ids.index(nodeID) if nodeID and nodeID in self._ids else missing)

    def _currentID(self) -> str:
        index = self._comboBox.currentIndex
        return self._ids[index] if 0 <= index < len(self._ids) else ""

    currentNodeID = QtCore.Property(str, _currentID, setCurrentNodeID)

    def addNode(self, nodeType: str = "") -> slicer.vtkMRMLNode | None:
        """Add a node as the user does by "Create new ..."."""
        if self._scene is None or not self.nodeTypes:
            return None
        nodeType = nodeType or self.nodeTypes[0]
        name = self._scene.GenerateUniqueName(self.baseName) if self.baseName else ""
        node = self._scene.AddNewNodeByClass(nodeType, name)
        if self.selectNodeUponCreation:
            self.setCurrentNode(node)
        self.nodeAddedByUser.emit(node)
        return node

    def removeCurrentNode(self) -> None:
        if self.currentNode() is not None:
            self._scene.RemoveNode(self.currentNode())

    def renameCurrentNode(self) -> None:
        name = QtWidgets.QInputDialog.getText(self, "Rename", "New name:")
        if name and self.currentNode() is not None:
            self.currentNode().SetName(name)
            self._refresh()

    def comboBox(self) -> QtWidgets.QComboBox:
        """The list as the user sees it; not callable from Python in Slicer, for tests."""
        return self._comboBox

    def _nodes(self) -> list[slicer.vtkMRMLNode]:
        if self._scene is None:
            return []
        every = [self._scene.GetNthNode(index) for index in range(self._scene.GetNumberOfNodes())]
        return [node for node in every if self._shows(node)]

    def _shows(self, node: slicer.vtkMRMLNode) -> bool:
        if node.GetHideFromEditors() and not self.showHidden:
            return False
        if any(node.IsA(kind) for kind in self.hideChildNodeTypes):
            return node.GetClassName() in self.nodeTypes
        return any(node.IsA(kind) if self.showChildNodeTypes else node.GetClassName() == kind for kind in self.nodeTypes)

    def _label(self) -> str:
        """What the first kind of node is called: "Volume"."""
        if self._scene is None or not self.nodeTypes:
            return ""
        node = self._scene.CreateNodeByClass(self.nodeTypes[0])
        node.UnRegister(None)
        return node.GetNodeTagName()

    def _actions(self) -> list[tuple[str, object]]:
        """What the list offers below the nodes."""
        label = self._label()
        offers = [
            (self.renameEnabled, f"Rename current {label}", self.renameCurrentNode),
            (self.addEnabled, f"Create new {label}", self.addNode),
            (self.removeEnabled, f"Delete current {label}", self.removeCurrentNode),
        ]
        return [(text, action) for enabled, text, action in offers if enabled and self._scene is not None]

    def _refresh(self) -> None:
        """Bring the list up to date with the scene; the current node stays if it is still there."""
        if self._scene is not None and (self._scene.IsClosing() or self._scene.IsImporting()):
            return
        chosen, nodes = self._currentID(), self._nodes()
        self._comboBox.blockSignals(True)
        self._comboBox.clear()
        self._comboBox.setPlaceholderText(f"Select a {self._label()}")
        self._ids = []
        if self.noneEnabled and self._scene is not None:
            self._comboBox.addItem(self.noneDisplay)
            self._ids.append("")
        for node in nodes:
            self._comboBox.addItem(node.GetName())
            self._ids.append(node.GetID())
        actions = self._actions()
        if actions:
            self._comboBox.insertSeparator(self._comboBox.count)
        for text, _action in actions:
            self._comboBox.addItem(text)
        self._comboBox.setCurrentIndex(self._ids.index(chosen) if chosen in self._ids else (0 if self._ids else -1))
        self._comboBox.blockSignals(False)
        self._report()

    def _activate(self, index: int) -> None:
        """A click in the list: a node, or one of the actions below the nodes."""
        if index < len(self._ids):
            self.nodeActivated.emit(self.currentNode())
            return
        action = self._actions()[index - len(self._ids) - 1][1]
        self.setCurrentNodeID(self._reported)
        action()

    def _report(self, index: int = 0) -> None:
        if index > len(self._ids) or self._currentID() == self._reported:
            return
        self._reported = self._currentID()
        node = self.currentNode()
        self.currentNodeChanged.emit(node)
        self._currentNodeValid.emit(node is not None)
        self.currentNodeIDChanged.emit(self._reported)
