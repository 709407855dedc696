"""How far the pixels of a slice lie from the outline of a mask."""

from __future__ import annotations

import numpy as np


def signed_distance_mm(mask: np.ndarray, spacing_mm: tuple[float, float]) -> np.ndarray:
    """Distance in mm of each pixel to the outline of `mask`, (j, i) bool: float32, positive inside, negative outside.

    `mask` must hold something; `spacing_mm` is (j, i).
    """
    from scipy.ndimage import distance_transform_edt

    inside = distance_transform_edt(mask, sampling=spacing_mm)
    outside = distance_transform_edt(~mask, sampling=spacing_mm)
    return (inside - outside).astype(np.float32)
