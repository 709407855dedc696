"""Label maps that cover a part of a grid, or more than it, brought onto one grid without resampling."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from SAMedCore.errors import InputError
from SAMedCore.image.grid import Grid, same_grid
from SAMedCore.image.orientation import orientation_of, reorient
from SAMedCore.image.volume import LabelMap


def placed_on(labelmap: LabelMap, grid: Grid) -> LabelMap:
    """A label map stored on a part of a volume's grid, or in another axis order, on the whole grid.

    Slicer may save a segmentation cropped to what is drawn, and many programs leave empty slices out of a DICOM SEG.

    Returns:
        The label map on exactly this grid, 0 where it had no voxel. No voxel is resampled.

    Raises:
        InputError: its voxels do not coincide with voxels of the grid.
    """
    moved = reorient(labelmap, orientation_of(grid))
    start = _start(moved.grid, grid)
    if not same_grid(moved.grid, Grid(moved.grid.shape, _from(grid.ijk_to_lps, start))):
        raise InputError("the label map's voxels do not coincide with the volume's: export it on the volume's own grid.")
    voxels = np.zeros(grid.shape, labelmap.voxels.dtype)
    target, origin = [], []
    for first, length, room in zip(start[::-1], moved.voxels.shape, voxels.shape, strict=True):
        begin, end = max(first, 0), max(min(first + length, room), 0)
        target.append(slice(begin, max(begin, end)))
        origin.append(slice(begin - first, max(begin, end) - first))
    voxels[tuple(target)] = moved.voxels[tuple(origin)]
    return replace(labelmap, voxels=voxels, ijk_to_lps=grid.ijk_to_lps)


def on_common_extent(first: LabelMap, second: LabelMap) -> tuple[LabelMap, LabelMap]:
    """Both label maps on the smallest grid that holds the voxels of both; nothing is cut off and no voxel resampled.

    Raises:
        InputError: their voxels do not coincide.
    """
    second = reorient(second, orientation_of(first.grid))
    begin = _start(second.grid, first.grid)
    start = np.minimum(begin, 0)
    end = np.maximum(begin + second.voxels.shape[::-1], first.voxels.shape[::-1])
    k, j, i = (int(length) for length in (end - start)[::-1])
    extent = Grid((k, j, i), _from(first.ijk_to_lps, start))
    placed = placed_on(second, extent)
    return placed_on(first, extent), placed


def _start(part: Grid, whole: Grid) -> np.ndarray:
    """(3,) int: the voxel i, j, k of `whole` that is nearest to the first one of `part`, inside or outside."""
    return np.rint(np.linalg.solve(whole.ijk_to_lps, part.ijk_to_lps)[:3, 3]).astype(int)


def _from(ijk_to_lps: np.ndarray, start: np.ndarray) -> np.ndarray:
    """The matrix of a grid that begins at the voxel `start` (i, j, k) of another one."""
    matrix = ijk_to_lps.copy()
    matrix[:3, 3] += matrix[:3, :3] @ start
    return matrix
