"""Connected components of label maps."""

from __future__ import annotations

import numpy as np


def keep_largest_components(voxels: np.ndarray) -> np.ndarray:
    """Each label's largest 26-connected component (k, j, i); the smaller ones become background."""
    from scipy.ndimage import find_objects, label

    kept = np.zeros_like(voxels)
    for value, box in enumerate(find_objects(voxels), start=1):
        if box is not None:
            components, _ = label(voxels[box] == value, structure=np.ones((3, 3, 3)))
            largest = np.bincount(components.ravel())[1:].argmax() + 1
            kept[box][components == largest] = value
    return kept
