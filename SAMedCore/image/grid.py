"""Where the voxels of an image lie in the patient, without any voxel.

Shapes are in (k, j, i) order, as numpy and SimpleITK have arrays; the matrices take (i, j, k) to LPS in mm.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from SAMedCore.errors import InputError

SAME_GRID_MM = 0.01
"""How far two voxels may lie apart and still count as the same: well above what float32 headers (NIfTI) lose."""

LONGEST_SIDE, MOST_VOXELS = 2**13, 2**31
"""Voxels along one axis, and in all: no scanner makes more, and what a header claims beyond it would fill the memory.

A slice of 8,192 pixels in one direction takes 1.7 GB on the way into the network, which sees squares.
"""


@dataclass(frozen=True, eq=False)
class Grid:
    """The places of voxels in the patient; what a volume and its label maps share.

    Attributes:
        shape: voxels along k, j and i, at least one along each.
        ijk_to_lps: (4, 4) float64, from voxel index to LPS in mm.

    Raises:
        InputError: not three dimensions, no voxel or too many; the matrix is not finite, affine and invertible.
    """

    shape: tuple[int, int, int]
    ijk_to_lps: np.ndarray

    def __post_init__(self) -> None:
        if len(self.shape) != 3:
            raise InputError(f"a volume has three dimensions, this one {len(self.shape)}: pass one 3D volume.")
        if 0 in self.shape:
            raise InputError(f"the volume is empty ({_size(self.shape)} voxels): pass one with voxels.")
        if max(self.shape) > LONGEST_SIDE or math.prod(self.shape) > MOST_VOXELS:
            raise InputError(f"the volume is too large ({_size(self.shape)} voxels): crop it, or save it with larger voxels.")
        object.__setattr__(self, "ijk_to_lps", _checked_matrix(self.ijk_to_lps))

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between neighbouring voxels along i, j and k, in mm."""
        i, j, k = (float(length) for length in np.linalg.norm(self.ijk_to_lps[:3, :3], axis=0))
        return i, j, k

    def indices_of(self, points: ArrayLike) -> np.ndarray:
        """(N, 3) float64: the i, j and k at which points (N, LPS in mm) lie, between voxels too."""
        return np.linalg.solve(self.ijk_to_lps[:3, :3], (np.asarray(points) - self.ijk_to_lps[:3, 3]).T).T

    def points_at(self, indices: ArrayLike) -> list[tuple[float, float, float]]:
        """The points (LPS, mm) at these i, j and k."""
        places = np.asarray(indices) @ self.ijk_to_lps[:3, :3].T + self.ijk_to_lps[:3, 3]
        return [(left, posterior, superior) for left, posterior, superior in places.tolist()]

    def __str__(self) -> str:
        """The grid in words for an error message: "4 x 5 x 6 voxels of 1 x 1 x 3 mm from (0, 0, 0)", the place in LPS."""
        spacing = " x ".join(f"{mm:.3g}" for mm in self.spacing_mm)
        place = ", ".join(f"{mm:.6g}" for mm in self.ijk_to_lps[:3, 3])
        return f"{_size(self.shape)} voxels of {spacing} mm from ({place})"


def same_grid(first: Grid, second: Grid) -> bool:
    """Whether both have the same number of voxels along i, j and k, at the same places within `SAME_GRID_MM`."""
    if first.shape != second.shape:
        return False
    last = np.asarray(first.shape[::-1]) - 1
    corners = np.array([[*(last * corner), 1] for corner in np.ndindex(2, 2, 2)]).T
    apart_mm = ((first.ijk_to_lps - second.ijk_to_lps) @ corners)[:3]
    return bool(np.linalg.norm(apart_mm, axis=0).max() <= SAME_GRID_MM)


def _checked_matrix(matrix: np.ndarray) -> np.ndarray:
    checked = np.array(matrix, np.float64)
    if checked.shape != (4, 4) or not np.isfinite(checked).all():
        raise InputError("the volume's IJK-to-LPS matrix is not 4 x 4 finite numbers: repair the file's geometry.")
    lengths = np.linalg.norm(checked[:3, :3], axis=0)
    flat = lengths.min() == 0 or abs(np.linalg.det(checked[:3, :3] / lengths)) < 1e-3
    if flat or not np.array_equal(checked[3], (0, 0, 0, 1)):
        raise InputError("the volume's IJK-to-LPS matrix cannot be inverted: repair the file's spacing and directions.")
    checked.setflags(write=False)
    return checked


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(str(length) for length in reversed(shape))
