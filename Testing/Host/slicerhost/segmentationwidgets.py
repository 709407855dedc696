"""Stand-ins for the widgets of the module Segmentations."""

from __future__ import annotations

from typing import ClassVar

import shiboken6
import slicer
import vtk
from PySide6 import QtCore, QtWidgets

from slicerhost.ctkcontainers import ctkMenuButton
from slicerhost.mrmlwidgets import MRMLWidget
from slicerhost.standins import standIn, stored

BINARY, SURFACE = "Binary labelmap", "Closed surface"


@standIn
class qMRMLSegmentationShow3DButton(ctkMenuButton):
    """Makes the closed surfaces of a segmentation and shows them, or takes them away again."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._segmentationNode: slicer.vtkMRMLSegmentationNode | None = None
        self._observer = 0
        self.setText("Show 3D")
        self.setCheckable(True)
        self.setEnabled(False)
        self.toggled.connect(self._toggle)

    locked = stored("locked", bool, False, changed="_update")

    def segmentationNode(self) -> slicer.vtkMRMLSegmentationNode | None:
        return self._segmentationNode

    def setSegmentationNode(self, node: slicer.vtkMRMLSegmentationNode | None) -> None:
        if self._segmentationNode is not None:
            self._segmentationNode.RemoveObserver(self._observer)
        self._segmentationNode = node
        if node is not None:
            # The node may outlive the panel, whose widgets Qt deletes.
            self._observer = node.AddObserver(vtk.vtkCommand.AnyEvent, lambda *_: shiboken6.isValid(self) and self._update())
        self._update()

    def _update(self) -> None:
        segmentation = self._segmentationNode.GetSegmentation() if self._segmentationNode is not None else None
        some = segmentation is not None and segmentation.GetNumberOfSegments() > 0
        self.setEnabled(some and not self.locked and segmentation.GetSourceRepresentationName() != SURFACE)
        self.blockSignals(True)
        self.setChecked(some and segmentation.ContainsRepresentation(SURFACE))
        self.blockSignals(False)

    def _toggle(self, shown: bool) -> None:
        node = self._segmentationNode
        if node is None:
            return
        with slicer.util.NodeModify(node):
            if not shown:
                node.GetSegmentation().RemoveRepresentation(SURFACE)
            elif node.GetSegmentation().CreateRepresentation(SURFACE) and node.GetDisplayNode() is not None:
                node.GetDisplayNode().SetPreferredDisplayRepresentationName3D(SURFACE)
                node.GetDisplayNode().SetPreferredDisplayRepresentationName2D(BINARY)


@standIn
class qMRMLSegmentEditorWidget(MRMLWidget, QtWidgets.QWidget):
    """The segment editor, as far as other modules open it: it knows what it was asked to edit."""

    mrmlSceneChanged = QtCore.Signal(object)
    cxxSignals: ClassVar = {"mrmlSceneChanged(vtkMRMLScene*)": "mrmlSceneChanged"}

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._nodes: dict[str, slicer.vtkMRMLNode | None] = {}

    def setSegmentationNode(self, node: slicer.vtkMRMLSegmentationNode | None) -> None:
        self._nodes["segmentation"] = node

    def segmentationNode(self) -> slicer.vtkMRMLSegmentationNode | None:
        return self._nodes.get("segmentation")

    def setSourceVolumeNode(self, node: slicer.vtkMRMLScalarVolumeNode | None) -> None:
        self._nodes["source volume"] = node

    def sourceVolumeNode(self) -> slicer.vtkMRMLScalarVolumeNode | None:
        return self._nodes.get("source volume")

    def setMRMLSegmentEditorNode(self, node: slicer.vtkMRMLNode | None) -> None:
        self._nodes["parameters"] = node

    def mrmlSegmentEditorNode(self) -> slicer.vtkMRMLNode | None:
        return self._nodes.get("parameters")
