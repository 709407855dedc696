"""CT volumes and label maps, each with the place of its voxels in the patient.

Arrays are in (k, j, i) order, as numpy and SimpleITK have them; the matrices take (i, j, k) to LPS in mm.

An orientation is a code of three letters, as in "LPS": the directions in the patient (Left or Right, Anterior or
Posterior, Superior or Inferior) towards which i, j and k increase. Going from one to another permutes and flips axes
and touches no voxel value, so that the same scan gives the same array however it was stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from pathlib import Path
from typing import TypeVar

import numpy as np

from SAMedCore.errors import InputError
from SAMedCore.labels import LabelTable

SAME_GRID_MM = 0.01
"""How far two voxels may lie apart and still count as the same: well above what float32 headers (NIfTI) lose."""

TOWARDS = ("LR", "PA", "SI")
"""Per LPS axis, the letters of its increasing and decreasing direction."""


@dataclass(frozen=True, eq=False)
class Grid:
    """Voxels and their place in the patient; what volumes and label maps share.

    Attributes:
        voxels: (k, j, i), at least one voxel along each axis.
        ijk_to_lps: (4, 4) float64, from voxel index to LPS in mm.

    Raises:
        InputError: the array is not three-dimensional or empty, the matrix is not finite, affine and invertible.
    """

    voxels: np.ndarray
    ijk_to_lps: np.ndarray

    def __post_init__(self) -> None:
        if self.voxels.ndim != 3:
            raise InputError(f"a volume has three dimensions, this one {self.voxels.ndim}: pass one 3D volume.")
        if self.voxels.size == 0:
            raise InputError(f"the volume is empty ({_size(self.voxels.shape)} voxels): pass one with voxels.")
        object.__setattr__(self, "ijk_to_lps", _checked_matrix(self.ijk_to_lps))

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between neighbouring voxels along i, j and k, in mm."""
        i, j, k = (float(length) for length in np.linalg.norm(self.ijk_to_lps[:3, :3], axis=0))
        return i, j, k

    def __str__(self) -> str:
        """The grid in words for an error message: "4 x 5 x 6 voxels of 1 x 1 x 3 mm from (0, 0, 0)", the place in LPS."""
        spacing = " x ".join(f"{mm:.3g}" for mm in self.spacing_mm)
        place = ", ".join(f"{mm:.6g}" for mm in self.ijk_to_lps[:3, 3])
        return f"{_size(self.voxels.shape)} voxels of {spacing} mm from ({place})"


