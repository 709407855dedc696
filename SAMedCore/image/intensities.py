"""What the values of a scan are, and a slice as another scanner would have shown it."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from SAMedCore.errors import InputError

BELOW_WATER_HU = -50
BELOW_WATER_SHARE = 0.01
"""Fat, lung and air lie below -50 HU; hardly a CT has less than a hundredth of them, and hardly an MR a value below 0."""


def is_ct(voxels: np.ndarray) -> bool:
    """Whether the values, of any shape, are HU: a hundredth of them lies below -50, as fat and air do.

    The lowest value and NaN do not count: scanners and resampling pad with -1024, -2000 or -3024, in an MR as well. A CT cut to
    the inside of the body still has its fat. One cut to the brain has none; with percentiles it is shown well all the same.
    """
    finite = voxels[np.isfinite(voxels)] if voxels.dtype.kind == "f" else voxels.ravel()
    counted = finite[finite > finite.min()] if finite.size else finite
    return bool(counted.size and np.count_nonzero(counted < BELOW_WATER_HU) >= BELOW_WATER_SHARE * counted.size)


def percentile_window(voxels: np.ndarray, percentiles: tuple[float, float]) -> tuple[float, float]:
    """The two percentiles of the values above 0, of any shape; the upper one is raised where the two are equal.

    Raises:
        InputError: no value is above 0.
    """
    bright = voxels[np.isfinite(voxels) & (voxels > 0)]
    if not bright.size:
        raise InputError("the volume has no value above 0, so that its intensities cannot be scaled: pass one that has.")
    low, high = (float(value) for value in np.percentile(bright, percentiles))
    return low, high if high > low else low + 1.0


def other_intensities(image: np.ndarray, draw: Generator, strength: float = 1.0) -> np.ndarray:
    """The image, float32 in [0, 1], with other contrast, brightness and noise, within [0, 1]; same shape and dtype.

    Args:
        strength: of every change, 1 as another scanner would have shown it.
    """
    gamma, gain, offset = draw.uniform(-0.25, 0.25), draw.uniform(-0.1, 0.1), draw.uniform(-0.05, 0.05)
    noise = draw.normal(scale=draw.uniform(0, 0.03), size=image.shape)
    changed = (1 + strength * gain) * np.clip(image, 0, 1) ** np.exp(strength * gamma) + strength * (offset + noise)
    return np.clip(changed, 0, 1).astype(np.float32)
