"""How unsure the model is of each voxel: a volume of its own beside the CT, shown over it in the slice views."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from SAMedLib.scene.volumes import ijkToRAS
from SAMedLib.scene.writing import joinStudy

ROLE = "SAMed.uncertainty"
"""By which a CT's volume node refers to it."""

COLORS = "vtkMRMLColorTableNodeWarm1"
"""One of Slicer's own: from yellow to red."""

SHOWN_FROM = 0.1
"""On the sample CT 3 % of the voxels are more doubtful, and 83 % of the wrong ones are among them."""

RED_FROM = 0.5
"""A voxel that could be either of two of nine classes has log 2 / log 9 = 0.32; few have more."""

OPACITY = 0.5


def writeUncertainty(voxels: np.ndarray, volumeNode: slicer.vtkMRMLScalarVolumeNode) -> slicer.vtkMRMLScalarVolumeNode:
    """Put uncertainty into the scene, under the volume's transform and in its study; that of an earlier run is replaced.

    Args:
        voxels: (k, j, i) 0..1, on the volume's own grid.

    Returns:
        a volume node named after the volume, float32.
    """
    node = uncertaintyOf(volumeNode)
    if node is None:
        name = _("{volume} uncertainty").format(volume=volumeNode.GetName())
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", slicer.mrmlScene.GenerateUniqueName(name))
        volumeNode.SetNodeReferenceID(ROLE, node.GetID())
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(ijkToRAS(volumeNode)))
    node.SetAndObserveTransformNodeID(volumeNode.GetTransformNodeID())
    image = vtk.vtkImageData()
    image.SetDimensions(voxels.shape[::-1])
    image.AllocateScalars(vtk.VTK_FLOAT, 1)  # VTK knows no float16
    node.SetAndObserveImageData(image)
    slicer.util.arrayFromVolume(node)[:] = voxels
    slicer.util.arrayFromVolumeModified(node)
    if node.GetDisplayNode() is None:
        _createDisplay(node)
    joinStudy(node, volumeNode)
    return node


def uncertaintyOf(volumeNode: slicer.vtkMRMLScalarVolumeNode | None) -> slicer.vtkMRMLScalarVolumeNode | None:
    """The volume's uncertainty, if it is in the scene."""
    return None if volumeNode is None else volumeNode.GetNodeReference(ROLE)


def doubtInWords(doubt: Mapping[str, float]) -> str:
    """Structures by doubt: "pancreas 0.19, aorta 0.10"."""
    names = sorted(doubt, key=lambda name: -doubt[name])
    return ", ".join(_("{structure} {doubt}").format(structure=name, doubt=f"{doubt[name]:.2f}") for name in names)


class UncertaintyOverlay:
    """Uncertainty as the foreground of the slice views that have its volume in the background.

    `hide` gives the views the foreground back that they had; one that a person has changed meanwhile keeps what it shows.
    """

    def __init__(self) -> None:
        self._uncertaintyID: str | None = None
        self._earlier: dict[str, tuple[str | None, float]] = {}

    def show(self, volumeNode: slicer.vtkMRMLScalarVolumeNode | None) -> None:
        """Show the volume's uncertainty in place of another's; nothing where there is none."""
        node = uncertaintyOf(volumeNode)
        if self._uncertaintyID is not None and (node is None or node.GetID() != self._uncertaintyID):
            self.hide()
        if node is None:
            return
        self._uncertaintyID = node.GetID()
        for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
            isOver = composite.GetForegroundVolumeID() == node.GetID()
            if composite.GetBackgroundVolumeID() == volumeNode.GetID() and not isOver:
                self._earlier[composite.GetID()] = composite.GetForegroundVolumeID(), composite.GetForegroundOpacity()
                composite.SetForegroundVolumeID(node.GetID())
                composite.SetForegroundOpacity(OPACITY)

    def hide(self, volumeNode: slicer.vtkMRMLScalarVolumeNode | None = None) -> None:
        """Show it no more, nor that of this volume, which an opened scene may show.

        A scene that was closed meanwhile has nothing to hide.
        """
        own = uncertaintyOf(volumeNode)
        hidden = {self._uncertaintyID, None if own is None else own.GetID()} - {None}
        for composite in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
            if composite.GetForegroundVolumeID() in hidden:
                earlierID, opacity = self._earlier.get(composite.GetID(), (None, 0.0))
                isThere = earlierID is not None and slicer.mrmlScene.GetNodeByID(earlierID) is not None
                composite.SetForegroundVolumeID(earlierID if isThere else None)
                composite.SetForegroundOpacity(opacity)
        self.forget()

    def forget(self) -> None:
        """The scene is closed: what its views showed is of no use to those of another."""
        self._uncertaintyID = None
        self._earlier.clear()


def _createDisplay(node: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Transparent where the model is sure, so that the CT is seen as it is."""
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetAndObserveColorNodeID(COLORS)
    display.SetAutoWindowLevel(False)
    display.SetWindowLevelMinMax(0.0, RED_FROM)
    display.SetAutoThreshold(False)
    display.SetThreshold(SHOWN_FROM, 1.0)
    display.SetApplyThreshold(True)
