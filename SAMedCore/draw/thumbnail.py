"""A segmentation in a picture of a finger's breadth: an axial and a coronal plane with the structures on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.ndimage import binary_erosion, gaussian_filter, zoom

from SAMedCore.draw.overview import scene_of
from SAMedCore.draw.planes import Plane, Scene, richest_index
from SAMedCore.files.atomic import replacing
from SAMedCore.image.labels import LabelTable
from SAMedCore.image.volume import LabelMap, Volume
from SAMedCore.model.preprocessing import window

TILE = (128, 152)
"""Rows and columns of pixels for one plane."""

LOOKED_AT = 96
"""Voxels along each axis, at most, by which the planes are chosen."""

FILL = 0.4
JPEG_QUALITY = 82


def thumbnail(volume: Volume, labelmap: LabelMap) -> np.ndarray:
    """The two planes in which most of every structure is seen, side by side, hung as in `overview`.

    Args:
        volume: the scan.
        labelmap: on the same grid.

    Returns:
        (rows, columns, 3) uint8 RGB, of the same size for all scans.

    Raises:
        InputError: the grids differ.
    """
    scene = scene_of(volume, labelmap)
    planes = scene.axial(_richest(scene, 0)), scene.coronal(_richest(scene, 1))
    return np.concatenate([_tile(plane, scene) for plane in planes], axis=1)


def write_thumbnail(volume: Volume, labelmap: LabelMap, path: Path) -> None:
    """`thumbnail` as a JPEG file. Raises InputError where it cannot be written, or as `thumbnail`."""
    from matplotlib.image import imsave

    picture = thumbnail(volume, labelmap)
    # Not through ITK, whose JPEG library ends the process where the disk is full.
    with replacing(path) as unfinished:
        imsave(unfinished, picture, format="jpg", pil_kwargs={"quality": JPEG_QUALITY})


def _richest(scene: Scene, axis: int) -> int:
    labels = scene.labelmap.voxels
    steps = [-(-length // LOOKED_AT) for length in labels.shape]
    index = richest_index(labels[:: steps[0], :: steps[1], :: steps[2]], axis) * steps[axis]
    return min(index, labels.shape[axis] - 1)


def _tile(plane: Plane, scene: Scene) -> np.ndarray:
    """The plane, as large as it fits, in the middle of a black tile."""
    pixels_per_mm = min(size / mm for size, mm in zip(TILE, plane.size_mm, strict=True))
    factors = [mm * pixels_per_mm for mm in plane.pixel_mm]
    # As much of the neighbours as one pixel covers: single rows of a large scan would flicker.
    soft = gaussian_filter(window(plane.voxels, scene.window), [max(0.0, 0.4 / factor - 0.4) for factor in factors])
    grey = zoom(soft, factors, order=1, grid_mode=True, mode="nearest").clip(0, 1)
    labels = zoom(plane.labels, factors, order=0, grid_mode=True, mode="nearest")
    picture = _coloured(grey, labels, scene.labelmap.labels)[: TILE[0], : TILE[1]]
    tile = np.zeros((*TILE, 3), np.uint8)
    top, left = ((room - size) // 2 for room, size in zip(TILE, picture.shape, strict=False))
    tile[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return tile


def _coloured(grey: np.ndarray, labels: np.ndarray, table: LabelTable) -> np.ndarray:
    picture = np.repeat(255 * grey[..., np.newaxis], 3, axis=2)
    for label in table:
        mask = labels == label.value
        edge = mask & ~binary_erosion(mask)
        picture[mask] += FILL * (np.array(label.rgb) - picture[mask])
        picture[edge] = label.rgb
    return picture.round().astype(np.uint8)
