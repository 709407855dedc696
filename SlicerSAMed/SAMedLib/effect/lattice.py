"""Voxels between a volume's grid and a segmentation's own: the editor takes no others than those of its reference geometry."""

from __future__ import annotations

import numpy as np
import slicer
import vtk

from SAMedCore.image.grid import SAME_GRID_MM
from SAMedLib.scene.segments import newLayer, voxelsOf
from SAMedLib.scene.volumes import ijkToRAS


def onVolume(
    segmentationNode: slicer.vtkMRMLSegmentationNode,
    segmentID: str,
    volumeNode: slicer.vtkMRMLScalarVolumeNode,
    part: tuple[slice, ...],
) -> np.ndarray:
    """(k, j, i) bool: where the segment is in a part of the volume's grid; other grids and transforms by the nearest voxel.

    Args:
        part: of an array (k, j, i) on the volume's grid, with a start and a stop for each.
    """
    wanted = np.zeros([each.stop - each.start for each in part], bool)
    segment = segmentationNode.GetSegmentation().GetSegment(segmentID)
    image = segment.GetRepresentation(slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName())
    if image is None or image.IsEmpty():
        return wanted
    target = _emptyImage(ijkToRAS(volumeNode), part)
    found = _moved(image, target, segmentationNode.GetParentTransformNode(), volumeNode.GetParentTransformNode())
    if found is not None:
        voxels, (k, j, i) = found
        wanted[k, j, i] = voxels == segment.GetLabelValue()
    return wanted


def reachOf(
    segmentationNode: slicer.vtkMRMLSegmentationNode,
    segmentID: str,
    volumeNode: slicer.vtkMRMLScalarVolumeNode,
    part: tuple[slice, ...],
) -> tuple[slice, ...] | None:
    """Where in a part of the volume's grid the segment can be, counted from the part's begin; None where it is not in it.

    Its image may hold other segments too, so that this is a bound.
    """
    segment = segmentationNode.GetSegmentation().GetSegment(segmentID)
    image = segment.GetRepresentation(slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName())
    if image is None or image.IsEmpty():
        return None
    target = _emptyImage(ijkToRAS(volumeNode), part)
    source, parent = segmentationNode.GetParentTransformNode(), volumeNode.GetParentTransformNode()
    edges = _reached(image, target, _indexToIndex(image, target, source, parent))[::-1]
    if np.any(edges[:, 0] > edges[:, 1]):
        return None
    return tuple(
        slice(int(low - each.start), int(high + 1 - each.start)) for (low, high), each in zip(edges, part, strict=True)
    )


def onSegmentation(
    voxels: np.ndarray,
    first: np.ndarray,
    volumeNode: slicer.vtkMRMLScalarVolumeNode,
    segmentationNode: slicer.vtkMRMLSegmentationNode,
    geometry: slicer.vtkOrientedImageData,
) -> slicer.vtkOrientedImageData | None:
    """Voxels of the volume's grid as an image on the editor's reference geometry; None where none of them lies there.

    Args:
        voxels: (k, j, i) uint8.
        first: (i, j, k) of the first of them on the volume's grid.
        geometry: the editor's reference geometry.
    """
    # A single slice would lie on the edge of what is resampled.
    padded = np.pad(voxels, 1)
    image = newLayer(padded, ijkToRAS(volumeNode), first - 1)
    found = _moved(image, geometry, volumeNode.GetParentTransformNode(), segmentationNode.GetParentTransformNode())
    if found is None:
        return None
    placed, part = found
    extent = geometry.GetExtent()
    begin = [extent[2 * axis] + part[2 - axis].start for axis in range(3)]
    return newLayer(np.ascontiguousarray(placed), _matrixOf(geometry), begin)


def _moved(
    image: slicer.vtkOrientedImageData,
    target: slicer.vtkOrientedImageData,
    source,
    parent,
) -> tuple[np.ndarray, tuple[slice, ...]] | None:
    """An image's voxels on a target's lattice: those that lie in its extent, and where in it; None where there are none.

    Args:
        source, parent: transform nodes, or None, under which image and target lie.
    """
    toTarget = _indexToIndex(image, target, source, parent)
    exact = None if toTarget is None else _exactly(image, target, toTarget)
    if exact is not None:
        return _clipped(*exact, target)
    edges = _reached(image, target, toTarget)
    if np.any(edges[:, 0] > edges[:, 1]):
        return None
    reference = slicer.vtkOrientedImageData()
    reference.SetExtent(edges.ravel().tolist())
    reference.SetGeometryFromImageToWorldMatrix(slicer.util.vtkMatrixFromArray(_matrixOf(target)))
    transform, result = _between(source, parent), slicer.vtkOrientedImageData()
    slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage(
        image, reference, result, False, False, transform
    )
    return _clipped(voxelsOf(result), np.array(result.GetExtent()[::2]), target)


