"""Images as scanners and programs store them: oblique, anisotropic, cropped, axes in any order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import slicer
import vtk

from SAMedCore.image.orientation import reorient
from SAMedCore.image.slices import part_of_slices
from SAMedCore.image.volume import Image


def oblique(image: Image) -> Image:
    rotation = vtk.vtkTransform()
    rotation.RotateWXYZ(25, 0.3, 1, 0.5)
    return replace(image, ijk_to_lps=slicer.util.arrayFromVTKMatrix(rotation.GetMatrix()) @ image.ijk_to_lps)


def anisotropic(image: Image) -> Image:
    return replace(
        image, voxels=np.ascontiguousarray(image.voxels[::3, :, ::2]), ijk_to_lps=image.ijk_to_lps @ np.diag([2, 1, 3, 1])
    )


def cropped(image: Image) -> Image:
    start = np.eye(4)
    start[:3, 3] = 20, 10, 60
    return replace(image, voxels=np.ascontiguousarray(image.voxels[60:, 10:80, 20:]), ijk_to_lps=image.ijk_to_lps @ start)


def one_slice(image: Image) -> Image:
    start = np.eye(4)
    start[2, 3] = 90
    return replace(image, voxels=np.ascontiguousarray(image.voxels[90:91]), ijk_to_lps=image.ijk_to_lps @ start)


GEOMETRIES: dict[str, Callable[[Image], Image]] = {
    "as it is": lambda image: image,
    "oblique": oblique,
    "anisotropic": anisotropic,
    "cropped": cropped,
    "one slice": one_slice,
    "axes in another order": lambda image: reorient(image, "SRA"),
    "left-handed": lambda image: reorient(image, "LAS"),
    "oblique and anisotropic, other order": lambda image: reorient(oblique(anisotropic(image)), "IPL"),
}


def some_slices(image: Image, first: int, last: int) -> Image:
    """The axial slices `first` to `last`, counted from the feet, whichever axis they are stacked along."""
    k, j, i = part_of_slices(image.grid, "LPS", first, last)
    start = np.eye(4)
    start[:3, 3] = i.start, j.start, k.start
    return replace(image, voxels=np.ascontiguousarray(image.voxels[k, j, i]), ijk_to_lps=image.ijk_to_lps @ start)
