"""Images brought to the network's input size by cubic splines, on the device where they are.

A resizing is linear in the pixels, so that it is one matrix for each axis, computed once for each size and equal to
`scipy.ndimage.zoom` within 1e-6.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch

from SAMedCore.model.preprocessing import Preprocessing


def resize(images: torch.Tensor, preprocessing: Preprocessing, sizes: Sequence[int] | None = None) -> torch.Tensor:
    """Images (B, H, W) float32 to (B, S, S) through `sizes`, by default all of the preprocessing's."""
    resized = resize_images(images, preprocessing.sizes if sizes is None else sizes)
    return resized.clamp(0, 1) if preprocessing.clipped else resized


def resize_images(images: torch.Tensor, sizes: Sequence[int]) -> torch.Tensor:
    """Slices (B, H, W) float32 to (B, S, S) on the same device, by cubic splines through each size in turn."""
    for size in sizes:
        rows, columns = (_matrix_on(images.device, images.shape[axis], size) for axis in (-2, -1))
        images = rows @ (images @ columns.T)
    return images


@lru_cache(maxsize=64)
def _matrix_on(device: torch.device, size_in: int, size_out: int) -> torch.Tensor:
    return torch.from_numpy(spline_matrix(size_in, size_out)).to(device)


@lru_cache(maxsize=64)
def spline_matrix(size_in: int, size_out: int) -> np.ndarray:
    """The (size_out, size_in) float32 matrix of one axis of `scipy.ndimage.zoom(order=3)`."""
    from scipy.ndimage import zoom

    if size_in == size_out:
        return np.eye(size_in, dtype=np.float32)
    return zoom(np.eye(size_in), (size_out / size_in, 1), order=3).astype(np.float32)
