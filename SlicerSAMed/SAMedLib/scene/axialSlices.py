"""One volume's axial slices as a person sees them: from a place in the world to a voxel of a slice, and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from SAMedCore.image.prompts import Point
from SAMedCore.image.slices import along_axis, axial_axis, axial_count
from SAMedLib.scene.volumes import RAS_TO_LPS, ijkToRAS, isUnchanged, readVolume, stateOf


class AxialSlices:
    """The axial slices of a volume node, its voxels as they are when this is made; a transform may move it afterwards.

    Voxel indices are (i, j, k) of the volume's own grid, floats, whole in the middle of voxels; slice numbers count from the
    feet; points are LPS in mm, the parent transform left aside, as the worker takes them.

    Attributes:
        volumeNode: of these slices.
        count: of them.

    Raises:
        InputError: as `readVolume`.
    """

    def __init__(self, volumeNode: slicer.vtkMRMLScalarVolumeNode) -> None:
        grid = readVolume(volumeNode).grid
        self.volumeNode = volumeNode
        self.count = axial_count(grid)
        self._grid = grid
        self._state = stateOf(volumeNode)
        self._axis, _upwards = axial_axis(grid)
        self._ijkToRAS = ijkToRAS(volumeNode)

    @property
    def isUnchanged(self) -> bool:
        """Whether the volume is still in the scene, with the same voxels in the same place under its transform."""
        return isUnchanged(self._state)

    def indexAt(self, world: Iterable[float]) -> np.ndarray:
        """(3,) the voxel index at a place (3,) of the world, in RAS; it may lie beyond the volume."""
        (local,) = _transformed(np.array([[*world]]), None, self.volumeNode.GetParentTransformNode())
        return (np.linalg.inv(self._ijkToRAS) @ [*local, 1.0])[:3]

    def numberAt(self, index: np.ndarray) -> int | None:
        """The slice that a voxel index lies on; None beyond the volume."""
        along = round(float(index[self._axis]))
        return along_axis([along], self._grid)[0] if 0 <= along < self.count else None

    def holds(self, index: np.ndarray) -> bool:
        """Whether a voxel index lies in the volume."""
        return bool(np.all(index >= -0.5) and np.all(index <= np.array(self._grid.shape[::-1]) - 0.5))

    def onSlice(self, index: np.ndarray, k: int) -> np.ndarray:
        """(3,) the place on the slice `k` nearest to a voxel index."""
        moved = np.clip(index, -0.5, np.array(self._grid.shape[::-1]) - 0.5)
        (moved[self._axis],) = along_axis([k], self._grid)
        return moved

    def point(self, index: np.ndarray) -> Point:
        """A voxel index as a point in LPS."""
        left, posterior, superior = (RAS_TO_LPS @ self._ijkToRAS @ [*index, 1.0])[:3].tolist()
        return left, posterior, superior

    def index(self, point: Point) -> np.ndarray:
        """(3,) the voxel index of a point in LPS."""
        return np.linalg.solve(RAS_TO_LPS @ self._ijkToRAS, [*point, 1.0])[:3]

    def world(self, indices: np.ndarray) -> np.ndarray:
        """(n, 3) voxel indices as places of the world, in RAS, under the transforms that there are now."""
        local = indices @ self._ijkToRAS[:3, :3].T + self._ijkToRAS[:3, 3]
        return _transformed(local, self.volumeNode.GetParentTransformNode(), None)

    def rectangle(self, first: np.ndarray, opposite: np.ndarray) -> np.ndarray:
        """(4, 3) the corners, in turn, of the rectangle along rows and columns with these opposite corners, voxel indices."""
        across, down = self.inPlaneAxes
        corners = np.array([first, first, opposite, opposite])
        corners[1, across], corners[3, across] = opposite[across], first[across]
        corners[:, down] = first[down], first[down], opposite[down], opposite[down]
        return corners

    @property
    def inPlaneAxes(self) -> tuple[int, int]:
        """Which two of i, j, k (0, 1, 2) run within a slice."""
        across, down = (axis for axis in range(3) if axis != self._axis)
        return across, down

    def flat(self, voxels: np.ndarray) -> np.ndarray:
        """One slice (k, j, i), one voxel thick, as (rows, columns) along the second and the first of `inPlaneAxes`."""
        return voxels.squeeze(axis=2 - self._axis)

    def part(self, slices: Sequence[int]) -> tuple[slice, ...]:
        """Where the slices lie in an array (k, j, i) on the volume's grid: from the lowest to the highest of them."""
        chosen = [slice(0, length) for length in self._grid.shape]
        along = along_axis((min(slices), max(slices)), self._grid)
        chosen[2 - self._axis] = slice(min(along), max(along) + 1)
        return tuple(chosen)

    def among(self, slices: Sequence[int], within: Sequence[int]) -> np.ndarray:
        """Bool, to be combined with an array of `part(within)`: True on these slices alone."""
        along, others = along_axis(slices, self._grid), along_axis(within, self._grid)
        present = np.zeros(max(others) - min(others) + 1, bool)
        present[np.array(along) - min(others)] = True
        return np.expand_dims(present, tuple(axis for axis in range(3) if axis != 2 - self._axis))

    def holding(self, voxels: np.ndarray) -> set[int]:
        """The slices on which any voxel of an array (k, j, i) on the volume's grid is True."""
        others = tuple(axis for axis in range(3) if axis != 2 - self._axis)
        return set(along_axis(np.flatnonzero(voxels.any(axis=others)).tolist(), self._grid))


def _transformed(points: np.ndarray, source, target) -> np.ndarray:
    """Points (n, 3) under the transform node `source` as they read under `target`; None stands for the world."""
    if source is target:
        return points
    transform = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(source, target, transform)
    before, after = vtk.vtkPoints(), vtk.vtkPoints()
    before.SetDataTypeToDouble()
    after.SetDataTypeToDouble()
    before.SetData(numpy_to_vtk(np.ascontiguousarray(points, np.float64)))
    transform.TransformPoints(before, after)
    return vtk_to_numpy(after.GetData()).copy()
