"""A slice's own pixels and those on which prompts are answered: from one to the other.

The network's input brings the longer side of a slice to its size without regard to spacing, so that coarse columns squash a
body from side to side and coarse rows flatten it. The first cost Dice that square pixels bring back, the second mostly did
not: see "Pixels that are not square" in Docs/prompting.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

ALIKE = 1.05
"""Columns that lie farther apart than the rows by a smaller factor stay as they are."""

LONGEST = 1024
"""Columns are repeated up to so many at the most, whatever the spacing: no network takes in more pixels along a side."""


@dataclass(frozen=True)
class SlicePixels:
    """The two pixel lattices of a slice, of which the first and the last pixel centres of each row and column coincide.

    On the one for drawing, columns that lie farther apart than the rows are repeated until the pixels are square. Otherwise
    both lattices are one, and everything below gives back what it was given.

    Attributes:
        shape: rows and columns of the scan's own pixels.
        spacing_mm: their spacing along j and i.
    """

    shape: tuple[int, int]
    spacing_mm: tuple[float, float]

    @cached_property
    def drawing_shape(self) -> tuple[int, int]:
        """Rows and columns of the pixels for drawing."""
        (rows, columns), (row_mm, column_mm) = self.shape, self.spacing_mm
        if column_mm < ALIKE * row_mm:
            return self.shape
        return rows, min(round((columns - 1) * column_mm / row_mm) + 1, max(LONGEST, columns))

    @property
    def drawing_spacing_mm(self) -> tuple[float, float]:
        """Along j and i."""
        return self.spacing_mm[0], self.spacing_mm[1] / self._scale

    def to_drawing_places(self, places: np.ndarray) -> np.ndarray:
        """(N, 2) x y in the scan's own pixels as x y in those for drawing, not rounded; the centres are whole numbers."""
        return places * (self._scale, 1)

    def to_drawing(self, values: np.ndarray) -> np.ndarray:
        """(j, i) of an image or a mask on the scan's own pixels to those for drawing, each as the nearest.

        Splines make nicer images, but soft ones: the model's boxes lose more Dice on these than the right shape brings.
        """
        return values[:, np.rint(np.arange(self.drawing_shape[1]) / self._scale).astype(int)]

    def to_own(self, values: np.ndarray) -> np.ndarray:
        """(j, i) on the pixels for drawing to the scan's own, each from its centre: of what `to_drawing` gave, the original."""
        return values[:, np.rint(np.arange(self.shape[1]) * self._scale).astype(int)]

    @cached_property
    def _scale(self) -> float:
        """Columns for drawing for each of the scan's own; at least 1, so that the way there and back is exact."""
        return (self.drawing_shape[1] - 1) / (self.shape[1] - 1) if self.shape[1] > 1 else 1.0
