"""Points on a slice, and a mask corrected at them.

LiteMedSAM was trained on boxes alone. Shown a point at the centre of a structure and nothing else, its mask has a Dice of 0.01
on the sample CT, and beside the right box a point makes it worse. So a correction changes the mask by the image round the
click, and points alone are another matter (`prompt/points.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from SAMedCore.prompt.shapes import LOGIT_LIMIT

if TYPE_CHECKING:
    from SAMedCore.model.pixel_grids import PixelGrids

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
