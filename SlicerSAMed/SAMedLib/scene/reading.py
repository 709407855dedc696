"""What people have drawn: segments as a label map on a CT's own grid, to learn from or to complete."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from SAMedCore.errors import InputError
from SAMedCore.image.labels import Label, LabelTable
from SAMedCore.image.slices import along_axis, axial_axis
from SAMedCore.image.volume import LabelMap
from SAMedLib.scene.placement import boxOf, ijkToSegmentationRAS, placedVoxels
from SAMedLib.scene.segments import BINARY_LABELMAP, Layer, labelsOf, layersOf, renumbered, voxelsOf
from SAMedLib.scene.volumes import ijkToLPS, readVolume

REFERENCE_VOLUME = slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole()


@dataclass(frozen=True)
class Annotation:
    """Segments on a volume's grid.

    Attributes:
        labelmap: on the volume's own grid, with a label for each segment that has voxels there.
        slices: the axial ones that hold any of them, from the feet.
        empty: names of the segments left out because they have no voxels there.
    """

    labelmap: LabelMap
    slices: tuple[int, ...]
    empty: tuple[str, ...]


@dataclass(frozen=True)
class Pair:
    """A volume and the segmentation that was drawn on it."""

    volumeNode: slicer.vtkMRMLScalarVolumeNode
    segmentationNode: slicer.vtkMRMLSegmentationNode


def pairsInScene() -> list[Pair]:
    """Every segmentation of the scene with segments whose reference volume is there."""
    pairs = []
    for segmentationNode in slicer.util.getNodesByClass("vtkMRMLSegmentationNode"):
        volumeNode = segmentationNode.GetNodeReference(REFERENCE_VOLUME)
        if volumeNode is not None and segmentationNode.GetSegmentation().GetNumberOfSegments() > 0:
            pairs.append(Pair(volumeNode, segmentationNode))
    return pairs


def readAnnotation(
    segmentationNode: slicer.vtkMRMLSegmentationNode,
    volumeNode: slicer.vtkMRMLScalarVolumeNode,
    labelOfSegment: Mapping[str, Label] | None = None,
) -> Annotation:
    """The segments as a label map on the volume's own grid.

    Voxels that coincide with the volume's are taken as they are; others (another grid, another transform, surfaces) go through
    Slicer's own export, which takes the nearest. Where surfaces touch, the later one gets the voxels that both claim.

    Args:
        labelOfSegment: by segment ID, the segments to read and what they are; segments of the same label are united.
            None for all of them, each as it is called, values from 1.

    Raises:
        InputError: no segment has voxels on the volume; two different labels share a voxel; as `readVolume`.
    """
    readVolume(volumeNode)
    if segmentationNode is None or segmentationNode.GetSegmentation().GetNumberOfSegments() == 0 or labelOfSegment == {}:
        raise InputError(_("No segments are chosen: choose a segmentation and those of its segments that were drawn."))
    if labelOfSegment is None:
        labelOfSegment = labelsOf(segmentationNode.GetSegmentation(), segmentationNode.GetSegmentation().GetSegmentIDs())
    source = _withVoxels(segmentationNode, volumeNode)
    try:
        voxels, found = _mergedLayers(source, volumeNode, labelOfSegment, laterWins=source is not segmentationNode)
    finally:
        if source is not segmentationNode:
            slicer.mrmlScene.RemoveNode(source)
    labels = {label.value: label for label in labelOfSegment.values()}
    drawnLabels = LabelTable(tuple(label for value, label in labels.items() if value in found))
    if not drawnLabels:
        message = _(
            'No chosen segment of "{segmentation}" has voxels on "{volume}": draw some, or choose the scan it belongs to.'
        )
        raise InputError(message.format(segmentation=segmentationNode.GetName(), volume=volumeNode.GetName()))
    labelmap = LabelMap(voxels, ijkToLPS(volumeNode), drawnLabels)
    empty = tuple(label.name for value, label in labels.items() if value not in found)
    return Annotation(labelmap, annotatedSlices(labelmap), empty)


def annotatedSlices(labelmap: LabelMap) -> tuple[int, ...]:
    """The axial slices with any label, from the feet."""
    axis, _upwards = axial_axis(labelmap.grid)
    others = tuple(each for each in range(3) if each != 2 - axis)
    present = np.flatnonzero(labelmap.voxels.any(axis=others)).tolist()
    return tuple(sorted(along_axis(present, labelmap.grid)))


def _withVoxels(
    segmentationNode: slicer.vtkMRMLSegmentationNode, volumeNode: slicer.vtkMRMLScalarVolumeNode
) -> slicer.vtkMRMLSegmentationNode:
    """The node itself where its segments are voxels, else a copy whose surfaces are filled on the volume's grid."""
    if segmentationNode.GetSegmentation().GetSourceRepresentationName() == BINARY_LABELMAP:
        return segmentationNode
    copy = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", segmentationNode.GetName())
    copy.SetHideFromEditors(True)
    copy.GetSegmentation().DeepCopy(segmentationNode.GetSegmentation())
    copy.SetAndObserveTransformNodeID(segmentationNode.GetTransformNodeID())
    copy.SetReferenceImageGeometryParameterFromVolumeNode(volumeNode)
    if not copy.CreateBinaryLabelmapRepresentation():
        slicer.mrmlScene.RemoveNode(copy)
        message = _('The segments of "{name}" cannot be turned into voxels: do so in Slicer\'s Segmentations module.')
        raise InputError(message.format(name=segmentationNode.GetName()))
    return copy


