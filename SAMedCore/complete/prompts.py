"""An interpolated shape as the box and mask prompt of SAM, and SAM's answer back on the scan's own pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from SAMedCore.complete.shapes import Distances
from SAMedCore.model.sam import Region

DISTANCE_LIMIT = 8.0
"""Signed distances in a mask prompt are clamped to plus and minus this many input pixels."""

CONTEXT = 6
"""How many image tokens around a box SAM looks at. Farther ones changed no Dice on the sample and cost four times as much."""


@dataclass(frozen=True)
class PixelGrids:
    """The three pixel grids of a slice: the scan's, the network's input and its low-resolution logits.

    A slice is padded to a square at the ends of its rows and columns. The input's corner pixels lie on the square's corner
    pixels, as the cubic-spline resize of the images has it; each low-resolution pixel covers a square of input pixels.
    """

    slice_shape: tuple[int, int]
    spacing_mm: tuple[float, float]
    input_size: int
    low_res_size: int

    @property
    def input_pixel_mm(self) -> float:
        """Side of an input pixel in mm, the geometric mean of both axes."""
        return float(np.sqrt(np.prod(self.spacing_mm))) * self._side / self.input_size

    @property
    def _side(self) -> int:
        return max(self.slice_shape)

    def to_low_res(self, images: Tensor) -> Tensor:
        """(N, j, i) on the scan's pixels to (N, L, L); the padding takes the lowest value."""
        size = (self.input_size, self.input_size)
        rows, columns = (self._side - given for given in self.slice_shape)
        square = functional.pad(images[:, None], (0, columns, 0, rows), value=float(images.min()))
        inputs = functional.interpolate(square, size, mode="bilinear", align_corners=True)
        return self._between(inputs, self.low_res_size)[:, 0]

    def to_slice(self, low_res: Tensor) -> Tensor:
        """(N, L, L) to (N, j, i) on the scan's pixels."""
        inputs = self._between(low_res[:, None], self.input_size)
        square = functional.interpolate(inputs, (self._side, self._side), mode="bilinear", align_corners=True)[:, 0]
        return square[:, : self.slice_shape[0], : self.slice_shape[1]]

    @staticmethod
    def _between(images: Tensor, size: int) -> Tensor:
        if images.shape[-1] == size:
            return images
        return functional.interpolate(images, (size, size), mode="bilinear", align_corners=False)


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
    regions = tuple(_region(box, grids) for box in boxes)
    return Prompts(values, torch.from_numpy(boxes).float(), masks, regions)


def in_low_res(region: Region) -> Region:
    """The low-resolution pixels of a region of image tokens: four times as many along each axis."""
    rows, columns = region
    return slice(4 * rows.start, 4 * rows.stop), slice(4 * columns.start, 4 * columns.stop)


def _region(box: np.ndarray, grids: PixelGrids) -> Region:
    tokens = grids.low_res_size // 4
    left, top, right, bottom = (int(side * tokens / grids.input_size) for side in box)
    return (
        slice(max(0, top - CONTEXT), min(tokens, bottom + 1 + CONTEXT)),
        slice(max(0, left - CONTEXT), min(tokens, right + 1 + CONTEXT)),
    )


def _box(distance: np.ndarray) -> np.ndarray:
    """x y x y of the shape; where it is thinner than a pixel, of its deepest one."""
    rows, columns = np.nonzero(distance > min(0.0, float(distance.max()) - 1e-6))
    return np.array([columns.min(), rows.min(), columns.max(), rows.max()], np.float64)
