"""Finished slices in the slice views while a job still runs, before there is a segmentation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import numpy_to_vtk

from SAMedCore.image.labels import LabelTable
from SAMedLib.scene.volumes import ijkToRAS


class Overlay:
    """A label map over the volume, shown as the label layer of the slice views that show the volume.

    Its nodes are hidden and are never saved; `remove` takes them away and gives the views their own label layers back.
    Both methods do nothing when the scene was closed meanwhile.
    """

    def __init__(self, volumeNode: slicer.vtkMRMLScalarVolumeNode, labels: LabelTable) -> None:
        self._colorNode = _addHidden("vtkMRMLColorTableNode")
        _fillColors(self._colorNode, labels)
        self._node = _addHidden("vtkMRMLLabelMapVolumeNode")
        self._node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(ijkToRAS(volumeNode)))
        self._node.SetAndObserveTransformNodeID(volumeNode.GetTransformNodeID())
        image = vtk.vtkImageData()
        image.SetDimensions(volumeNode.GetImageData().GetDimensions())
        # numpy's zeros take no time before they are written to: filling VTK's own for 1,000 slices holds Slicer up.
        zeros = np.zeros(image.GetNumberOfPoints(), np.uint8 if max(labels.values, default=0) <= 255 else np.uint16)
        image.GetPointData().SetScalars(numpy_to_vtk(zeros))
        self._node.SetAndObserveImageData(image)
        self._displayNode = _addHidden("vtkMRMLLabelMapVolumeDisplayNode")
        self._displayNode.SetAndObserveColorNodeID(self._colorNode.GetID())
        self._node.SetAndObserveDisplayNodeID(self._displayNode.GetID())
        self._earlier: dict[str, str | None] = {}
        for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
            if volumeNode.GetID() in (composite.GetBackgroundVolumeID(), composite.GetForegroundVolumeID()):
                self._earlier[composite.GetID()] = composite.GetLabelVolumeID()
                composite.SetLabelVolumeID(self._node.GetID())

    def update(self, voxels: np.ndarray, box: Sequence[Sequence[int]]) -> None:
        """Show these values (k, j, i) in the box [[k, k), [j, j), [i, i)] of the volume's grid."""
        if self._node.GetScene() is None:
            return
        array = slicer.util.arrayFromVolume(self._node)
        array[tuple(slice(*side) for side in box)] = voxels
        slicer.util.arrayFromVolumeModified(self._node)

    def remove(self) -> None:
        """Take the overlay away; a view whose label layer was changed meanwhile keeps it."""
        for compositeID, labelID in self._earlier.items():
            composite = slicer.mrmlScene.GetNodeByID(compositeID)
            if composite is not None and self._node.GetScene() and composite.GetLabelVolumeID() == self._node.GetID():
                composite.SetLabelVolumeID(labelID if labelID and slicer.mrmlScene.GetNodeByID(labelID) else None)
        self._earlier.clear()
        for node in (self._node, self._displayNode, self._colorNode):
            if node.GetScene() is not None:
                slicer.mrmlScene.RemoveNode(node)


def _addHidden(className: str) -> slicer.vtkMRMLNode:
    node = slicer.mrmlScene.CreateNodeByClass(className)
    node.UnRegister(None)
    node.SetName(slicer.mrmlScene.GenerateUniqueName("SAMed overlay"))
    node.SetHideFromEditors(True)
    node.SetSaveWithScene(False)
    return slicer.mrmlScene.AddNode(node)


def _fillColors(colorNode: slicer.vtkMRMLColorTableNode, labels: LabelTable) -> None:
    colorNode.SetTypeToUser()
    colorNode.SetNumberOfColors(max(labels.values, default=0) + 1)
    colorNode.SetColor(0, "background", 0, 0, 0, 0)
    for label in labels:
        colorNode.SetColor(label.value, label.name, *(channel / 255 for channel in label.rgb), 1)
