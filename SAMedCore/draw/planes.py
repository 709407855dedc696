"""Flat pictures cut out of a volume with its label maps, and the choice of where to cut.

Everything here expects images in LPS orientation: i increases to the left, j to the back and k to the head. Rows of a
plane go down on the screen and columns to the right, as radiologists hang them: the patient's right on the left of an axial or
coronal plane, the front on the left of a sagittal one.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from SAMedCore.image.volume import LabelMap, Volume

BODY_HU = -400
"""Voxels above this are taken for the body (and the table), the rest for air around it, which is cut away."""


@dataclass(frozen=True)
class Plane:
    """A cut along two axes of the volume.

    Attributes:
        voxels: (rows, columns), the volume's own values.
        labels: (rows, columns), label values.
        reference: (rows, columns), label values of the reference; None where there is none.
        pixel_mm: height and width of a pixel.
        caption: where the cut lies, for example "S 120 mm".
    """

    voxels: np.ndarray
    labels: np.ndarray
    reference: np.ndarray | None
    pixel_mm: tuple[float, float]
    caption: str

    @property
    def size_mm(self) -> tuple[float, float]:
        """Height and width."""
        rows, columns = self.voxels.shape
        return rows * self.pixel_mm[0], columns * self.pixel_mm[1]


@dataclass(frozen=True)
class Scene:
    """A volume with its label maps, all in LPS orientation and cut to `box`, a slice each for k, j and i.

    Attributes:
        window: the values that are shown black and white.
    """

    volume: Volume
    labelmap: LabelMap
    reference: LabelMap | None
    box: tuple[slice, slice, slice]
    window: tuple[float, float]

    def axial(self, k: int) -> Plane:
        return self._cut(0, k, "IS")

    def coronal(self, j: int) -> Plane:
        return self._cut(1, j, "AP")

    def sagittal(self, i: int) -> Plane:
        return self._cut(2, i, "RL")

    def _cut(self, axis: int, index: int, letters: str) -> Plane:
        cut: Any = (*self.box[:axis], index, *self.box[axis + 1 :])
        # Rows of the two upright planes run from head to foot, against k.
        flip = slice(None, None, -1 if axis else 1)
        across_mm, down_mm, through_mm = self.volume.grid.spacing_mm
        pixel_mm = ((down_mm, across_mm), (through_mm, across_mm), (through_mm, down_mm))[axis]
        reference = None if self.reference is None else self.reference.voxels[cut][flip]
        place = self._place_mm(axis, index)
        caption = f"{letters[int(place >= 0)]} {abs(place):.0f} mm"
        return Plane(self.volume.voxels[cut][flip], self.labelmap.voxels[cut][flip], reference, pixel_mm, caption)

    def _place_mm(self, axis: int, index: int) -> float:
        centre = [(length - 1) / 2 for length in self.volume.voxels.shape]
        centre[axis] = index
        return float((self.volume.ijk_to_lps @ [*reversed(centre), 1.0])[2 - axis])


def body_box(voxels: np.ndarray, labels: np.ndarray) -> tuple[slice, slice, slice]:
    """All slices, and along j and i the part that holds the body or a label. Both arrays (k, j, i)."""
    inside = np.any((voxels > BODY_HU) | (labels > 0), axis=0)
    if not inside.any():
        inside = np.ones_like(inside)
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    return slice(None), slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def spread_slices(labels: np.ndarray, count: int) -> list[int]:
    """At most `count` indices k spread evenly over the slices that carry labels, or over all, from the head down."""
    labelled = np.flatnonzero(labels.any(axis=(1, 2)))
    first, last = (labelled[0], labelled[-1]) if len(labelled) else (0, len(labels) - 1)
    count = min(count, last - first + 1)
    # The middles of equal parts: the very first and last slice of an organ show little of it.
    edges = np.linspace(first - 0.5, last + 0.5, count + 1)
    return [round((low + high) / 2) for low, high in pairwise(edges)][::-1]


def richest_index(labels: np.ndarray, axis: int) -> int:
    """The index along `axis` where most of every organ is seen at once; the middle where there are no labels."""
    others = tuple(other for other in range(3) if other != axis)
    seen = np.zeros(labels.shape[axis])
    for value in np.unique(labels[labels > 0]):
        area = (labels == value).sum(axis=others)
        seen += area / area.max()
    return int(seen.argmax()) if seen.any() else labels.shape[axis] // 2
