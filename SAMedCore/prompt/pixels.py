"""A slice's own pixels and the isotropic ones on which prompts are answered: from one to the other.

The network's input brings the longer side of a slice to its size without regard to spacing, so that what it sees of anisotropic
pixels is squashed, and it has learnt anatomy that is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

ALIKE = 1.05
"""Spacings along rows and columns that differ by a smaller factor are taken as equal."""

LONGEST = 1024
"""No side becomes longer, whatever the spacing, unless the slice has such a side: more than any of the networks takes in."""


@dataclass(frozen=True)
class SlicePixels:
    """The two pixel lattices of a slice, of which the first and the last pixel centres of rows and columns coincide.

    Along the axis of the coarser spacing the isotropic one has as many more pixels as the finer spacing asks for. Where the
    spacings are alike both lattices are one, and everything below gives back what it was given.

    Attributes:
        shape: rows and columns of the scan's own pixels.
        spacing_mm: their spacing along j and i.
    """

    shape: tuple[int, int]
    spacing_mm: tuple[float, float]

    @cached_property
    def isotropic_shape(self) -> tuple[int, int]:
        """Rows and columns of the isotropic pixels."""
        fine_mm = min(self.spacing_mm)
        if max(self.spacing_mm) < ALIKE * fine_mm:
            return self.shape
        longest = max(LONGEST, *self.shape)
        steps = [(size - 1) * each_mm / fine_mm for size, each_mm in zip(self.shape, self.spacing_mm, strict=True)]
        return min(longest, round(steps[0]) + 1), min(longest, round(steps[1]) + 1)

    @property
    def isotropic_spacing_mm(self) -> tuple[float, float]:
        """Along j and i; equal but for the rounding of the shape, for alike spacings and at `LONGEST`."""
        return self.spacing_mm[0] / self._scales[0], self.spacing_mm[1] / self._scales[1]

    def isotropic_places(self, places: np.ndarray) -> np.ndarray:
        """(N, 2) x y in the scan's own pixels as x y in isotropic ones, not rounded; the centres are whole numbers."""
        return places * self._scales[::-1]

    def isotropic_image(self, image: np.ndarray) -> np.ndarray:
        """(j, i) float32 in [0, 1] on the scan's own pixels to isotropic ones, by cubic splines."""
        if self.isotropic_shape == self.shape:
            return image
        rows, columns = (_splines(*sizes) for sizes in zip(self.shape, self.isotropic_shape, strict=True))
        return np.clip(rows @ image @ columns.T, 0, 1)

    def isotropic_mask(self, mask: np.ndarray) -> np.ndarray:
        """(j, i) bool on the scan's own pixels to isotropic ones, each as the nearest; `own_pixels` gives exactly `mask` back."""
        rows, columns = (
            np.rint(np.arange(size) / scale).astype(int) for size, scale in zip(self.isotropic_shape, self._scales, strict=True)
        )
        return mask[rows[:, None], columns]

    def own_pixels(self, values: np.ndarray) -> np.ndarray:
        """(j, i) on isotropic pixels to the scan's own, each from the one at its centre."""
        rows, columns = (
            np.rint(np.arange(size) * scale).astype(int) for size, scale in zip(self.shape, self._scales, strict=True)
        )
        return values[rows[:, None], columns]

    @cached_property
    def _scales(self) -> tuple[float, float]:
        """Isotropic pixels for each of the scan's own along j and i, at least 1: what makes the way there and back exact."""
        rows, columns = (
            (more - 1) / (size - 1) if size > 1 else 1.0 for size, more in zip(self.shape, self.isotropic_shape, strict=True)
        )
        return rows, columns


@lru_cache(maxsize=16)
def _splines(size_in: int, size_out: int) -> np.ndarray:
    """The (size_out, size_in) float32 matrix of `resizing.spline_matrix`, whose last pixel no rounding pushes outside."""
    from scipy.ndimage import zoom

    return zoom(np.eye(size_in), (size_out / size_in, 1), order=3, mode="mirror").astype(np.float32)
