"""Points on a slice: where to look when there is nothing else, and a mask corrected at them.

LiteMedSAM was trained on boxes alone. Shown a point at the centre of a structure and nothing else, its mask has a Dice of 0.01
on the sample CT, and beside the right box a point makes it worse. So a point is turned into boxes of several sizes, of which
the model's answers tell the right one, and a correction changes the mask by the image around the click.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from SAMedCore.prompt.shapes import LOGIT_LIMIT, box_of, sharpness, wider

if TYPE_CHECKING:
    from SAMedCore.model.pixel_grids import PixelGrids

BOX_SIDES = (8, 16, 32, 64)
"""Input pixels: the squares round a point that are tried."""

FARTHEST = 16.0
"""Input pixels: a point that belongs and lies farther than that from the outline shows another piece; no outline moves more."""

SIMILAR = 0.1
"""Intensities, in [0, 1] of the window, that differ by much more than that are not the same tissue."""


@dataclass(frozen=True, eq=False)
class Clicks:
    """Points on a slice.

    Attributes:
        points: (P, 2) int x y, pixels for drawing of the slice.
        belongs: (P,) bool: whether each belongs to the structure.
    """

    points: np.ndarray
    belongs: np.ndarray


def box_candidates(clicks: Clicks, grids: PixelGrids) -> np.ndarray:
    """(N, 4) boxes x0 y0 x1 y1 round the points that belong, of which there is at least one."""
    inside = clicks.points[clicks.belongs]
    around = np.concatenate([inside.min(axis=0), inside.max(axis=0)]).astype(float)
    return np.stack([wider(around, side / 2, grids) for side in BOX_SIDES])


def most_fitting(
    scores: np.ndarray, qualities: np.ndarray, boxes: np.ndarray, clicks: Clicks, grids: PixelGrids
) -> tuple[np.ndarray, float]:
    """The answer that the points agree with most, that the model is surest of and that fills its box.

    Args:
        scores: (N, j, i), above 0 inside.
        qualities: (N,), as the model says.
        boxes: (N, 4) in which each was drawn.
        clicks: some belong.

    Returns:
        its scores (j, i), and its quality.
    """
    columns, rows = clicks.points.T
    fits: list[float] = []
    for score, quality, box in zip(scores, qualities, boxes, strict=True):
        mask = score > 0
        right = np.mean(mask[rows, columns] == clicks.belongs)
        fills = _box_overlap(wider(box_of(mask), 1, grids), box) if mask.any() else 0.0
        fits.append(float(right * quality * sharpness(score) * fills))
    best = int(np.argmax(fits))
    return scores[best], float(qualities[best])


def correct(
    scores: np.ndarray, clicks: Clicks, image: np.ndarray, grids: PixelGrids, draw: Callable[[Clicks], np.ndarray]
) -> np.ndarray:
    """The scores, changed at each point that is on the wrong side, so that every point is on its own.

    The outline is moved over the point as far as the point lay from it, where the image is alike. A point that belongs and lies
    farther away shows another piece, which is drawn as from the point alone and added.

    Args:
        scores: (j, i) float32, above 0 inside.
        clicks: on the slice.
        image: (j, i) in [0, 1].
        draw: scores of what one point that belongs shows.
    """
    corrected = scores.copy()
    for (x, y), belongs in zip(clicks.points, clicks.belongs, strict=True):
        if (corrected[y, x] > 0) == belongs:
            continue
        distance, farthest = _to_outline(corrected > 0, x, y), FARTHEST / grids.scale
        if belongs and distance > farthest:
            changed = draw(Clicks(np.array([[x, y]]), np.array([True]))) > 0
        else:
            changed = _alike(image, x, y, min(distance, farthest))
        corrected[changed & ((corrected > 0) != belongs)] = LOGIT_LIMIT if belongs else -LOGIT_LIMIT
    for (x, y), belongs in zip(clicks.points, clicks.belongs, strict=True):
        corrected[y, x] = LOGIT_LIMIT if belongs else -LOGIT_LIMIT
    return corrected


def _to_outline(mask: np.ndarray, x: int, y: int) -> float:
    """Pixels from (x, y) to the nearest pixel on the other side of the outline; infinite where there is none."""
    rows, columns = np.nonzero(mask != mask[y, x])
    return float(np.hypot(rows - y, columns - x).min()) if len(rows) else np.inf


def _alike(image: np.ndarray, x: int, y: int, distance: float) -> np.ndarray:
    """(j, i) bool: what is connected with (x, y), not much farther away than `distance` pixels, and looks the same."""
    from scipy.ndimage import label

    reach = int(np.ceil(1.2 * distance))
    part = slice(max(0, y - reach), y + reach + 1), slice(max(0, x - reach), x + reach + 1)
    rows, columns = np.ogrid[
        part[0].start : min(part[0].stop, image.shape[0]), part[1].start : min(part[1].stop, image.shape[1])
    ]
    value = np.median(image[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2])
    nearness = ((rows - y) ** 2 + (columns - x) ** 2) / distance**2 + ((image[part] - value) / SIMILAR) ** 2
    # half of a Gaussian in place and intensity
    near = nearness < 2 * np.log(2)
    near[y - part[0].start, x - part[1].start] = True
    pieces, _ = label(near)
    changed = np.zeros(image.shape, bool)
    changed[part] = pieces == pieces[y - part[0].start, x - part[1].start]
    return changed


def _box_overlap(first: np.ndarray, second: np.ndarray) -> float:
    sides = np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2])
    shared = float(np.prod(np.maximum(sides, 0)))
    return shared / (float(np.prod(first[2:] - first[:2]) + np.prod(second[2:] - second[:2])) - shared)