def _mergedLayers(
    segmentationNode: slicer.vtkMRMLSegmentationNode,
    volumeNode: slicer.vtkMRMLScalarVolumeNode,
    labelOfSegment: Mapping[str, Label],
    laterWins: bool,
) -> tuple[np.ndarray, set[int]]:
    """The labels' values on the volume's grid, and those of them that occur there."""
    highest = max(label.value for label in labelOfSegment.values())
    voxels = np.zeros(volumeNode.GetImageData().GetDimensions()[::-1], np.min_scalar_type(highest))
    found = np.zeros(highest + 1, bool)
    for layer in layersOf(segmentationNode.GetSegmentation(), labelOfSegment):
        box, drawn = _onVolume(layer, segmentationNode, volumeNode, labelOfSegment)
        if not found[1:].any():
            voxels[box] = drawn
        else:
            if not laterWins:
                _checkOverlap(voxels[box], drawn, labelOfSegment, segmentationNode.GetName())
            np.copyto(voxels[box], drawn, where=drawn > 0)
        found[drawn] = True
    return voxels, set(np.flatnonzero(found).tolist())


def _onVolume(
    layer: Layer,
    segmentationNode: slicer.vtkMRMLSegmentationNode,
    volumeNode: slicer.vtkMRMLScalarVolumeNode,
    labelOfSegment: Mapping[str, Label],
) -> tuple[tuple[slice, ...], np.ndarray]:
    """What part of the volume the layer covers, as slices of k, j and i, and its labels' values there."""
    dimensions = volumeNode.GetImageData().GetDimensions()
    toRAS = ijkToSegmentationRAS(volumeNode, segmentationNode)
    placed = None if toRAS is None else placedVoxels(layer.image, toRAS, dimensions)
    segments = [(segmentationNode.GetSegmentation().GetSegment(each), labelOfSegment[each]) for each in layer.segmentIDs]
    if placed is None:
        values = [(number, label.value) for number, (_segment, label) in enumerate(segments, start=1)]
        return (slice(None),) * 3, renumbered(_exported(layer, segmentationNode, volumeNode), values)
    values = [(segment.GetLabelValue(), label.value) for segment, label in segments]
    start, end = np.clip(placed.begin, 0, dimensions), np.clip(placed.end, 0, dimensions)
    inLayer = boxOf(start - placed.begin, end - placed.begin)
    return boxOf(start, end), renumbered(placed.voxels[inLayer], values)


def _exported(
    layer: Layer, segmentationNode: slicer.vtkMRMLSegmentationNode, volumeNode: slicer.vtkMRMLScalarVolumeNode
) -> np.ndarray:
    """The layer's segments on the volume's grid by Slicer's export, numbered from 1."""
    merged, ids = slicer.vtkOrientedImageData(), vtk.vtkStringArray()
    for segmentID in layer.segmentIDs:
        ids.InsertNextValue(segmentID)
    slicer.modules.segmentations.logic().GenerateMergedLabelmapInReferenceGeometry(
        segmentationNode, volumeNode, ids, slicer.vtkSegmentation.EXTENT_REFERENCE_GEOMETRY, merged
    )
    return voxelsOf(merged)


def _checkOverlap(present: np.ndarray, drawn: np.ndarray, labelOfSegment: Mapping[str, Label], name: str) -> None:
    """Raise the user's sentence where a layer would overwrite another label."""
    both = (present > 0) & (drawn > 0) & (present != drawn)
    count = int(np.count_nonzero(both))
    if not count:
        return
    first = np.unravel_index(np.argmax(both), both.shape)
    names = {label.value: label.name for label in labelOfSegment.values()}
    message = _(
        'In "{segmentation}", {first} and {second} overlap ({count} voxels): leave one of them out, or erase the overlap.'
    )
    raise InputError(
        message.format(segmentation=name, first=names[int(present[first])], second=names[int(drawn[first])], count=count)
    )
