"""Outlines that the image itself shows round points: a small lesion, of which a network makes little, stands out from its rim.

Seen from the middle of the points, an outline is a distance for each direction. It encloses what is alike to the points and
leaves out what is not, and changes little from one direction to the next; the best one is found at once for all directions.
How unlike is unlike is tried in `TOLERANCES`: of a lesion, most of them give the same outline.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from SAMedCore.prompt.shapes import box_of, overlap

if TYPE_CHECKING:
    from SAMedCore.prompt.clicks import Clicks

FARTHEST_MM = 20.0
"""From the middle of the points to an outline."""

STEP_MM = 0.5
DIRECTIONS = 32

POINT_MM = 1.5
"""Standard deviation of the Gaussian within which a point's intensity is taken."""

RIM_MM = 3.0
"""Of what lies round a mask, so much is compared with it."""

TOLERANCES = (0.04, 0.06, 0.1, 0.15)
"""In [0, 1] of the window: differences that are not alike; 16 to 60 HU in the window of CT."""

MOST_DIFFERENT = 0.2
"""In [0, 1] of the window: what differs by more does not count for more."""


@dataclass(frozen=True, eq=False)
class Outline:
    """What the image shows round points.

    Attributes:
        mask: (j, i) bool; it holds the points that belong and none of the others.
        clearness: the difference of mask and rim, as `difference_to_rim` has it, in multiples of the image's noise.
    """

    mask: np.ndarray
    clearness: float


def outline_round(image: np.ndarray, clicks: Clicks, spacing_mm: tuple[float, float]) -> Outline | None:
    """The outline that stands out most, or None where none ends within `FARTHEST_MM` and agrees with the points.

    Args:
        image: (j, i) in [0, 1].
        clicks: some belong.
        spacing_mm: of rows and columns.
    """
    rays = _Rays(clicks.points[clicks.belongs].mean(axis=0), spacing_mm)
    seen = rays.values(image)
    forbidden = rays.forbidden(clicks)
    if forbidden.all(axis=1).any():
        return None
    means = np.full(len(TOLERANCES), _value_at(image, clicks.points[clicks.belongs], spacing_mm))
    for _ in range(2):
        ends = _ends(seen, means, forbidden)
        within = np.arange(seen.shape[1]) <= ends[:, :, None]
        means = np.sum(within * seen * rays.radii, axis=(1, 2)) / np.sum(within * rays.radii, axis=(1, 2))
    masks = [rays.mask(each, image.shape) for each in ends]
    for mask in masks:
        mask[tuple(clicks.points[clicks.belongs].T[::-1])] = True
        mask[tuple(clicks.points[~clicks.belongs].T[::-1])] = False
    differences = [difference_to_rim(image, mask, spacing_mm) for mask in masks]
    constancies = [np.mean([overlap(mask, other) for other in masks]) for mask in masks]
    is_open = ends >= seen.shape[1] - 2
    merits = np.array(differences) * constancies * np.array([mask.sum() for mask in masks]) ** 0.25 * (1 - is_open.mean(axis=1))
    best = int(merits.argmax())
    if is_open[best].any():
        return None
    return Outline(masks[best], differences[best] / max(_noise(image, rays.middle, spacing_mm), 1e-6))


def difference_to_rim(image: np.ndarray, mask: np.ndarray, spacing_mm: tuple[float, float]) -> float:
    """By how much three quarters of the rim, or more, differ from the mean of the mask; 0 for an empty one.

    Args:
        image: (j, i) in [0, 1].
        mask: (j, i) bool.
        spacing_mm: of rows and columns; the rim is `RIM_MM` wide, or a pixel.
    """
    from scipy.ndimage import distance_transform_edt

    if not mask.any():
        return 0.0
    width = max(RIM_MM, *spacing_mm)
    left, top, right, bottom = box_of(mask)
    reach_y, reach_x = (int(np.ceil(width / mm)) for mm in spacing_mm)
    part = (
        slice(max(0, int(top + 0.5) - reach_y), int(bottom + 0.5) + reach_y),
        slice(max(0, int(left + 0.5) - reach_x), int(right + 0.5) + reach_x),
    )
    away = distance_transform_edt(~mask[part], spacing_mm)
    rim = image[part][(away > 0) & (away <= width * 1.001)]
    if not len(rim):
        return 0.0
    return float(np.quantile(np.minimum(np.abs(rim - image[mask].mean()), MOST_DIFFERENT), 0.25))


