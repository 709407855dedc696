"""A slice as another scanner would have shown it."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator


def other_intensities(image: np.ndarray, draw: Generator) -> np.ndarray:
    """The image, float32 in [0, 1], with other contrast, brightness and noise, within [0, 1]; same shape and dtype."""
    gamma, gain, offset = np.exp(draw.uniform(-0.25, 0.25)), draw.uniform(0.9, 1.1), draw.uniform(-0.05, 0.05)
    noise = draw.normal(scale=draw.uniform(0, 0.03), size=image.shape)
    changed = gain * np.clip(image, 0, 1) ** gamma + offset + noise
    return np.clip(changed, 0, 1).astype(np.float32)
