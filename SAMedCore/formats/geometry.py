"""SimpleITK's origin, spacing and directions as one matrix, and back."""

from __future__ import annotations

import numpy as np
import SimpleITK


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


def is_sheared(ijk_to_lps: np.ndarray) -> bool:
    """Whether the axes are not perpendicular to each other, as in series taken with a tilted gantry."""
    directions = ijk_to_lps[:3, :3] / np.linalg.norm(ijk_to_lps[:3, :3], axis=0)
    return not np.allclose(directions.T @ directions, np.eye(3), atol=1e-4)