@dataclass(frozen=True, eq=False)
class Volume(Grid):
    """A scalar CT volume.

    Attributes:
        voxels: (k, j, i), HU, any real dtype.
        ijk_to_lps: (4, 4) float64, from voxel index to LPS in mm.

    Raises:
        InputError: as `Grid`, or the voxels are not real numbers.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.voxels.dtype.kind not in "iuf":
            raise InputError(f"the volume's voxels are {self.voxels.dtype}: pass integers or floats (HU).")


@dataclass(frozen=True, eq=False)
class LabelMap(Grid):
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


AnyGrid = TypeVar("AnyGrid", bound=Grid)


def orientation_of(image: Grid) -> str:
    """The code of the directions towards which i, j and k increase; for oblique grids those of the nearest axes."""
    directions = image.ijk_to_lps[:3, :3] / np.asarray(image.spacing_mm)
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


def reorient(image: AnyGrid, code: str) -> AnyGrid:
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


def turned_view(image: AnyGrid, code: str) -> AnyGrid:
    """As `reorient`, but the voxels are a view: what is written to them is written to the image."""
    wanted = axes_of(code)
    current = orientation_of(image)
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


def part_of_slices(image: Grid, code: str, first: int, last: int) -> tuple[slice, slice, slice]:
    """Where the slices `first` to `last`, both included and counted along k in the orientation `code`, lie in the image.

    Returns:
        the part of `image.voxels` along its own k, j and i.
    """
    current = orientation_of(image)
    source = axes_of(current).index(axes_of(code)[2])
    length = image.voxels.shape[2 - source]
    if current[source] != code.upper()[2]:
        first, last = length - 1 - last, length - 1 - first
    k, j, i = (slice(0, size) for size in image.voxels.shape)
    along = slice(first, last + 1)
    return (along, j, i) if source == 2 else (k, along, i) if source == 1 else (k, j, along)


def axial_count(image: Grid) -> int:
    """How many axial slices the image has."""
    return image.voxels.shape[2 - axes_of(orientation_of(image)).index(2)]


def from_the_feet(slices: Iterable[int], count: int, code: str) -> list[int]:
    """Axial slices counted from the feet as they are counted along k in the orientation `code`, and the other way round.

    Args:
        count: how many axial slices there are.

    Raises:
        InputError: k does not run along the body in that orientation.
    """
    if code == "auto" or code.upper()[2] == "S":
        return list(slices)
    if code.upper()[2] != "I":
        raise InputError(
            f'the model works on slices in orientation "{code}", which are not axial: leave out the slice numbers.'
        )
    return [count - 1 - k for k in slices]


def check_slices(slices: Sequence[int], count: int) -> None:
    """Raises InputError where there is no slice among `slices`, or one that is not among the `count` slices of a volume."""
    if len(slices) == 0 or min(slices) < 0 or max(slices) >= count:
        given = f"{slices.start}:{slices.stop}" if isinstance(slices, range) else ", ".join(map(str, slices)) or "none"
        raise InputError(f"slices {given}: the volume has the slices 0:{count}, counted from the feet; name only these.")


def restore_orientation(image: AnyGrid, like: Grid) -> AnyGrid:
    """What was made from a reoriented volume, its label map above all, back in the order in which the volume was stored.

    Returns:
        The image on exactly the grid of `like`, its matrix the very same.

    Raises:
        InputError: the two do not cover the same voxels in the patient.
    """
    restored = reorient(image, orientation_of(like))
    if not same_grid(restored, like):
        raise InputError("the label map does not lie on the volume's voxels: pass the volume that it was made from.")
    return replace(restored, ijk_to_lps=like.ijk_to_lps)


def placed_on(labelmap: LabelMap, like: Grid) -> LabelMap:
    """A label map stored on a part of a volume's grid, or in another axis order, on the volume's whole grid.

    Slicer may save a segmentation cropped to what is drawn, and many programs leave empty slices out of a DICOM SEG.

    Returns:
        The label map on exactly the grid of `like`, 0 where it had no voxel. No voxel is resampled.

    Raises:
        InputError: its voxels do not coincide with voxels of `like`.
    """
    moved = reorient(labelmap, orientation_of(like))
    start = _start(moved, like)
    if not same_grid(moved, replace(moved, ijk_to_lps=_from(like.ijk_to_lps, start))):
        raise InputError("the label map's voxels do not coincide with the volume's: export it on the volume's own grid.")
    voxels = np.zeros(like.voxels.shape, labelmap.voxels.dtype)
    target, origin = [], []
    for first, length, room in zip(start[::-1], moved.voxels.shape, voxels.shape, strict=True):
        begin, end = max(first, 0), max(min(first + length, room), 0)
        target.append(slice(begin, max(begin, end)))
        origin.append(slice(begin - first, max(begin, end) - first))
    voxels[tuple(target)] = moved.voxels[tuple(origin)]
    return replace(labelmap, voxels=voxels, ijk_to_lps=like.ijk_to_lps)


def on_common_extent(first: LabelMap, second: LabelMap) -> tuple[LabelMap, LabelMap]:
    """Both label maps on the smallest grid that holds the voxels of both; nothing is cut off and no voxel resampled.

    Raises:
        InputError: their voxels do not coincide.
    """
    second = reorient(second, orientation_of(first))
    begin = _start(second, first)
    start = np.minimum(begin, 0)
    end = np.maximum(begin + second.voxels.shape[::-1], first.voxels.shape[::-1])
    extent = Grid(np.broadcast_to(np.uint8(0), (end - start)[::-1]), _from(first.ijk_to_lps, start))
    placed = placed_on(second, extent)
    return placed_on(first, extent), placed


def same_grid(first: Grid, second: Grid) -> bool:
    """Whether both have the same number of voxels along i, j and k, at the same places within `SAME_GRID_MM`."""
    if first.voxels.shape != second.voxels.shape:
        return False
    last = np.asarray(first.voxels.shape[::-1]) - 1
    corners = np.array([[*(last * corner), 1] for corner in np.ndindex(2, 2, 2)]).T
    apart_mm = ((first.ijk_to_lps - second.ijk_to_lps) @ corners)[:3]
    return bool(np.linalg.norm(apart_mm, axis=0).max() <= SAME_GRID_MM)


def read_volume(path: Path | str) -> Volume:
    """See `SAMedCore.formats.read_volume`."""
    from SAMedCore import formats

    return formats.read_volume(path)


def read_labelmap(path: Path | str, labels: LabelTable | None = None) -> LabelMap:
    """See `SAMedCore.formats.read_labelmap`."""
    from SAMedCore import formats

    return formats.read_labelmap(path, labels)


def write_labelmap(labelmap: LabelMap, path: Path | str, source: Path | str | None = None) -> None:
    """See `SAMedCore.formats.write_labelmap`."""
    from SAMedCore import formats

    formats.write_labelmap(labelmap, path, source)


def _start(part: Grid, whole: Grid) -> np.ndarray:
    """(3,) int: the voxel i, j, k of `whole` that is nearest to the first one of `part`, inside or outside."""
    return np.rint(np.linalg.solve(whole.ijk_to_lps, part.ijk_to_lps)[:3, 3]).astype(int)


def _from(ijk_to_lps: np.ndarray, start: np.ndarray) -> np.ndarray:
    """The matrix of a grid that begins at the voxel `start` (i, j, k) of another one."""
    matrix = ijk_to_lps.copy()
    matrix[:3, 3] += matrix[:3, :3] @ start
    return matrix


def _checked_matrix(matrix: np.ndarray) -> np.ndarray:
    checked = np.array(matrix, np.float64)
    if checked.shape != (4, 4) or not np.isfinite(checked).all():
        raise InputError("the volume's IJK-to-LPS matrix is not 4 x 4 finite numbers: repair the file's geometry.")
    lengths = np.linalg.norm(checked[:3, :3], axis=0)
    flat = lengths.min() == 0 or abs(np.linalg.det(checked[:3, :3] / lengths)) < 1e-3
    if flat or not np.array_equal(checked[3], (0, 0, 0, 1)):
        raise InputError("the volume's IJK-to-LPS matrix cannot be inverted: repair the file's spacing and directions.")
    checked.setflags(write=False)
    return checked


def _label_voxels(voxels: np.ndarray) -> np.ndarray:
    if voxels.dtype == np.uint8:
        return voxels
    if voxels.dtype.kind not in "iub":
        raise InputError(f"label values are {voxels.dtype}: a label map holds integers from 0 to 65535.")
    lowest, highest = int(voxels.min()), int(voxels.max())
    if lowest < 0 or highest > 65535:
        raise InputError(f"label values reach from {lowest} to {highest}: a label map holds integers from 0 to 65535.")
    return voxels.astype(np.uint8 if highest <= 255 else np.uint16, copy=False)


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(str(length) for length in reversed(shape))
