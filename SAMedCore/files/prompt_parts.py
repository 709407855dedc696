"""What the files with prompts give piece by piece, put together: one `StructurePrompts` a structure, one prompt a slice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from SAMedCore.errors import InputError
from SAMedCore.image.grid import Grid
from SAMedCore.image.prompts import NO_LIMITS, Limits, Point, SlicePrompt, StructurePrompts

MOST_PARTS = 10_000
"""Boxes and points of one request; a person draws dozens."""


@dataclass(frozen=True)
class Part:
    """What one markup, control point or entry gives for a structure.

    Attributes:
        structure: its name.
        k: the axial slice of the prompt, from the feet.
        prompt: on that slice.
        limits: of the structure.
        stands_in: the prompt is made from the limits, and counts only where no other says where the structure is.
    """

    structure: str
    k: int
    prompt: SlicePrompt
    limits: Limits = NO_LIMITS
    stands_in: bool = False


def slice_of(prompt: SlicePrompt, upright: Grid) -> int:
    """The axial slice, from the feet, on which a prompt lies.

    Args:
        upright: the volume's grid, turned to LPS.

    Raises:
        InputError: it lies on several slices or outside the volume.
    """
    places = np.round(upright.indices_of(prompt.points), 3)
    numbers = nearest_slices(places[:, 2])
    if len(set(numbers)) > 1:
        on = " and ".join(str(k) for k in sorted(set(numbers))[:2])
        raise InputError(f"its points lie on the slices {on}: give each slice a prompt of its own.")
    ends = np.array(upright.shape[::-1]) - 0.5
    corners = len(prompt.box or ())
    inside = np.all((places >= -0.5) & (places < ends), axis=1)
    box = np.sort(places[:corners], axis=0)  # may reach over the slice's edges
    overlaps = not corners or bool(((box[1] >= -0.5) & (box[0] < ends)).all())
    if not (overlaps and inside[corners:].all()):
        point = prompt.points[0 if not overlaps else corners + int(np.argmin(inside[corners:]))]
        raise InputError(f"{in_words(point)} lies outside the volume: give LPS coordinates in mm, and this scan.")
    return numbers[0]


def nearest_slices(indices: np.ndarray) -> list[int]:
    """The slices at these k, from the feet; just between two, where Slicer's views often stand, the upper one."""
    # to a thousandth first, so that what was placed in one view does not fall apart by the last bits of its coordinates
    return np.floor(np.round(indices, 3) + 0.5).astype(int).tolist()


def put_together(parts: Sequence[Part]) -> tuple[StructurePrompts, ...]:
    """All parts of one name as one structure, in the order in which the names come.

    Raises:
        InputError: a structure has on one slice two boxes, or nothing but points that do not belong; or several limits. Or
            there are more than `MOST_PARTS`.
    """
    check_count(parts)
    return tuple(_structure(name, of_one) for name, of_one in _grouped(parts, lambda part: part.structure).items())


def check_count(parts: Sequence[Part]) -> None:
    """Raises InputError where there are more than `MOST_PARTS`."""
    if len(parts) > MOST_PARTS:
        raise InputError(f"there are more than {MOST_PARTS} prompts, which nobody draws: give those of one scan.")


def in_words(point: Point) -> str:
    """ "(12.5, -40, 88.2)"."""
    return f"({', '.join(f'{coordinate:.6g}' for coordinate in point)})"


def _structure(name: str, parts: Sequence[Part]) -> StructurePrompts:
    given = [part for part in parts if not part.stands_in]
    for part in parts:
        if part.stands_in and not any(_says_where(other, part.k) for other in given):
            given.append(part)
    by_slice = _grouped(given, lambda part: part.k)
    prompts = tuple(_prompt(name, k, [part.prompt for part in by_slice[k]]) for k in sorted(by_slice))
    return StructurePrompts(name, prompts, _limits(name, [part.limits for part in parts]))


def _grouped(parts: Sequence[Part], by: Callable[[Part], Any]) -> dict[Any, list[Part]]:
    groups: dict[Any, list[Part]] = {}
    for part in parts:
        groups.setdefault(by(part), []).append(part)
    return groups


def _says_where(part: Part, k: int) -> bool:
    """Whether a box on slice `k` is not needed: there is one, or the structure is shown on another slice."""
    return part.prompt.box is not None or (part.k != k and bool(part.prompt.points_in))


def _prompt(name: str, k: int, prompts: Sequence[SlicePrompt]) -> SlicePrompt:
    boxes = [prompt.box for prompt in prompts if prompt.box is not None]
    if len(boxes) > 1:
        raise InputError(f'"{name}" has {len(boxes)} boxes on slice {k}: keep one on each slice.')
    points_in = tuple(point for prompt in prompts for point in prompt.points_in)
    points_out = tuple(point for prompt in prompts for point in prompt.points_out)
    if not boxes and not points_in:
        raise InputError(f'"{name}" has only points that do not belong on slice {k}: add a box or a point that does.')
    return SlicePrompt(boxes[0] if boxes else None, points_in, points_out)


def _limits(name: str, given: Sequence[Limits]) -> Limits:
    slices = {limits.slices for limits in given} - {None}
    boxes = {limits.box for limits in given} - {None}
    if len(slices) > 1 or len(boxes) > 1:
        raise InputError(f'"{name}" has several limits: keep one ROI or one pair of slices.')
    return Limits(next(iter(slices), None), next(iter(boxes), None))
