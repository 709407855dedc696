"""Turning images: axes permuted and flipped, no voxel value touched.

An orientation is a code of three letters, as in "LPS": the directions in the patient (Left or Right, Anterior or
Posterior, Superior or Inferior) towards which i, j and k increase. However a scan was stored, the same code gives the
same array.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np

from SAMedCore.errors import InputError
from SAMedCore.image.grid import Grid, same_grid
from SAMedCore.image.volume import AnyImage, Image

TOWARDS = ("LR", "PA", "SI")
"""Per LPS axis, the letters of its increasing and decreasing direction."""


def orientation_of(grid: Grid) -> str:
    """The code of the directions towards which i, j and k increase; for oblique grids those of the nearest axes."""
    directions = grid.ijk_to_lps[:3, :3] / np.asarray(grid.spacing_mm)
    # Each of i, j, k gets an LPS axis of its own. At exactly 45 degrees two choices are equally near; the products of
    # components decide then, because they are the same whichever way the axes are ordered or flipped.
    products = directions * np.roll(directions, -1, axis=0)

    def nearness(lps_axes: tuple[int, ...]) -> tuple[float, ...]:
        cosines = sum(abs(directions[axis, column]) for column, axis in enumerate(lps_axes))
        ties = (products[axis, column] for axis, column in sorted(zip(lps_axes, range(3), strict=True)))
        return (round(float(cosines), 6), *(round(float(tie), 6) for tie in ties))

    nearest = max(permutations(range(3)), key=nearness)
    return "".join(TOWARDS[axis][int(directions[axis, column] < 0)] for column, axis in enumerate(nearest))


def axes_of(code: str) -> list[int]:
    """The LPS axes along which i, j and k run in the orientation of this code.

    Raises:
        InputError: the code does not name each of the three body axes once.
    """
    axes = [axis for letter in code.upper() for axis, letters in enumerate(TOWARDS) if letter in letters]
    if len(code) != 3 or sorted(axes) != [0, 1, 2]:
        raise InputError(
            f'unknown orientation "{code}": use three letters, one each of L or R, P or A, S or I, for example LPS.'
        )
    return axes


def reorient(image: AnyImage, code: str) -> AnyImage:
    """The same image with its axes permuted and flipped so that i, j, k increase towards the letters of `code`.

    Args:
        image: a volume or label map in any orientation; oblique ones keep their obliqueness.
        code: for example "LPS", "RPS" or "RAS", the letters in the order i, j, k.

    Returns:
        The image itself where it has that orientation, else a new one with contiguous voxels. No voxel is resampled.

    Raises:
        InputError: the code does not name each of the three body axes once.
    """
    turned = turned_view(image, code)
    return turned if turned is image else replace(turned, voxels=np.ascontiguousarray(turned.voxels))


def turned_view(image: AnyImage, code: str) -> AnyImage:
    """As `reorient`, but the voxels are a view: what is written to them is written to the image."""
    wanted = axes_of(code)
    current = orientation_of(image.grid)
    if current == code.upper():
        return image
    present = axes_of(current)
    sources = [present.index(axis) for axis in wanted]
    voxels = image.voxels.transpose([2 - source for source in reversed(sources)])
    matrix = np.eye(4)
    matrix[:3, 3] = image.ijk_to_lps[:3, 3]
    for axis, source in enumerate(sources):
        step = image.ijk_to_lps[:3, source]
        flipped = current[source] != code.upper()[axis]
        matrix[:3, axis] = -step if flipped else step
        if flipped:
            voxels = np.flip(voxels, 2 - axis)
            matrix[:3, 3] += step * (voxels.shape[2 - axis] - 1)
    return replace(image, voxels=voxels, ijk_to_lps=matrix)


def turned_grid(grid: Grid, code: str) -> Grid:
    """The grid of `reorient`'s answer, for an image on this grid."""
    no_voxels = np.broadcast_to(np.uint8(0), grid.shape)
    return turned_view(Image(no_voxels, grid.ijk_to_lps), code).grid


def restore_orientation(image: AnyImage, like: Grid) -> AnyImage:
    """What was made from a reoriented volume, its label map above all, back in the order in which the volume was stored.

    Returns:
        The image on exactly the grid `like`, its matrix the very same.

    Raises:
        InputError: the two do not cover the same voxels in the patient.
    """
    restored = reorient(image, orientation_of(like))
    if not same_grid(restored.grid, like):
        raise InputError("the label map does not lie on the volume's voxels: pass the volume that it was made from.")
    return replace(restored, ijk_to_lps=like.ijk_to_lps)
