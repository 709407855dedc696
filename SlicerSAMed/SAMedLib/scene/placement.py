"""Where a volume's voxels lie in a segmentation: both may hang under transforms of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import slicer
import vtk

from SAMedCore.image.grid import SAME_GRID_MM, Grid
from SAMedCore.image.orientation import orientation_of, reorient
from SAMedCore.image.volume import Image
from SAMedLib.scene.segments import voxelsOf
from SAMedLib.scene.volumes import RAS_TO_LPS, ijkToRAS


@dataclass(frozen=True)
class PlacedVoxels:
    """Voxels (k, j, i), and the index (i, j, k) of the first of them on a grid; they may reach beyond it."""

    voxels: np.ndarray
    begin: np.ndarray

    @property
    def end(self) -> np.ndarray:
        """(i, j, k) behind the last voxel."""
        return self.begin + self.voxels.shape[::-1]


def boxOf(begin: np.ndarray, end: np.ndarray) -> tuple[slice, ...]:
    """The part of an array (k, j, i) from the voxel `begin` to before `end`, both (i, j, k)."""
    return tuple(slice(*edges) for edges in zip(begin[::-1], end[::-1], strict=True))


def ijkToSegmentationRAS(
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


def placedVoxels(image: slicer.vtkOrientedImageData, toRAS: np.ndarray, dimensions: Sequence[int]) -> PlacedVoxels | None:
    """A layer's voxels as they lie on a grid; None where they do not coincide with its voxels.

    The layer's axes may run in another order or direction: Slicer turns a left-handed volume round when it loads it, but not
    the segmentation that was drawn on it.

    Args:
        toRAS: (4, 4) from the grid's voxel index to the segmentation's RAS.
        dimensions: of the grid, (i, j, k); that the voxels coincide is checked over its whole length.
    """
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    ofImage = slicer.util.arrayFromVTKMatrix(matrix)
    ofImage[:3, 3] += ofImage[:3, :3] @ image.GetExtent()[::2]
    wanted = orientation_of(Grid((1, 1, 1), RAS_TO_LPS @ toRAS))
    layer = reorient(Image(voxelsOf(image), RAS_TO_LPS @ ofImage), wanted)
    lps = RAS_TO_LPS @ toRAS
    begin = np.rint(np.linalg.solve(lps, layer.ijk_to_lps)[:3, 3]).astype(int)
    shifted = lps.copy()
    shifted[:3, 3] += lps[:3, :3] @ begin
    corners = np.array([[*(np.array(dimensions) * corner), 1] for corner in np.ndindex(2, 2, 2)]).T
    apart = ((shifted - layer.ijk_to_lps) @ corners)[:3]
    return PlacedVoxels(layer.voxels, begin) if np.linalg.norm(apart, axis=0).max() <= SAME_GRID_MM else None
