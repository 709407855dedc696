"""An interpolated shape as the box and mask prompt of SAM."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from SAMedCore.complete.shapes import Distances
from SAMedCore.model.pixel_grids import PixelGrids
from SAMedCore.model.sam import Region

DISTANCE_LIMIT = 8.0
"""Signed distances in a mask prompt are clamped to plus and minus this many input pixels."""


@dataclass(frozen=True)
class Prompts:
    """The prompts of one slice, one for each label that has a shape there.

    Attributes:
        values: label values, N of them.
        boxes: (N, 4) float32, x y x y in input pixels.
        masks: (N, 1, L, L) float32, signed distance in input pixels, clamped.
        regions: N times the rows and columns of image tokens around the box, of E each.
    """

    values: tuple[int, ...]
    boxes: Tensor
    masks: Tensor
    regions: tuple[Region, ...]


def make_prompts(distances: Distances, grids: PixelGrids, jitter: np.random.Generator | None = None) -> Prompts | None:
    """Box (with a margin of one input pixel) and mask prompt of each shape; None where the slice holds none.

    Args:
        distances: of one slice, in mm.
        grids: the slice's pixel grids.
        jitter: moves each side of each box by up to a pixel, as training wants it.
    """
    values = tuple(value for value, distance in distances.items() if distance.max() > 0)
    if not values:
        return None
    pixels = torch.from_numpy(np.stack([distances[value] for value in values])) / grids.input_pixel_mm
    low_res = grids.to_low_res(pixels.float())
    scale = grids.input_size / grids.low_res_size
    boxes = np.stack([_box(shape.numpy()) for shape in low_res]) * scale
    if jitter is not None:
        boxes = boxes + jitter.uniform(-1, 1, boxes.shape)
    boxes = np.clip(boxes + np.array([-1, -1, 1, 1]), 0, grids.input_size - 1)
    masks = low_res.clamp(-DISTANCE_LIMIT, DISTANCE_LIMIT)[:, None]
    regions = tuple(grids.region_around(box) for box in boxes)
    return Prompts(values, torch.from_numpy(boxes).float(), masks, regions)


def _box(distance: np.ndarray) -> np.ndarray:
    """x y x y of the shape; where it is thinner than a pixel, of its deepest one."""
    rows, columns = np.nonzero(distance > min(0.0, float(distance.max()) - 1e-6))
    return np.array([columns.min(), rows.min(), columns.max(), rows.max()], np.float64)
