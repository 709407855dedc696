"""CT volumes and label maps, each with the place of its voxels in the patient.

Arrays are in (k, j, i) order, as numpy and SimpleITK have them; the matrices take (i, j, k) to LPS in mm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from SAMedCore.labels import LabelTable


@dataclass(frozen=True)
class Volume:
    """A scalar CT volume.

    Attributes:
        voxels: (k, j, i), HU, any real dtype.
        ijk_to_lps: (4, 4) float64, from voxel index to LPS in mm.
    """

    voxels: np.ndarray
    ijk_to_lps: np.ndarray


@dataclass(frozen=True)
class LabelMap:
    """A label map: each voxel carries the value of one structure, or 0.

    Attributes:
        voxels: (k, j, i), uint8, or uint16 where a value exceeds 255.
        ijk_to_lps: (4, 4) float64, from voxel index to LPS in mm.
        labels: what the values mean.
    """

    voxels: np.ndarray
    ijk_to_lps: np.ndarray
    labels: LabelTable
