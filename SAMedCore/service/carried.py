"""How messages name voxels, which never travel in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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