class _Rays:
    """Directions from a middle (2,), x y in pixels, and places along them, which lie `STEP_MM` apart."""

    def __init__(self, middle: np.ndarray, spacing_mm: tuple[float, float]) -> None:
        self.middle, self._spacing_mm = middle, spacing_mm
        self.angles = np.arange(DIRECTIONS) * 2 * np.pi / DIRECTIONS
        self.radii = np.arange(1, round(FARTHEST_MM / STEP_MM) + 1) * STEP_MM

    def values(self, image: np.ndarray) -> np.ndarray:
        """(directions, radii) of the image (j, i)."""
        from scipy.ndimage import map_coordinates

        row_mm, column_mm = self._spacing_mm
        rows = self.middle[1] + np.outer(np.sin(self.angles), self.radii) / row_mm
        columns = self.middle[0] + np.outer(np.cos(self.angles), self.radii) / column_mm
        return map_coordinates(image, [rows, columns], order=1, mode="nearest")

    def forbidden(self, clicks: Clicks) -> np.ndarray:
        """(directions, radii) bool: where an outline would leave out a point that belongs or hold one that does not."""
        banned = np.zeros((DIRECTIONS, len(self.radii)), bool)
        angles, radii = self._seen(*(clicks.points.T - self.middle[:, None]))
        for angle, radius, belongs in zip(angles, radii, clicks.belongs, strict=True):
            n = round(angle / (2 * np.pi / DIRECTIONS)) % DIRECTIONS
            banned[n] |= self.radii < radius if belongs else self.radii >= radius
        return banned

    def mask(self, ends: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """(j, i) bool: the pixels up to these indices of the radii, (directions,)."""
        rows, columns = np.ogrid[: shape[0], : shape[1]]
        reach_y, reach_x = (int(FARTHEST_MM / mm) + 2 for mm in self._spacing_mm)
        x, y = (round(each) for each in self.middle)
        part = slice(max(0, y - reach_y), y + reach_y + 1), slice(max(0, x - reach_x), x + reach_x + 1)
        angles, radii = self._seen(columns[:, part[1]] - self.middle[0], rows[part[0]] - self.middle[1])
        limits = np.interp(angles, np.append(self.angles, 2 * np.pi), self.radii[np.append(ends, ends[0])])
        mask = np.zeros(shape, bool)
        mask[part] = radii <= limits
        return mask

    def _seen(self, columns: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Angles from 0 to two pi and radii in mm of places so many pixels from the middle."""
        y, x = rows * self._spacing_mm[0], columns * self._spacing_mm[1]
        return np.arctan2(y, x) % (2 * np.pi), np.hypot(x, y)


def _ends(seen: np.ndarray, means: np.ndarray, forbidden: np.ndarray) -> np.ndarray:
    """(tolerances, directions): the radius' index at which each closed outline ends."""
    tolerances = np.array(TOLERANCES)[:, None, None]
    unlike = np.minimum(np.abs(seen - means[:, None, None]), tolerances) - tolerances / 2
    areas = np.arange(1, seen.shape[1] + 1)
    costs = np.where(forbidden, 1e6, np.cumsum(unlike * areas, axis=2))
    # twice round, of which the half in the middle knows nothing of where the walk began
    walk = np.concatenate([costs, costs], axis=1).transpose(1, 0, 2)
    best, came = walk[0], np.zeros(walk.shape, np.int64)
    here = np.arange(walk.shape[2])
    for n in range(1, len(walk)):
        padded = np.pad(best, ((0, 0), (1, 1)), constant_values=np.inf)
        ways = np.stack([padded[:, :-2], best, padded[:, 2:]])
        came[n] = here + ways.argmin(axis=0) - 1
        best = walk[n] + ways.min(axis=0)
    path = [best.argmin(axis=1)]
    for n in range(len(walk) - 1, 0, -1):
        path.append(came[n, np.arange(len(means)), path[-1]])
    half = DIRECTIONS // 2
    return np.roll(np.array(path[::-1])[half : half + DIRECTIONS], half, axis=0).T


def _value_at(image: np.ndarray, points: np.ndarray, spacing_mm: tuple[float, float]) -> float:
    """The image's mean round the points (P, 2)."""
    total, weight = 0.0, 0.0
    reach = [int(3 * POINT_MM / mm) + 1 for mm in spacing_mm]
    for x, y in points:
        rows = np.arange(max(0, y - reach[0]), min(image.shape[0], y + reach[0] + 1))
        columns = np.arange(max(0, x - reach[1]), min(image.shape[1], x + reach[1] + 1))
        squares = ((rows[:, None] - y) * spacing_mm[0]) ** 2 + ((columns - x) * spacing_mm[1]) ** 2
        near = np.exp(-squares / (2 * POINT_MM**2))
        total, weight = total + float(np.sum(near * image[np.ix_(rows, columns)])), weight + float(near.sum())
    return total / weight


def _noise(image: np.ndarray, middle: np.ndarray, spacing_mm: tuple[float, float]) -> float:
    """Standard deviation of the noise round the middle, from neighbours in a row."""
    (x, y), reach = np.rint(middle).astype(int), [int(FARTHEST_MM / mm) for mm in spacing_mm]
    near = image[max(0, y - reach[0]) : y + reach[0] + 1, max(0, x - reach[1]) : x + reach[1] + 1]
    return 1.4826 * float(np.median(np.abs(np.diff(near, axis=1)))) / np.sqrt(2) if near.shape[1] > 1 else 0.0
