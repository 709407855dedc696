"""Results in the scene: a label map of a volume becomes segments that anyone in Slicer can go on with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import slicer
from slicer.i18n import tr as _

from SAMedCore.errors import InputError
from SAMedCore.image.volume import LabelMap
from SAMedLib.scene.merging import mergedLayers
from SAMedLib.scene.placement import ijkToSegmentationRAS, placedVoxels
from SAMedLib.scene.segments import BINARY_LABELMAP, CLOSED_SURFACE, labelsOf, layersOf, matchingSegments, newLayer, newSegment


def checkOutput(segmentationNode: slicer.vtkMRMLSegmentationNode, volumeNode: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Whether a result on the volume can go into this segmentation; to be asked before a long job.

    An empty segmentation takes anything. One with segments must lie on the volume's voxels, because Slicer keeps one grid for
    all of them when it saves, and would resample either.

    Raises:
        InputError: it does not.
    """
    segmentation = segmentationNode.GetSegmentation()
    if _isEmpty(segmentation):
        return
    names = {"segmentation": segmentationNode.GetName(), "volume": volumeNode.GetName()}
    if segmentation.GetSourceRepresentationName() != BINARY_LABELMAP:
        message = _('"{segmentation}" is made of surfaces, not voxels: choose a new segmentation for the result.')
        raise InputError(message.format(**names))
    toRAS = ijkToSegmentationRAS(volumeNode, segmentationNode)
    dimensions = volumeNode.GetImageData().GetDimensions()
    if toRAS is None or any(placedVoxels(layer.image, toRAS, dimensions) is None for layer in layersOf(segmentation)):
        message = _(
            'The segments of "{segmentation}" do not lie on the voxels of "{volume}": choose a new segmentation for the result.'
        )
        raise InputError(message.format(**names))


def writeSegmentation(
    segmentationNode: slicer.vtkMRMLSegmentationNode,
    labelmap: LabelMap,
    volumeNode: slicer.vtkMRMLScalarVolumeNode,
    slices: Sequence[int] | None = None,
) -> None:
    """Put a label map of a volume into a segmentation, without resampling.

    An existing segment that is one of the labels (by its codes, else by its name) gets the label's voxels and keeps its ID,
    name, colour and display; labels without one become new segments, empty ones too; other segments stay as they are.

    Args:
        labelmap: on the volume's own grid.
        slices: from the feet; only these are replaced in existing segments. None for all.

    Raises:
        InputError: as `checkOutput`; the label map is not on the volume's grid.
    """
    checkOutput(segmentationNode, volumeNode)
    if labelmap.voxels.shape != volumeNode.GetImageData().GetDimensions()[::-1]:
        message = _('"{name}" has changed since it was segmented: segment it again.')
        raise InputError(message.format(name=volumeNode.GetName()))
    segmentation = segmentationNode.GetSegmentation()
    if _isEmpty(segmentation):
        segmentation.SetSourceRepresentationName(BINARY_LABELMAP)
        # Before the reference geometry: that is stored in the segmentation's own frame, and a parent set later moves it
        segmentationNode.SetAndObserveTransformNodeID(volumeNode.GetTransformNodeID())
    segmentationNode.SetReferenceImageGeometryParameterFromVolumeNode(volumeNode)
    showsSurfaces = segmentation.ContainsRepresentation(CLOSED_SURFACE)
    with slicer.util.NodeModify(segmentationNode):
        _writeSegments(segmentationNode, labelmap, volumeNode, slices)
        if showsSurfaces:
            segmentationNode.CreateClosedSurfaceRepresentation()
    if segmentationNode.GetDisplayNode() is None:
        segmentationNode.CreateDefaultDisplayNodes()
    joinStudy(segmentationNode, volumeNode)


def _writeSegments(
    segmentationNode: slicer.vtkMRMLSegmentationNode,
    labelmap: LabelMap,
    volumeNode: slicer.vtkMRMLScalarVolumeNode,
    slices: Sequence[int] | None,
) -> None:
    segmentation = segmentationNode.GetSegmentation()
    present = labelsOf(segmentation, segmentation.GetSegmentIDs())
    segmentOfLabel = {name: segmentID for segmentID, name in matchingSegments(present, labelmap.labels).items()}
    toRAS = ijkToSegmentationRAS(volumeNode, segmentationNode)
    if slices is None:
        layers = [(newLayer(labelmap.voxels, toRAS), set(labelmap.labels.values))]
    else:
        values = {segmentOfLabel[label.name]: label.value for label in labelmap.labels if label.name in segmentOfLabel}
        layers = mergedLayers(segmentation, values, labelmap, toRAS, slices)
    _takeOutOfLayers(segmentation, segmentOfLabel.values())
    for label in labelmap.labels:
        segmentID = segmentOfLabel.get(label.name)
        segment = segmentation.GetSegment(segmentID) if segmentID else newSegment(label)
        segment.SetLabelValue(label.value)
        segment.AddRepresentation(BINARY_LABELMAP, next(image for image, values in layers if label.value in values))
        if segmentID is None:
            segmentation.AddSegment(segment)
    layers[0][0].Modified()


def _takeOutOfLayers(segmentation: slicer.vtkSegmentation, segmentIDs: Iterable[str]) -> None:
    """Erase segments where they share a layer with others that stay: their value is free for another segment then."""
    leaving = set(segmentIDs)
    for layer in layersOf(segmentation):
        if not leaving.issuperset(layer.segmentIDs):
            for segmentID in leaving.intersection(layer.segmentIDs):
                segmentation.ClearSegment(segmentID)


def _isEmpty(segmentation: slicer.vtkSegmentation) -> bool:
    if segmentation.GetSourceRepresentationName() == BINARY_LABELMAP:
        return not layersOf(segmentation)
    return segmentation.GetNumberOfSegments() == 0


def joinStudy(node: slicer.vtkMRMLNode, volumeNode: slicer.vtkMRMLScalarVolumeNode) -> None:
    """What was made of a volume beside it in the subject hierarchy, unless the user has put it somewhere."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    volumeItem, item = hierarchy.GetItemByDataNode(volumeNode), hierarchy.GetItemByDataNode(node)
    if volumeItem and item and hierarchy.GetItemParent(item) == hierarchy.GetSceneItemID():
        hierarchy.SetItemParent(item, hierarchy.GetItemParent(volumeItem))
