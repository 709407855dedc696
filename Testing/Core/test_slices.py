"""Slice numbers from the feet, in words and on grids of any orientation."""

import numpy as np
import pytest

from SAMedCore.errors import InputError
from SAMedCore.image.grid import Grid
from SAMedCore.image.orientation import turned_grid
from SAMedCore.image.slices import (
    along_axis,
    axial_axis,
    axial_count,
    check_slices,
    chosen_along_k,
    from_the_feet,
    in_words,
    part_of_slices,
    widest_gaps_first,
)

ONLY_THESE = r"the volume has the slices 0:4, counted from the feet; name only these\."

LPS = Grid((4, 5, 6), np.diag([1.0, 2.0, 3.0, 1.0]))


@pytest.mark.parametrize(
    ("code", "axis", "upwards"),
    [("LPS", 2, True), ("LPI", 2, False), ("LSP", 1, True), ("RIA", 1, False), ("SLP", 0, True), ("IPL", 0, False)],
)
def test_axial_slices_are_found_on_any_axis(code, axis, upwards):
    grid = turned_grid(LPS, code)
    assert axial_axis(grid) == (axis, upwards)
    assert axial_count(grid) == 4
    assert along_axis([0, 1], grid) == ([0, 1] if upwards else [3, 2])


@pytest.mark.parametrize(
    ("code", "part"),
    [
        ("LPS", (slice(1, 3), slice(0, 5), slice(0, 6))),
        ("LPI", (slice(1, 3), slice(0, 5), slice(0, 6))),
        ("LSP", (slice(0, 5), slice(1, 3), slice(0, 6))),
        ("SLP", (slice(0, 5), slice(0, 6), slice(1, 3))),
    ],
)
def test_a_part_of_the_slices_lies_there_on_the_grid(code, part):
    assert part_of_slices(turned_grid(LPS, code), "LPS", 1, 2) == part


@pytest.mark.parametrize(
    ("code", "first", "last", "there"), [("LPS", 0, 0, slice(0, 1)), ("lpi", 0, 0, slice(3, 4)), ("LPI", 0, 2, slice(1, 4))]
)
def test_the_ends_of_a_part_are_included_whichever_way_it_is_counted(code, first, last, there):
    assert part_of_slices(LPS, code, first, last)[0] == there


@pytest.mark.parametrize(
    ("code", "wanted"), [("LPS", [0, 3]), ("lps", [0, 3]), ("auto", [0, 3]), ("LPI", [3, 0]), ("rai", [3, 0])]
)
def test_numbers_are_turned_where_k_counts_from_the_head(code, wanted):
    assert from_the_feet((0, 3), 4, code) == wanted
    assert list(chosen_along_k((0, 3), 4, code)) == wanted


def test_all_slices_need_no_numbers():
    assert chosen_along_k(None, 4, "LPI") == range(4)


def test_slices_that_are_not_axial_have_no_numbers():
    said = '^the model works on slices in orientation "LSP", which are not axial: leave out the slice numbers.$'
    with pytest.raises(InputError, match=said):
        from_the_feet([0], 4, "LSP")


@pytest.mark.parametrize(
    ("slices", "words"),
    [
        ([], "none"),
        ((-1,), "-1"),
        ((4,), "4"),
        (range(2, 5), "2:5"),
        (range(-1, 1), "-1:1"),
        ((0, 9), "0, 9"),
        ((1, 9, 2), "1, 9, 2"),
        ((1, -1, 2), "1, -1, 2"),
        (range(10**12), "0:1000000000000"),
    ],
)
def test_slices_that_the_volume_does_not_have_are_refused(slices, words):
    with pytest.raises(InputError, match=f"^slices {words}: {ONLY_THESE}$"):
        check_slices(slices, 4)
    with pytest.raises(InputError):
        check_slices(range(3, -1, -1), 3)


@pytest.mark.parametrize("slices", [(0,), (3,), (3, 0), range(4), range(3, -1, -1)])
def test_slices_that_it_has_are_taken(slices):
    check_slices(slices, 4)


@pytest.mark.parametrize(
    ("slices", "words"),
    [
        ((), "none"),
        ((5,), "5"),
        ((5, 6), "5:7"),
        ([5, 6], "5:7"),
        (range(5, 9), "5:9"),
        ((5, 7), "5, 7"),
        ((5, 5), "5, 5"),
        ((7, 5, 6), "7, 5, 6"),
        ((5, 7, 7), "5, 7, 7"),
        (range(0, 6, 2), "0, 2, 4"),
        (range(5, 6), "5"),
    ],
)
def test_slices_in_words(slices, words):
    assert in_words(slices) == words


@pytest.mark.parametrize(
    ("annotated", "within", "order"),
    [
        ((), range(7), [3, 1, 5, 0, 2, 4, 6]),
        ((), range(2, 3), [2]),
        ((2,), range(2, 3), []),
        ((0, 3), range(4), [1, 2]),
        ((0, 5), range(6), [2, 3, 1, 4]),
        ((5, 15), range(10, 13), [11, 10, 12]),
    ],
)
def test_the_middle_of_the_widest_gap_comes_first(annotated, within, order):
    assert widest_gaps_first(annotated, within) == order
