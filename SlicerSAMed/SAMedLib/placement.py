"""Where a volume's voxels lie in a segmentation: both may hang under transforms of their own."""

from __future__ import annotations

import numpy as np
import slicer
import vtk

from SAMedCore.volume import SAME_GRID_MM
from SAMedLib.volumes import ijkToRAS


def gridInSegmentation(
    volumeNode: slicer.vtkMRMLScalarVolumeNode, segmentationNode: slicer.vtkMRMLSegmentationNode
) -> np.ndarray | None:
    """(4, 4) from the volume's voxel index to the segmentation's own RAS; None where the way there is not linear."""
    volumeParent, segmentationParent = volumeNode.GetParentTransformNode(), segmentationNode.GetParentTransformNode()
    if volumeParent is segmentationParent:
        return ijkToRAS(volumeNode)
    transform, linear = vtk.vtkGeneralTransform(), vtk.vtkTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(volumeParent, segmentationParent, transform)
    if not slicer.vtkMRMLTransformNode.IsGeneralTransformLinear(transform, linear):
        return None
    return slicer.util.arrayFromVTKMatrix(linear.GetMatrix()) @ ijkToRAS(volumeNode)


def offsetOnGrid(image: slicer.vtkOrientedImageData, grid: np.ndarray, dimensions: tuple[int, int, int]) -> np.ndarray | None:
    """By how many voxels (i, j, k) the image's index 0 lies from the grid's; None where their voxels do not coincide.

    Args:
        image: a layer of a segmentation.
        grid: (4, 4) from voxel index to the segmentation's RAS.
        dimensions: of the grid; the voxels are compared over its whole length.
    """
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    imageGrid = slicer.util.arrayFromVTKMatrix(matrix)
    offset = np.rint(np.linalg.solve(grid, imageGrid)[:3, 3])
    shifted = grid.copy()
    shifted[:3, 3] += grid[:3, :3] @ offset
    corners = np.array([[*(np.array(dimensions) * corner), 1] for corner in np.ndindex(2, 2, 2)]).T
    apart = ((shifted - imageGrid) @ corners)[:3]
    return offset.astype(int) if np.linalg.norm(apart, axis=0).max() <= SAME_GRID_MM else None
