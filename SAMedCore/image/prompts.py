"""What a person gives to say where a structure is: boxes and points on slices of a volume, in LPS and mm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from SAMedCore.errors import InputError
from SAMedCore.values import settle

Point = tuple[float, float, float]
"""LPS, mm."""

FARTHEST_MM = 1e9
"""Beyond which no coordinate means a place in a person."""


def _check_finite(points: Sequence[Point], whose: str) -> None:
    if not all(abs(each) <= FARTHEST_MM for point in points for each in point):
        raise InputError(f"a coordinate of {whose} is not a finite number: give LPS coordinates in mm.")


@dataclass(frozen=True)
class SlicePrompt:
    """What a person gives for one structure on one axial slice, in LPS and mm; all of it lies on one slice.

    Attributes:
        box: two opposite corners of a rectangle along the slice's rows and columns, or None.
        points_in: points that belong to the structure.
        points_out: points that do not.

    Raises:
        InputError: nothing is given, a value is of another kind, or a coordinate is not finite or beyond `FARTHEST_MM`.
    """

    box: tuple[Point, Point] | None = None
    points_in: tuple[Point, ...] = ()
    points_out: tuple[Point, ...] = ()

    def __post_init__(self) -> None:
        settle(self)
        if not self.points:
            raise InputError("the prompt is empty: give a box or a point.")
        _check_finite(self.points, "the prompt")

    @property
    def points(self) -> tuple[Point, ...]:
        """All of its points, the box's corners among them."""
        return (*(self.box or ()), *self.points_in, *self.points_out)


@dataclass(frozen=True)
class Limits:
    """Beyond which a structure is not carried on.

    Attributes:
        slices: the first and the last axial slice, both included, from the feet; None for the volume's own.
        box: two opposite corners of a box along the volume's axes, LPS in mm; None for all of each slice.

    Raises:
        InputError: the first slice lies above the last, a value is of another kind, or a coordinate as in `SlicePrompt`.
    """

    slices: tuple[int, int] | None = None
    box: tuple[Point, Point] | None = None

    def __post_init__(self) -> None:
        settle(self)
        if self.slices is not None and self.slices[0] > self.slices[1]:
            raise InputError(f"the limits {self.slices[0]} to {self.slices[1]} are empty: give the lower slice first.")
        _check_finite(self.box or (), "the limits")

    def within(self, first: int, last: int) -> Limits:
        """These limits, and neither below the slice `first` nor above `last`; raises InputError where nothing is left."""
        lowest, highest = self.slices or (first, last)
        return replace(self, slices=(max(first, lowest), min(last, highest)))


NO_LIMITS = Limits()


@dataclass(frozen=True)
class StructurePrompts:
    """What a person gives for one structure of a volume, on any number of slices.

    Raises:
        InputError: no name, no prompt, or a value of another kind.
    """

    name: str
    prompts: tuple[SlicePrompt, ...]
    limits: Limits = NO_LIMITS

    def __post_init__(self) -> None:
        settle(self)
        if not self.name:
            raise InputError("a structure has no name: give it one.")
        if not self.prompts:
            raise InputError(f'"{self.name}" has neither box nor point: give at least one.')
