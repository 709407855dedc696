"""Lesions made in the sample CT: its noise kept, soft edges; where they lie and how much they stand out is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.ndimage import distance_transform_edt, zoom

from SAMedCore.demo.sample import fetch_sample_files
from SAMedCore.files.read import read_labelmap, read_volume
from SAMedCore.image.orientation import turned_view
from SAMedCore.image.volume import Volume

PLACES = {"liver": (5,), "kidney": (2, 3), "muscle": (88, 89), "border": (5,)}
"""Where lesions lie, and TotalSegmentator's values of it; the muscle is the iliopsoas, the border the liver's."""

SLICES = np.arange(71, 95)
"""Of the sample, from the feet: those that hold liver, kidneys and muscle alike."""

SOFT_MM = 2.0
"""Over which a lesion's edge fades."""

ELONGATED = 1.4
"""The long semi-axis is the radius times this, the short one the radius divided by it."""


@dataclass(frozen=True)
class Kind:
    """What a lesion looks like: `contrast_hu` is negative for a dark one."""

    radius_mm: float
    contrast_hu: float
    is_long: bool


KINDS = [Kind(*each) for each in product((4, 6, 9, 15), (25, -25, 40, -40, 60, -60), (False, True))]


@dataclass(frozen=True, eq=False)
class Lesion:
    """A lesion on the slice k, from the feet: `truth` (j, i) bool; x y of its centre and of a point a third of a radius off."""

    place: str
    kind: Kind
    k: int
    truth: np.ndarray
    centre: tuple[int, int]
    off_centre: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Labelled:
    """A volume and TotalSegmentator's values (k, j, i), both in the orientation LPS."""

    volume: Volume
    classes: np.ndarray

    @property
    def spacing_mm(self) -> np.ndarray:
        """Along k, j and i."""
        return np.array(self.volume.grid.spacing_mm[::-1])


def sample() -> Labelled:
    """The sample CT with all classes of its labels."""
    image, labels = fetch_sample_files()
    return Labelled(turned_view(read_volume(image), "LPS"), turned_view(read_labelmap(labels), "LPS").voxels)


def part(scan: Labelled, first: int, last: int) -> Labelled:
    """The slices from first to last."""
    matrix = scan.volume.ijk_to_lps.copy()
    matrix[:3, 3] += matrix[:3, 2] * first
    return Labelled(Volume(scan.volume.voxels[first : last + 1], matrix), scan.classes[first : last + 1])


def finer(scan: Labelled, spacing_mm: Sequence[float], noise_hu: float = 12.0) -> Labelled:
    """The scan with about this spacing along k, j and i; the noise that a finer scan has is added."""
    factors = scan.spacing_mm / spacing_mm
    voxels = zoom(scan.volume.voxels.astype(np.float32), factors, order=3, mode="nearest", grid_mode=True)
    voxels += np.random.default_rng(0).normal(0, noise_hu, voxels.shape).astype(np.float32)
    step = np.array(scan.classes.shape[::-1]) / np.array(voxels.shape[::-1])
    matrix = scan.volume.ijk_to_lps.copy()
    matrix[:3, 3] += matrix[:3, :3] @ (step / 2 - 0.5)
    matrix[:3, :3] *= step
    return Labelled(Volume(voxels, matrix), zoom(scan.classes, factors, order=0, mode="nearest", grid_mode=True))


def with_lesions(scan: Labelled, kinds: Sequence[Kind], slices: Sequence[int], seed: int) -> tuple[Volume, list[Lesion]]:
    """One kind a slice, there once in each place where there is room."""
    random = np.random.default_rng(seed)
    voxels, lesions = scan.volume.voxels.astype(np.float32), []
    for kind, k in zip(kinds, random.permutation(slices), strict=False):
        taken = np.zeros(voxels.shape[1:], bool)
        for place, values in PLACES.items():
            organ = np.isin(scan.classes[k], values)
            depth = distance_transform_edt(np.pad(organ, 1), scan.spacing_mm[1:])[1:-1, 1:-1]
            near = organ & (depth <= max(0.6 * kind.radius_mm, scan.spacing_mm[1]))
            if place != "border":
                near = depth > min(kind.radius_mm, 0.7 * depth.max())
            room = distance_transform_edt(~taken, scan.spacing_mm[1:]) > 2.5 * kind.radius_mm if taken.any() else ~taken
            rows, columns = np.nonzero(near & room & ~taken)
            if not len(rows):
                continue
            n = random.integers(len(rows))
            at = np.array([rows[n], columns[n]]) + random.uniform(-0.4, 0.4, 2)
            inside, share = ellipse(voxels.shape[1:], scan.spacing_mm[1:], at, kind, random.uniform(0, np.pi))
            voxels[k] += kind.contrast_hu * share * organ
            angle = random.uniform(0, 2 * np.pi)
            off = at + kind.radius_mm / 3 * np.array([np.sin(angle), np.cos(angle)]) / scan.spacing_mm[1:]
            truth = inside & organ
            (y, x), (off_y, off_x) = (np.rint(each).astype(int) for each in (at, off))
            if truth[y, x]:
                lesions.append(Lesion(place, kind, int(k), truth, (x, y), (off_x, off_y) if truth[off_y, off_x] else (x, y)))
            taken |= share > 0
    return Volume(voxels, scan.volume.ijk_to_lps), lesions


def ellipse(
    shape: Sequence[int], spacing_mm: np.ndarray, at: np.ndarray, kind: Kind, angle: float
) -> tuple[np.ndarray, np.ndarray]:
    """Which pixels or voxels belong to an ellipse or ellipsoid, bool, and how much of each its soft edge leaves, 0 to 1.

    The first axis of three is round, the other two are turned by the angle.
    """
    long = kind.radius_mm * (ELONGATED if kind.is_long else 1.0)
    short = kind.radius_mm / (ELONGATED if kind.is_long else 1.0)
    places = [(np.arange(n) - centre) * mm for n, centre, mm in zip(shape, at, spacing_mm, strict=True)]
    grid = np.meshgrid(*places, indexing="ij")
    y, x = grid[-2:]
    squares = ((x * np.cos(angle) + y * np.sin(angle)) / long) ** 2 + ((y * np.cos(angle) - x * np.sin(angle)) / short) ** 2
    if len(grid) == 3:
        squares += (grid[0] / kind.radius_mm) ** 2
    radii = np.sqrt(squares)
    return radii <= 1, np.clip(0.5 + (1 - radii) * kind.radius_mm / SOFT_MM, 0, 1)