def _clipped(
    voxels: np.ndarray, begin: np.ndarray, target: slicer.vtkOrientedImageData
) -> tuple[np.ndarray, tuple[slice, ...]] | None:
    """What of voxels (k, j, i) that begin at an index (i, j, k) lies in the target's extent."""
    extent = np.array(target.GetExtent())
    low = np.maximum(begin, extent[::2])
    high = np.minimum(begin + voxels.shape[::-1], extent[1::2] + 1)
    if np.any(low >= high):
        return None
    inVoxels = tuple(slice(*edges) for edges in zip((low - begin)[::-1], (high - begin)[::-1], strict=True))
    inTarget = tuple(slice(*edges) for edges in zip((low - extent[::2])[::-1], (high - extent[::2])[::-1], strict=True))
    return voxels[inVoxels], inTarget


def _exactly(
    image: slicer.vtkOrientedImageData, target: slicer.vtkOrientedImageData, toTarget: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """The voxels in the target's order of axes and the index of the first, where each is one of the target's; else None."""
    whole = np.rint(toTarget)
    axes = np.abs(whole[:3, :3])
    if not (np.all(axes.sum(axis=0) == 1) and np.all(axes.sum(axis=1) == 1)):
        return None
    extent = np.array(image.GetExtent()).reshape(3, 2)
    corners = np.array([[*(extent[axis, side] for axis, side in enumerate(sides)), 1] for sides in np.ndindex(2, 2, 2)]).T
    apart = _matrixOf(target)[:3, :3] @ ((toTarget - whole) @ corners)[:3]
    if np.linalg.norm(apart, axis=0).max() > SAME_GRID_MM:
        return None
    fromAxis = [int(np.argmax(row)) for row in axes]
    voxels = voxelsOf(image).transpose(2, 1, 0).transpose(fromAxis)
    flips = tuple(slice(None, None, -1 if whole[axis, fromAxis[axis]] < 0 else 1) for axis in range(3))
    begin = (whole @ corners)[:3].min(axis=1).astype(int)
    return voxels[flips].transpose(2, 1, 0), begin


def _reached(
    image: slicer.vtkOrientedImageData, target: slicer.vtkOrientedImageData, toTarget: np.ndarray | None
) -> np.ndarray:
    """(3, 2) the target's extent, narrowed to what a linear transform brings the image to; empty where lows exceed highs."""
    extent = np.array(target.GetExtent()).reshape(3, 2)
    if toTarget is not None:
        ends = np.array(image.GetExtent()).reshape(3, 2)
        corners = np.array([[*(ends[axis, side] for axis, side in enumerate(sides)), 1] for sides in np.ndindex(2, 2, 2)]).T
        reached = (toTarget @ corners)[:3]
        extent[:, 0] = np.maximum(extent[:, 0], np.floor(reached.min(axis=1)).astype(int) - 1)
        extent[:, 1] = np.minimum(extent[:, 1], np.ceil(reached.max(axis=1)).astype(int) + 1)
    return extent


def _indexToIndex(image, target, source, parent) -> np.ndarray | None:
    """(4, 4) from the image's voxel index to the target's; None where the way there is not linear."""
    linear = vtk.vtkTransform()
    if source is not parent and not slicer.vtkMRMLTransformNode.IsGeneralTransformLinear(_between(source, parent), linear):
        return None
    between = slicer.util.arrayFromVTKMatrix(linear.GetMatrix())
    return np.linalg.inv(_matrixOf(target)) @ between @ _matrixOf(image)


def _between(source, parent) -> vtk.vtkGeneralTransform:
    transform = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(source, parent, transform)
    return transform


def _emptyImage(toRAS: np.ndarray, part: tuple[slice, ...]) -> slicer.vtkOrientedImageData:
    """The geometry of a part (k, j, i) of a grid, without voxels."""
    image = slicer.vtkOrientedImageData()
    image.SetExtent([edge for each in part[::-1] for edge in (each.start, each.stop - 1)])
    image.SetGeometryFromImageToWorldMatrix(slicer.util.vtkMatrixFromArray(toRAS))
    return image


def _matrixOf(image: slicer.vtkOrientedImageData) -> np.ndarray:
    """(4, 4) from the image's voxel index to its world."""
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)
