"""SimpleITK's origin, spacing and directions as one matrix, and back."""

from __future__ import annotations

import numpy as np
import SimpleITK

from SAMedCore.image.grid import SAME_GRID_MM

# What matters of ITK's warnings is raised as one sentence; the rest would stand between the user and the progress bar.
SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)


def ijk_to_lps_of(image: SimpleITK.Image) -> np.ndarray:
    """The (4, 4) matrix from voxel index to LPS in mm of the first three dimensions of an image."""
    dimensions = image.GetDimension()
    matrix = np.eye(4)
    directions = np.reshape(image.GetDirection(), (dimensions, dimensions))[:3, :3]
    matrix[:3, :3] = directions * np.asarray(image.GetSpacing()[:3])
    matrix[:3, 3] = image.GetOrigin()[:3]
    return matrix


def sitk_image(voxels: np.ndarray, ijk_to_lps: np.ndarray) -> SimpleITK.Image:
    """A SimpleITK image of (k, j, i) voxels, or of (k, j, i, c) with c values a voxel, in its place."""
    image = SimpleITK.GetImageFromArray(voxels, isVector=voxels.ndim == 4)
    spacing_mm = np.linalg.norm(ijk_to_lps[:3, :3], axis=0)
    image.SetSpacing(spacing_mm.tolist())
    image.SetDirection((ijk_to_lps[:3, :3] / spacing_mm).ravel().tolist())
    image.SetOrigin(ijk_to_lps[:3, 3].tolist())
    return image


def is_sheared(ijk_to_lps: np.ndarray, shape: tuple[int, ...]) -> bool:
    """Whether the axes are so far from perpendicular, as with a tilted gantry, that straightening them moves voxels.

    Args:
        ijk_to_lps: (4, 4), from voxel index to LPS in mm.
        shape: (k, j, i) of the voxels; the farthest of them decides.
    """
    spacing_mm = np.linalg.norm(ijk_to_lps[:3, :3], axis=0)
    # The nearest perpendicular axes, which is what NIfTI's quaternion can hold: the polar factor.
    rotation, _, axes = np.linalg.svd(ijk_to_lps[:3, :3] / spacing_mm)
    straightened = rotation @ axes * spacing_mm
    moved_mm = np.abs(ijk_to_lps[:3, :3] - straightened) @ (np.asarray(shape[2::-1]) - 1)
    return bool(np.linalg.norm(moved_mm) > SAME_GRID_MM)
