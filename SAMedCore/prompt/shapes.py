"""Masks of a slice as boxes and as signed distances, in its pixels (x along i, y along j; centres are whole numbers)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from SAMedCore.image.distances import signed_distance_mm

if TYPE_CHECKING:
    from SAMedCore.model.pixel_grids import PixelGrids

LOGIT_LIMIT = 4.0
"""Scores are bounded by plus and minus this, so that no slice outvotes its neighbours by being over-confident."""

DISTANCE_LIMIT = 8.0
"""Signed distances are clamped to plus and minus this many input pixels."""

SHAPE_WEIGHT = 0.25
"""What an input pixel of distance to the expected outline adds to the score of a pixel."""


def box_of(mask: np.ndarray) -> np.ndarray:
    """(4,) x0 y0 x1 y1, the outer edges of the pixels of `mask`, (j, i) bool, which holds something."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return np.array([columns[0] - 0.5, rows[0] - 0.5, columns[-1] + 0.5, rows[-1] + 0.5])


def wider(box: np.ndarray, input_pixels: float, grids: PixelGrids) -> np.ndarray:
    """The box (4,), wider by so many pixels of the network's input on each side."""
    return box + input_pixels / grids.scale * np.array([-1.0, -1.0, 1.0, 1.0])


def distances(mask: np.ndarray, grids: PixelGrids, other: np.ndarray | None = None, share: float = 0.0) -> np.ndarray:
    """(j, i) float32: how deep each pixel lies inside the outline, in input pixels within `DISTANCE_LIMIT`, negative outside.

    Args:
        mask: (j, i) bool, which holds something.
        other: likewise; the outline is then the one that lies between both.
        share: 0 for the outline of `mask`, 1 for that of `other`.
    """
    both = [mask] if other is None else [mask, other]
    limits = wider(box_of(np.logical_or.reduce(both)), DISTANCE_LIMIT + 1, grids)
    left, top = (max(0, int(edge)) for edge in limits[:2])
    part = slice(top, int(limits[3]) + 2), slice(left, int(limits[2]) + 2)
    shapes = [signed_distance_mm(each[part], grids.spacing_mm) / grids.input_pixel_mm for each in both]
    shape = shapes[0] if other is None else (1 - share) * shapes[0] + share * shapes[1]
    everywhere = np.full(mask.shape, -DISTANCE_LIMIT, np.float32)
    everywhere[part] = np.clip(shape, -DISTANCE_LIMIT, DISTANCE_LIMIT)
    return everywhere


def overlap(first: np.ndarray, second: np.ndarray) -> float:
    """Intersection over union of two masks, 0 where both are empty."""
    union = np.count_nonzero(first | second)
    return np.count_nonzero(first & second) / union if union else 0.0


def sharpness(scores: np.ndarray) -> float:
    """How sharp an outline the scores (j, i) have, 0 to 1: the mask at 1 as a share of the mask at -1."""
    return np.count_nonzero(scores > 1) / max(1, int(np.count_nonzero(scores > -1)))


def touching(mask: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """The connected pieces of the mask that hold a pixel of `seeds`, all (j, i) bool."""
    from scipy.ndimage import label

    pieces, count = label(mask)
    touches = np.zeros(count + 1, bool)
    touches[np.unique(pieces[seeds])] = True
    touches[0] = False
    return touches[pieces]


def pieces(mask: np.ndarray, most: int) -> list[np.ndarray]:
    """The connected pieces of the mask, each (j, i) bool; the `most` largest of them."""
    from scipy.ndimage import label

    numbered, _ = label(mask)
    sizes = np.bincount(numbered.ravel())[1:]
    largest = np.argsort(-sizes, kind="stable")[:most] + 1
    return [numbered == number for number in sorted(largest)]


def largest_piece(mask: np.ndarray) -> np.ndarray:
    """The connected piece of the mask, (j, i) bool, that has the most pixels."""
    from scipy.ndimage import label

    pieces, _ = label(mask)
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    return (pieces == sizes.argmax()) & mask


def alone(scores: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """The scores (j, i), below 0 wherever the pieces are that hold no pixel of `seeds`."""
    return np.where(touching(scores > 0, seeds), scores, np.minimum(scores, -1))
