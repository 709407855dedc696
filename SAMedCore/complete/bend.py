"""A slice as another body would have shown it: turned, scaled and bent a little, with everything that is drawn on it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

MOST_TURN = 0.2
"""Radians."""

MOST_SCALE = 0.1
"""Of each axis by itself, in powers of e."""

BUMPS = 6
"""Points along each axis that are moved, everything between them following smoothly."""

BUMP = 0.02
"""Standard deviation of how far they are moved, in slice sides."""


def make_bend(shape: tuple[int, int], spacing_mm: tuple[float, float], draw: np.random.Generator) -> Tensor:
    """A random bend of a slice of `shape` (j, i) with the spacing (j, i): (1, j, i, 2), as `torch.grid_sample` wants it."""
    size_mm = np.array(shape) * spacing_mm
    turn = draw.uniform(-MOST_TURN, MOST_TURN)
    scales = np.exp(draw.uniform(-MOST_SCALE, MOST_SCALE, 2))
    bumps = torch.from_numpy(draw.normal(scale=2 * BUMP, size=(1, 2, BUMPS, BUMPS))).float()
    rows, columns = (torch.linspace(-1, 1, length) for length in shape)
    y, x = torch.meshgrid(rows * float(size_mm[0] * scales[0]), columns * float(size_mm[1] * scales[1]), indexing="ij")
    cosine, sine = float(np.cos(turn)), float(np.sin(turn))
    turned = torch.stack([(cosine * x - sine * y) / float(size_mm[1]), (sine * x + cosine * y) / float(size_mm[0])], dim=-1)
    return turned[None] + functional.interpolate(bumps, shape, mode="bicubic", align_corners=True).permute(0, 2, 3, 1)


def bent(images: Tensor, bend: Tensor) -> Tensor:
    """Images or distances (N, j, i) float32 of the bend's slice, bent; beyond their border they go on as at it."""
    return functional.grid_sample(images[None], bend, mode="bilinear", padding_mode="border", align_corners=True)[0]
