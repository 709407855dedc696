"""How messages name voxels, which never travel in them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from SAMedCore.image.labels import LabelTable

Matrix = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class VoxelFile:
    """A volume in a .npy file.

    Attributes:
        path: of the file, its array (k, j, i).
        ijk_to_lps: 4 x 4, from voxel index to LPS in mm.
    """

    path: str
    ijk_to_lps: Matrix


@dataclass(frozen=True)
class LabelFile:
    """A label map in a .npy file, uint8 or uint16; `labels` is a `LabelTable` as its `to_json` has it."""

    path: str
    ijk_to_lps: Matrix
    labels: list[dict[str, Any]]


def voxel_file(path: Path, ijk_to_lps: np.ndarray) -> VoxelFile:
    """How messages name a volume (4 x 4 matrix) whose voxels are in this file."""
    return VoxelFile(str(path), _matrix(ijk_to_lps))


def label_file(path: Path, ijk_to_lps: np.ndarray, labels: LabelTable) -> LabelFile:
    """The same of a label map."""
    return LabelFile(str(path), _matrix(ijk_to_lps), labels.to_json())


def _matrix(ijk_to_lps: np.ndarray) -> Matrix:
    return tuple(tuple(row) for row in ijk_to_lps.tolist())
