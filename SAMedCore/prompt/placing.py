"""Masks of axial slices on a volume's own grid, and from there."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from SAMedCore.image.grid import Grid
from SAMedCore.image.labels import Label, LabelTable
from SAMedCore.image.orientation import turned_view
from SAMedCore.image.placement import placed_on
from SAMedCore.image.slices import part_of_slices
from SAMedCore.image.volume import Image, LabelMap

ORIENTATION = "LPS"
"""In which prompts are answered: masks are (j, i) of its slices, and k counts from the feet."""


def labelmap_of_slices(grid: Grid, masks: Mapping[int, np.ndarray], label: Label) -> LabelMap:
    """One structure's masks on a volume's own grid.

    Args:
        grid: the volume's, in any orientation.
        masks: slice from the feet -> (j, i) bool in the orientation LPS.
        label: the structure's.

    Returns:
        The label map on exactly this grid, 0 on the other slices.
    """
    painted = Image(np.zeros(grid.shape, value_dtype(label.value)), grid.ijk_to_lps)
    turned = turned_view(painted, ORIENTATION).voxels
    for k, mask in masks.items():
        turned[k][mask] = label.value
    return LabelMap(painted.voxels, grid.ijk_to_lps, LabelTable((label,)))


def one_slice(grid: Grid, k: int, mask: np.ndarray, label: Label) -> LabelMap:
    """One structure's mask on one slice, as a label map of that slice alone.

    Args:
        grid: the volume's, in any orientation.
        k: the slice, from the feet.
        mask: (j, i) bool in the orientation LPS.
        label: the structure's.

    Returns:
        The label map on a part of the grid, in its own axis order and one slice thick; its matrix is that of the part.
    """
    return labelmap_of_slices(_slice_grid(grid, k), {0: mask}, label)


def slice_of_labelmap(labelmap: LabelMap, grid: Grid, k: int, value: int) -> np.ndarray:
    """The mask of one value on one slice of a volume.

    Args:
        labelmap: on the volume's grid or a part of it.
        grid: the volume's, in any orientation.
        k: the slice, from the feet.
        value: of the structure.

    Returns:
        (j, i) bool in the orientation LPS.

    Raises:
        InputError: the label map's voxels do not coincide with the volume's.
    """
    placed = placed_on(labelmap, _slice_grid(grid, k))
    return turned_view(placed, ORIENTATION).voxels[0] == value


def _slice_grid(grid: Grid, k: int) -> Grid:
    part = part_of_slices(grid, ORIENTATION, k, k)
    start = [each.start for each in reversed(part)]
    matrix = grid.ijk_to_lps.copy()
    matrix[:3, 3] += matrix[:3, :3] @ start
    depth, rows, columns = (each.stop - each.start for each in part)
    return Grid((depth, rows, columns), matrix)


def value_dtype(highest: int) -> type[np.unsignedinteger]:
    """The dtype of a label map whose highest value this is."""
    return np.uint8 if highest <= 255 else np.uint16
