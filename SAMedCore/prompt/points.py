"""A structure from points alone: what the model draws in boxes tried round them, or what the image itself shows.

LiteMedSAM heeds no points, so boxes of several sizes are tried and its answers tell the right one. It draws a structure a few
pixels wide poorly even in its own box. So an outline in the image that stands out from the noise is taken where it is as large
as a small lesion, or the model draws something alike in one of the boxes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from SAMedCore.prompt.outlines import difference_to_rim, outline_round
from SAMedCore.prompt.shapes import LOGIT_LIMIT, alone, box_of, distances, overlap, sharpness, wider

if TYPE_CHECKING:
    from SAMedCore.model.pixel_grids import PixelGrids
    from SAMedCore.prompt.clicks import Clicks

BOX_SIDES = (8, 16, 32, 64)
"""Input pixels: the squares round a point that are tried."""

CLEAR = 1.0
"""Of the noise: an outline that differs less from its rim may be noise itself."""

LESION_MM = (2.5, 10.0)
"""Radii of a disc as large as an outline that needs no more than that: a smaller one may be noise, a larger one a part."""

ALIKE = 0.3
"""Overlap of any other outline with something that the model draws, below which it sees nothing there."""

UNSEEN = 0.1
"""In [0, 1] of the window, added to an answer's difference to its rim: the model also draws what does not stand out."""


def from_points(
    ask: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
    image: np.ndarray,
    clicks: Clicks,
    grids: PixelGrids,
) -> tuple[np.ndarray, float]:
    """The scores (j, i) of what the points show, above 0 inside, and its quality, 0 to 1.

    Args:
        ask: boxes (N, 4) -> what the model draws in each, scores (N, j, i), and its qualities (N,).
        image: (j, i) in [0, 1].
        clicks: some belong.
        grids: of the slice.
    """
    boxes = box_candidates(clicks, grids)
    seeds = np.zeros(grids.slice_shape, bool)
    seeds[tuple(clicks.points[clicks.belongs].T[::-1])] = True

    def show(tried: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        answers, qualities = ask(tried)
        return np.stack([alone(answer, seeds) for answer in answers]), qualities

    scores, qualities = show(boxes)
    outline = outline_round(image, clicks, grids.spacing_mm)
    if outline is not None and outline.clearness > CLEAR:
        overlaps = [overlap(outline.mask, score > 0) for score in scores]
        radius_mm = float(np.sqrt(np.count_nonzero(outline.mask) * np.prod(grids.spacing_mm) / np.pi))
        if LESION_MM[0] < radius_mm < LESION_MM[1] or max(overlaps) > ALIKE:
            quality = float(qualities[int(np.argmax(overlaps))]) * max(overlaps)
            return np.clip(distances(outline.mask, grids), -LOGIT_LIMIT, LOGIT_LIMIT), quality
    # what a box shows lies more often in the middle of its own box than in that of the box that was tried
    found = [box_of(score > 0) if (score > 0).any() else box for score, box in zip(scores, boxes, strict=True)]
    again = np.stack([wider(box, 1, grids) for box in found])
    more_scores, more_qualities = show(again)
    every = np.concatenate([scores, more_scores])
    differences = np.array([difference_to_rim(image, score > 0, grids.spacing_mm) for score in every])
    merits = np.concatenate([qualities, more_qualities]) * (UNSEEN + differences)
    best = most_fitting(every, merits, np.concatenate([boxes, again]), clicks, grids)
    return every[best], float(np.concatenate([qualities, more_qualities])[best])


def box_candidates(clicks: Clicks, grids: PixelGrids) -> np.ndarray:
    """(N, 4) boxes x0 y0 x1 y1 round the points that belong, of which there is at least one."""
    inside = clicks.points[clicks.belongs]
    around = np.concatenate([inside.min(axis=0), inside.max(axis=0)]).astype(float)
    return np.stack([wider(around, side / 2, grids) for side in BOX_SIDES])


def most_fitting(scores: np.ndarray, merits: np.ndarray, boxes: np.ndarray, clicks: Clicks, grids: PixelGrids) -> int:
    """Which answer the points agree with, has merit, has a sharp outline and fills its box most.

    Args:
        scores: (N, j, i), above 0 inside.
        merits: (N,), at least 0.
        boxes: (N, 4) in which each was drawn.
        clicks: some belong.
        grids: of the slice.
    """
    columns, rows = clicks.points.T
    fits: list[float] = []
    for score, merit, box in zip(scores, merits, boxes, strict=True):
        mask = score > 0
        right = np.mean(mask[rows, columns] == clicks.belongs)
        fills = _box_overlap(wider(box_of(mask), 1, grids), box) if mask.any() else 0.0
        fits.append(float(right * merit * sharpness(score) * fills))
    return int(np.argmax(fits))


def _box_overlap(first: np.ndarray, second: np.ndarray) -> float:
    sides = np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2])
    shared = float(np.prod(np.maximum(sides, 0)))
    return shared / (float(np.prod(first[2:] - first[:2]) + np.prod(second[2:] - second[:2])) - shared)
