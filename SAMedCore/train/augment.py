"""Random changes of a slice and its labels, drawn from a generator that is handed in.

Images are (H, W) float32 in [0, 1], labels (H, W) uint8 classes; both come back in the same shape and dtype.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from scipy import ndimage

from SAMedCore.image.intensities import other_intensities

Augmentation = Callable[[np.ndarray, np.ndarray, Generator], tuple[np.ndarray, np.ndarray]]


def paper_augmentation(image: np.ndarray, labels: np.ndarray, draw: Generator) -> tuple[np.ndarray, np.ndarray]:
    """Half of the slices turned by a multiple of 90 degrees and mirrored, half of the rest rotated a little.

    As in the code of SAMed: the small rotation is a whole number of degrees from -20 to 19, nearest neighbour for
    image and labels alike, and what it brings in from outside is 0.
    """
    if draw.random() > 0.5:
        quarter_turns, axis = int(draw.integers(4)), int(draw.integers(2))
        return _turned(image, quarter_turns, axis), _turned(labels, quarter_turns, axis)
    if draw.random() > 0.5:
        degrees = int(draw.integers(-20, 20))
        return _rotated(image, degrees), _rotated(labels, degrees)
    return image, labels


def few_shot_augmentation(
    image: np.ndarray, labels: np.ndarray, draw: Generator, strength: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Small bends and turns, and other brightness, contrast and noise, as another patient or scanner would give.

    Never mirrored: left and right kidney differ by nothing but their side.

    Args:
        strength: of every change; 1 for other patients, less for other slices of the same scan.
    """
    where = _moved_coordinates(image.shape, draw, strength)
    moved = ndimage.map_coordinates(image, where, order=1, mode="constant")
    moved_labels = ndimage.map_coordinates(labels, where, order=0, mode="constant")
    return other_intensities(moved, draw, strength), moved_labels


def same_scan_augmentation(image: np.ndarray, labels: np.ndarray, draw: Generator) -> tuple[np.ndarray, np.ndarray]:
    """As slices between the annotated ones look: `few_shot_augmentation` at half its strength."""
    return few_shot_augmentation(image, labels, draw, 0.5)


def _turned(array: np.ndarray, quarter_turns: int, axis: int) -> np.ndarray:
    return np.ascontiguousarray(np.flip(np.rot90(array, quarter_turns), axis))


def _rotated(array: np.ndarray, degrees: int) -> np.ndarray:
    return ndimage.rotate(array, degrees, order=0, reshape=False)


def _moved_coordinates(shape: tuple[int, ...], draw: Generator, strength: float) -> np.ndarray:
    """(2, H, W): for each pixel the place to read from; rotation, scale and shift about the centre, then bent."""
    angle = np.deg2rad(draw.uniform(-12, 12) * strength)
    scale = 1 + draw.uniform(-0.15, 0.15, size=2) * strength
    size = np.array(shape, dtype=float)
    shift = draw.uniform(-0.06, 0.06, size=2) * size * strength
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centre = (size - 1) / 2
    rows_columns = np.indices(shape, dtype=float).reshape(2, -1)
    affine = (rotation / scale) @ (rows_columns - centre[:, None]) + (centre + shift)[:, None]
    return affine.reshape(2, *shape) + strength * _elastic_displacement(shape, draw)


def _elastic_displacement(shape: tuple[int, ...], draw: Generator) -> np.ndarray:
    """(2, H, W) in pixels: a coarse grid of random displacements, about 1.5 % of the image, spread smoothly."""
    knots = 7
    coarse = draw.normal(scale=0.015, size=(2, knots, knots)) * np.array(shape)[:, None, None]
    return np.stack([ndimage.zoom(grid, (shape[0] / knots, shape[1] / knots), order=3) for grid in coarse])


AUGMENTATIONS: dict[str, Augmentation] = {
    "paper": paper_augmentation,
    "few-shot": few_shot_augmentation,
    "same-scan": same_scan_augmentation,
}
"""By the name that a recipe gives."""
