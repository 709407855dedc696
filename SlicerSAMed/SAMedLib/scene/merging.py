"""A label map of some slices and segments that already exist, brought together in as few layers as they need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import slicer

from SAMedCore.image.slices import along_axis, axial_axis
from SAMedCore.image.volume import LabelMap
from SAMedLib.scene.placement import boxOf, placedVoxels
from SAMedLib.scene.segments import Layer, layersOf, newLayer, renumbered


@dataclass
class _Canvas:
    """A layer in the making: voxels (k, j, i) and the values of the segments that it holds."""

    voxels: np.ndarray
    values: set[int] = field(default_factory=set)


def mergedLayers(
    segmentation: slicer.vtkSegmentation,
    valueOfSegment: Mapping[str, int],
    labelmap: LabelMap,
    toRAS: np.ndarray,
    slices: Sequence[int],
) -> list[tuple[slicer.vtkOrientedImageData, set[int]]]:
    """New layers: the chosen slices as in the label map, everything else as the segments have it.

    Segments may reach beyond the label map (drawn on a larger scan) and overlap each other in slices that are not chosen.

    Args:
        valueOfSegment: the label map's value for each existing segment.
        toRAS: (4, 4) from the label map's voxel index to the segmentation's RAS; the segments' voxels coincide with it.
        slices: from the feet.

    Returns:
        Images, each with the values that it holds; what no segment has yet is in the first.
    """
    size = np.array(labelmap.voxels.shape[::-1])
    dtype = np.min_scalar_type(max(labelmap.labels.values))
    layers = layersOf(segmentation, valueOfSegment)
    placed = [placedVoxels(layer.image, toRAS, tuple(size)) for layer in layers]
    first = np.min([[0, 0, 0], *(each.begin for each in placed)], axis=0)
    last = np.max([size, *(each.end for each in placed)], axis=0)
    chosen, inMap = _chosen(labelmap, first, slices), _chosen(labelmap, np.zeros(3, int), slices)
    canvases: list[_Canvas] = []
    for layer, there in zip(layers, placed, strict=True):
        drawn = np.zeros((last - first)[::-1], dtype)
        values = _values(segmentation, layer, valueOfSegment)
        drawn[boxOf(there.begin - first, there.end - first)] = renumbered(there.voxels, values)
        drawn[chosen] = 0
        canvas = next((each for each in canvases if not np.any((each.voxels > 0) & (drawn > 0))), None)
        if canvas is None:
            canvases.append(canvas := _Canvas(drawn))
        else:
            np.copyto(canvas.voxels, drawn, where=drawn > 0)
        canvas.values.update(new for _old, new in values)
    canvases = canvases or [_Canvas(np.zeros((last - first)[::-1], dtype))]
    canvases[0].values = set(labelmap.labels.values).difference(*(canvas.values for canvas in canvases[1:]))
    for canvas in canvases:
        part = canvas.voxels[boxOf(-first, size - first)]  # a view of what the label map covers
        part[inMap] = np.where(np.isin(labelmap.voxels[inMap], list(canvas.values)), labelmap.voxels[inMap], 0)
    return [(newLayer(canvas.voxels, toRAS, first), canvas.values) for canvas in canvases]


def _chosen(labelmap: LabelMap, first: np.ndarray, slices: Sequence[int]) -> tuple:
    """The index of the chosen slices in an array (k, j, i) that begins at the voxel `first` (i, j, k)."""
    axis, _upwards = axial_axis(labelmap.grid)
    index: list = [slice(None)] * 3
    index[2 - axis] = np.array(along_axis(slices, labelmap.grid), int) - first[axis]
    return tuple(index)


def _values(segmentation: slicer.vtkSegmentation, layer: Layer, valueOfSegment: Mapping[str, int]) -> list[tuple[int, int]]:
    """Each segment's value in its layer and in the label map."""
    return [(segmentation.GetSegment(each).GetLabelValue(), valueOfSegment[each]) for each in layer.segmentIDs]
