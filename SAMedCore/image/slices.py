"""Axial slices by number: 0 is the lowest, at the feet, however the scan is stored. Only here are numbers converted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import heapify, heappop, heappush
from itertools import pairwise

from SAMedCore.errors import InputError
from SAMedCore.image.grid import Grid
from SAMedCore.image.orientation import axes_of, orientation_of


def axial_axis(grid: Grid) -> tuple[int, bool]:
    """Along which of i, j, k (0, 1, 2) the axial slices are stacked, and whether that index counts from the feet."""
    code = orientation_of(grid)
    axis = axes_of(code).index(2)
    return axis, code[axis] == "S"


def axial_count(grid: Grid) -> int:
    """How many axial slices there are."""
    axis, _ = axial_axis(grid)
    return grid.shape[2 - axis]


def along_axis(slices: Iterable[int], grid: Grid) -> list[int]:
    """Axial slices counted from the feet as the grid's own axial axis counts them, and the other way round."""
    _axis, upwards = axial_axis(grid)
    return from_the_feet(slices, axial_count(grid), "LPS" if upwards else "LPI")


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


def chosen_along_k(slices: Sequence[int] | None, count: int, code: str) -> Sequence[int]:
    """Axial slices counted from the feet, None for all, as they are counted along k in the orientation `code`.

    Raises:
        InputError: as `from_the_feet` and `check_slices`.
    """
    if slices is None:
        return range(count)
    numbers = from_the_feet(slices, count, code)
    check_slices(slices, count)
    return numbers


def check_slices(slices: Sequence[int], count: int) -> None:
    """Raises InputError where there is no slice among `slices`, or one that is not among the `count` slices of a volume."""
    ends = (slices[0], slices[-1]) if isinstance(slices, range) and slices else slices  # a range may be endless
    if len(ends) == 0 or min(ends) < 0 or max(ends) >= count:
        raise InputError(
            f"slices {in_words(slices)}: the volume has the slices 0:{count}, counted from the feet; name only these."
        )


def widest_gaps_first(annotated: Iterable[int], within: range) -> list[int]:
    """The slices of `within` that are not annotated, in the order in which to annotate them so that they lie evenly.

    Each is the middle, of two the lower, of the widest gap that the annotated ones and those before it leave; of gaps as wide
    the lowest comes first. What lies beyond the outermost annotated slice is a gap like any other.
    """
    edges = sorted({within.start - 1, *(k for k in annotated if k in within), within.stop})
    gaps = [(below - above, below) for below, above in pairwise(edges) if above - below > 1]
    heapify(gaps)
    order = []
    while gaps:
        negative_width, below = heappop(gaps)
        above = below - negative_width
        middle = (below + above) // 2
        order.append(middle)
        for low, high in ((below, middle), (middle, above)):
            if high - low > 1:
                heappush(gaps, (low - high, low))
    return order


def in_words(slices: Sequence[int]) -> str:
    """ "52:112" for slices without a gap, else "52, 58, 64", or "none"."""
    whole = range(slices[0], slices[-1] + 1) if len(slices) > 1 else range(0)
    if len(whole) == len(slices) > 1 and (slices == whole or list(slices) == list(whole)):
        return f"{slices[0]}:{slices[-1] + 1}"
    return ", ".join(map(str, slices)) or "none"


def part_of_slices(grid: Grid, code: str, first: int, last: int) -> tuple[slice, slice, slice]:
    """Where the slices `first` to `last`, both included and counted along k in the orientation `code`, lie on the grid.

    Returns:
        the part of the voxels along the grid's own k, j and i.
    """
    current = orientation_of(grid)
    source = axes_of(current).index(axes_of(code)[2])
    length = grid.shape[2 - source]
    if current[source] != code.upper()[2]:
        first, last = length - 1 - last, length - 1 - first
    part = [slice(0, size) for size in grid.shape]
    part[2 - source] = slice(first, last + 1)
    return part[0], part[1], part[2]
