"""Segments as labels: names, colours and SNOMED CT codes, and the layers that hold the voxels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from SAMedCore.image.labels import Code, Label, LabelTable
from SAMedCore.image.terminology import codes_of, terminology_entry

BINARY_LABELMAP = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
CLOSED_SURFACE = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()


@dataclass(frozen=True)
class Layer:
    """Segments that share one image, each with its own value in it; they cannot overlap."""

    image: slicer.vtkOrientedImageData
    segmentIDs: tuple[str, ...]


def layersOf(segmentation: slicer.vtkSegmentation, segmentIDs: Iterable[str] | None = None) -> list[Layer]:
    """The layers with voxels that hold these segments (None: all), each with those of them that it holds."""
    wanted = list(segmentation.GetSegmentIDs() if segmentIDs is None else segmentIDs)
    layers: dict[int, Layer] = {}
    for segmentID in wanted:
        image = segmentation.GetSegment(segmentID).GetRepresentation(BINARY_LABELMAP)
        if image is not None and not image.IsEmpty():
            known = layers.get(id(image), Layer(image, ()))
            layers[id(image)] = Layer(image, (*known.segmentIDs, segmentID))
    return list(layers.values())


def holdsAnything(segmentation: slicer.vtkSegmentation) -> bool:
    """Whether a segment has any voxel, or there are surfaces; an image stays where everything in it was erased."""
    if segmentation.GetSourceRepresentationName() != BINARY_LABELMAP:
        return segmentation.GetNumberOfSegments() > 0
    return any(voxelsOf(layer.image).any() for layer in layersOf(segmentation))


def voxelsOf(image: slicer.vtkOrientedImageData) -> np.ndarray:
    """A view (k, j, i) of a layer's voxels."""
    return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(image.GetDimensions()[::-1])


def newLayer(voxels: np.ndarray, toRAS: np.ndarray, first: Sequence[int] = (0, 0, 0)) -> slicer.vtkOrientedImageData:
    """An image with a copy of voxels (k, j, i), uint8 or uint16.

    Args:
        toRAS: (4, 4) from voxel index to the segmentation's RAS.
        first: the index (i, j, k) of the first voxel, as `toRAS` counts.
    """
    image = slicer.vtkOrientedImageData()
    image.SetExtent(
        *(edge for start, length in zip(first, voxels.shape[::-1], strict=True) for edge in (start, start + length - 1))
    )
    image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR if voxels.dtype == np.uint8 else vtk.VTK_UNSIGNED_SHORT, 1)
    image.SetGeometryFromImageToWorldMatrix(slicer.util.vtkMatrixFromArray(toRAS))
    voxelsOf(image)[:] = voxels
    return image


def renumbered(voxels: np.ndarray, values: Sequence[tuple[int, int]]) -> np.ndarray:
    """Each old value as the new one beside it, all others as 0."""
    size = max(int(voxels.max(initial=0)), *(old for old, _new in values)) + 1
    table = np.zeros(size, np.min_scalar_type(max(new for _old, new in values)))
    for old, new in values:
        table[old] = new
    return table[voxels]


def newSegment(label: Label) -> slicer.vtkSegment:
    """A segment without voxels with the label's name, colour and codes."""
    segment = slicer.vtkSegment()
    segment.SetName(label.name)
    segment.SetColor(*(channel / 255 for channel in label.rgb))
    segment.SetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), terminology_entry(label))
    return segment


def labelOf(segment: slicer.vtkSegment, value: int) -> Label:
    """The segment's name, colour and codes as a label of this value."""
    entry = vtk.reference("")
    segment.GetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), entry)
    red, green, blue = (round(255 * channel) for channel in segment.GetColor())
    return Label(value, segment.GetName() or "segment", (red, green, blue), *codes_of(str(entry)))


def labelsOf(segmentation: slicer.vtkSegmentation, segmentIDs: Sequence[str]) -> dict[str, Label]:
    """A label for each segment, values from 1 in this order; names that occur twice are numbered."""
    labels: dict[str, Label] = {}
    for value, segmentID in enumerate(segmentIDs, start=1):
        label = labelOf(segmentation.GetSegment(segmentID), value)
        names = [each.name for each in labels.values()]
        labels[segmentID] = replace(label, name=uniqueName(label.name, names))
    return labels


def uniqueName(name: str, taken: Iterable[str]) -> str:
    """The name itself, or "name (2)" and so on where it is taken."""
    taken = set(taken)
    number = 2
    unique = name
    while unique in taken:
        unique, number = f"{name} ({number})", number + 1
    return unique


def matchingSegments(segments: dict[str, Label], labels: LabelTable) -> dict[str, str]:
    """Which segment is which label: by type and modifier, else by name; each segment and label once.

    Args:
        segments: by the segment's ID.

    Returns:
        The label's name by the segment's ID, for those that match.
    """
    matches: dict[str, str] = {}
    for same in (_sameCodes, _sameName):
        for segmentID, segment in segments.items():
            free = (label for label in labels if label.name not in matches.values() and same(segment, label))
            if segmentID not in matches and (label := next(free, None)):
                matches[segmentID] = label.name
    return matches


def _sameCodes(first: Label, second: Label) -> bool:
    return first.type is not None and _codes(first) == _codes(second)


def _sameName(first: Label, second: Label) -> bool:
    return _plain(first.name) == _plain(second.name)


def _codes(label: Label) -> list[tuple[str, str] | None]:
    """Type and modifier without their meanings, which are worded freely."""
    return [code and (code.scheme, code.value) for code in _pair(label)]


def _pair(label: Label) -> tuple[Code | None, Code | None]:
    return label.type, label.modifier


def _plain(name: str) -> str:
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split())
