"""The panel's Revert: a segmentation as it was before a result went into it."""

from __future__ import annotations

import slicer

from SAMedLib.scene.reading import REFERENCE_VOLUME

GEOMETRY = slicer.vtkSegmentationConverter.GetReferenceImageGeometryParameterName()


class SavedSegmentation:
    """A segmentation's state at the time this was made.

    The segments, with names, colours and codes, are the business of Slicer's `vtkSegmentationHistory`. It knows nothing of what
    the node adds to them, which is kept here: parent transform, reference geometry and attributes.
    """

    def __init__(self, segmentationNode: slicer.vtkMRMLSegmentationNode) -> None:
        segmentation = segmentationNode.GetSegmentation()
        self._nodeID = segmentationNode.GetID()
        self._history = slicer.vtkSegmentationHistory()
        self._history.SetSegmentation(segmentation)
        self._history.SaveState()
        self._transformID = segmentationNode.GetTransformNodeID()
        self._geometry = segmentation.GetConversionParameter(GEOMETRY)
        self._volumeID = segmentationNode.GetNodeReferenceID(REFERENCE_VOLUME)
        self._attributes = {name: segmentationNode.GetAttribute(name) for name in segmentationNode.GetAttributeNames()}
        self._representation = segmentation.GetSourceRepresentationName()

    def canRevert(self) -> bool:
        """Whether the segmentation is still in the scene, and still the one that was saved."""
        node = slicer.mrmlScene.GetNodeByID(self._nodeID)
        return node is not None and node.GetSegmentation() is self._history.GetSegmentation()

    def isOf(self, segmentationNode: slicer.vtkMRMLSegmentationNode | None) -> bool:
        """Whether it is this node that can be reverted."""
        return segmentationNode is not None and segmentationNode.GetID() == self._nodeID and self.canRevert()

    def revert(self) -> None:
        """Put the segmentation back; nothing happens where `canRevert` is False."""
        if not self.canRevert():
            return
        node = slicer.mrmlScene.GetNodeByID(self._nodeID)
        segmentation = node.GetSegmentation()
        with slicer.util.NodeModify(node):
            if self._history.IsRestorePreviousStateAvailable():
                self._history.RestorePreviousState()
            segmentation.SetSourceRepresentationName(self._representation)
            node.SetAndObserveTransformNodeID(self._transformID)
            segmentation.SetConversionParameter(GEOMETRY, self._geometry)
            node.SetNodeReferenceID(REFERENCE_VOLUME, self._volumeID)
            for name in {*node.GetAttributeNames(), *self._attributes}:
                node.SetAttribute(name, self._attributes.get(name))
