"""What SimpleITK does not tell about a NIfTI file."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import SimpleITK

FLOATS = {"16": "f4", "64": "f8"}
"""NIfTI-1 and -2 data types (nifti1.h, NIFTI_TYPE_FLOAT32 and FLOAT64) as numpy knows them."""

HEADER_LENGTHS = {348, 540}
"""The first number of a NIfTI-1 or -2 header, by which its byte order is known."""


def hides_non_finite(path: Path, image: SimpleITK.Image) -> bool:
    """Whether a float NIfTI file holds NaN or infinite voxels, which ITK's reader turns into 0 without a word.

    Args:
        path: the file.
        image: what SimpleITK read from it; other formats than NIfTI and integer voxels hide nothing.
    """
    if not image.HasMetaDataKey("nifti_type") or image.GetMetaData("datatype") not in FLOATS:
        return False
    with path.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
    with gzip.open(path) if compressed else path.open("rb") as file:
        little = int.from_bytes(file.read(4), "little") in HEADER_LENGTHS
        dtype = np.dtype(("<" if little else ">") + FLOATS[image.GetMetaData("datatype")])
        file.seek(round(float(image.GetMetaData("vox_offset"))))
        while block := file.read(dtype.itemsize << 20):
            if not np.isfinite(np.frombuffer(block, dtype, len(block) // dtype.itemsize)).all():
                return True
    return False
