"""SimpleITK's origin, spacing and directions as one matrix, and back; and its complaints in words for the user."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import SimpleITK

from SAMedCore.errors import InputError, SAMedError
from SAMedCore.image.grid import SAME_GRID_MM

# What matters of ITK's warnings is raised as one sentence; the rest would stand between the user and the progress bar.
SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)


def ijk_to_lps_of(image: SimpleITK.Image | SimpleITK.ImageFileReader) -> np.ndarray:
    """The (4, 4) matrix from voxel index to LPS in mm of the first three dimensions of an image, or of what a reader found."""
    dimensions = image.GetDimension()
    matrix = np.eye(4)
    directions = np.reshape(image.GetDirection(), (dimensions, dimensions))[:3, :3]
    matrix[:3, :3] = directions * np.asarray(image.GetSpacing()[:3])
    matrix[:3, 3] = image.GetOrigin()[:3]
    return matrix


def sitk_image(voxels: np.ndarray, ijk_to_lps: np.ndarray) -> SimpleITK.Image:
    """A SimpleITK image of (k, j, i) voxels, or of (k, j, i, c) with c values a voxel, in its place."""
    image = SimpleITK.GetImageFromArray(voxels, isVector=voxels.ndim == 4)
    spacing_mm = np.linalg.norm(ijk_to_lps[:3, :3], axis=0)
    image.SetSpacing(spacing_mm.tolist())
    image.SetDirection((ijk_to_lps[:3, :3] / spacing_mm).ravel().tolist())
    image.SetOrigin(ijk_to_lps[:3, 3].tolist())
    return image


def is_sheared(ijk_to_lps: np.ndarray, shape: tuple[int, ...]) -> bool:
    """Whether the axes are so far from perpendicular, as with a tilted gantry, that straightening them moves voxels.

    Args:
        ijk_to_lps: (4, 4), from voxel index to LPS in mm.
        shape: (k, j, i) of the voxels; the farthest of them decides.
    """
    spacing_mm = np.linalg.norm(ijk_to_lps[:3, :3], axis=0)
    # The nearest perpendicular axes, which is what NIfTI's quaternion can hold: the polar factor.
    rotation, _, axes = np.linalg.svd(ijk_to_lps[:3, :3] / spacing_mm)
    straightened = rotation @ axes * spacing_mm
    moved_mm = np.abs(ijk_to_lps[:3, :3] - straightened) @ (np.asarray(shape[2::-1]) - 1)
    return bool(np.linalg.norm(moved_mm) > SAME_GRID_MM)


@contextmanager
def in_words() -> Iterator[None]:
    """ITK's complaints on reading a file.

    Raises:
        InputError: the file is to blame; the sentence says "it".
        SAMedError: there is too little memory.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        said = str(error).lower()
        if isinstance(error, MemoryError) or "allocate" in said or "bad_alloc" in said:
            raise SAMedError("there is too little memory to read this scan: free some, or crop the scan.") from error
        if "orthonormal" in said:
            raise InputError("it has sheared axes, which NIfTI readers disagree about: save it as .nrrd.") from error
        if "spacing" in said or "direction" in said:
            raise InputError("its header has nonsense as its spacing or directions: export it again.") from error
        raise InputError("it is not an image that can be read: choose a scan as NIfTI, NRRD, MHA or DICOM.") from error
