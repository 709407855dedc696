"""Volumes and label maps: voxels, and the grid on which they lie. Arrays are in (k, j, i) order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np

from SAMedCore.errors import InputError
from SAMedCore.image.grid import Grid
from SAMedCore.image.labels import Label, LabelTable


@dataclass(frozen=True, eq=False)
class Image:
    """Voxels and their place in the patient; what volumes and label maps share.

    Attributes:
        voxels: (k, j, i), at least one voxel along each axis.
        ijk_to_lps: (4, 4) float64, from voxel index to LPS in mm.

    Raises:
        InputError: as `Grid`.
    """

    voxels: np.ndarray
    ijk_to_lps: np.ndarray

    def __post_init__(self) -> None:
        object.__setattr__(self, "ijk_to_lps", self.grid.ijk_to_lps)

    @cached_property
    def grid(self) -> Grid:
        """Where the voxels lie."""
        return Grid(self.voxels.shape, self.ijk_to_lps)


@dataclass(frozen=True, eq=False)
class Volume(Image):
    """A scalar volume: a CT, or a scan of another modality.

    Attributes:
        voxels: (k, j, i), any real dtype; HU in a CT.
        ijk_to_lps: (4, 4) float64, from voxel index to LPS in mm.
        modality: as DICOM says it ("CT", "MR", "PT"); None where nothing says.

    Raises:
        InputError: as `Grid`, or the voxels are not real numbers.
    """

    modality: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.voxels.dtype.kind not in "iuf":
            raise InputError(f"the volume's voxels are {self.voxels.dtype}: pass integers or floats.")


@dataclass(frozen=True, eq=False)
class LabelMap(Image):
    """A label map: each voxel carries the value of one structure, or 0.

    Attributes:
        voxels: (k, j, i), uint8, or uint16 where a value exceeds 255; other integers are converted.
        ijk_to_lps: (4, 4) float64, from voxel index to LPS in mm.
        labels: what the values mean.
        person_drew: whether a person drew a part of it, as in a completed scan; DICOM SEG tells it from a model's work.

    Raises:
        InputError: as `Grid`, or a voxel is not an integer from 0 to 65535.
    """

    labels: LabelTable
    person_drew: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "voxels", _label_voxels(self.voxels))

    def volumes_ml(self) -> dict[Label, float]:
        """How large each structure of the table is; 0 where no voxel has its value."""
        voxel_ml = float(np.prod(self.grid.spacing_mm)) / 1000
        counts = np.bincount(self.voxels.ravel(), minlength=65536)
        return {label: float(counts[label.value]) * voxel_ml for label in self.labels}


AnyImage = TypeVar("AnyImage", bound=Image)


def _label_voxels(voxels: np.ndarray) -> np.ndarray:
    if voxels.dtype == np.uint8:
        return voxels
    if voxels.dtype.kind not in "iub":
        raise InputError(f"label values are {voxels.dtype}: a label map holds integers from 0 to 65535.")
    lowest, highest = int(voxels.min()), int(voxels.max())
    if lowest < 0 or highest > 65535:
        raise InputError(f"label values reach from {lowest} to {highest}: a label map holds integers from 0 to 65535.")
    return voxels.astype(np.uint8 if highest <= 255 else np.uint16, copy=False)
