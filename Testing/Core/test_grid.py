"""What a grid is, in words and in numbers, and what is none."""

import re

import numpy as np
import pytest

from SAMedCore.errors import InputError
from SAMedCore.image.grid import SAME_GRID_MM, Grid, same_grid

MATRIX = np.array([[0.5, 0, 0, -10], [0, 2, 0, 20.25], [0, 0, 3, 1234567], [0, 0, 0, 1]])


def turned(**changes) -> np.ndarray:
    """The matrix with other numbers in it, by row and column."""
    matrix = MATRIX.copy()
    for place, number in changes.items():
        matrix[int(place[1]), int(place[2])] = number
    return matrix


def test_a_grid_in_words():
    assert str(Grid((4, 5, 6), MATRIX)) == "6 x 5 x 4 voxels of 0.5 x 2 x 3 mm from (-10, 20.25, 1.23457e+06)"
    assert str(Grid((1, 1, 1), turned(m00=1 / 3))).startswith("1 x 1 x 1 voxels of 0.333 x 2 x 3 mm")


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ((4, 5), "a volume has three dimensions, this one 2: pass one 3D volume."),
        ((4, 5, 6, 7), "a volume has three dimensions, this one 4: pass one 3D volume."),
        ((4, 0, 6), "the volume is empty (6 x 0 x 4 voxels): pass one with voxels."),
    ],
)
def test_a_shape_that_is_no_volumes_is_refused(shape, said):
    with pytest.raises(InputError, match=f"^{re.escape(said)}$"):
        Grid(shape, MATRIX)


@pytest.mark.parametrize(
    ("matrix", "said"),
    [
        (MATRIX[:3], "is not 4 x 4 finite numbers: repair the file's geometry."),
        (turned(m01=np.nan), "is not 4 x 4 finite numbers: repair the file's geometry."),
        (turned(m00=0), "cannot be inverted: repair the file's spacing and directions."),
        (turned(m01=2, m00=1e-9, m11=2e-9), "cannot be inverted: repair the file's spacing and directions."),
        (turned(m01=2, m11=0.0015), "cannot be inverted: repair the file's spacing and directions."),
        (turned(m30=1), "cannot be inverted: repair the file's spacing and directions."),
        (turned(m33=2), "cannot be inverted: repair the file's spacing and directions."),
    ],
)
def test_a_matrix_that_is_no_volumes_is_refused(matrix, said):
    with pytest.raises(InputError, match="^" + re.escape(f"the volume's IJK-to-LPS matrix {said}") + "$"):
        Grid((4, 5, 6), matrix)


def test_a_mirrored_and_a_sheared_matrix_are_a_volumes():
    assert Grid((4, 5, 6), turned(m00=-0.5)).spacing_mm == (0.5, 2.0, 3.0)
    assert Grid((4, 5, 6), turned(m01=2, m11=0.0025)).spacing_mm[0] == 0.5


def test_the_matrix_is_a_copy_that_nobody_changes():
    given = MATRIX.copy()
    grid = Grid((4, 5, 6), given)
    given[0, 0] = 7
    assert grid.ijk_to_lps[0, 0] == 0.5
    assert grid.ijk_to_lps.dtype == np.float64
    with pytest.raises(ValueError, match="read-only"):
        grid.ijk_to_lps[0, 0] = 7


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_the_farthest_voxels_decide_whether_two_grids_are_the_same(axis):
    """A spacing that differs by a little is the more, the more voxels there are."""
    grid = Grid((4, 5, 6), MATRIX)
    last = grid.shape[2 - axis] - 1
    for apart_mm, same in ((0.99 * SAME_GRID_MM, True), (1.01 * SAME_GRID_MM, False)):
        other = MATRIX.copy()
        other[axis, axis] += apart_mm / last
        assert same_grid(grid, Grid(grid.shape, other)) == same


def test_grids_apart_by_exactly_what_is_allowed_are_the_same():
    grid = Grid((1, 1, 1), np.eye(4))
    moved = np.eye(4)
    moved[0, 3] = SAME_GRID_MM
    assert same_grid(grid, Grid((1, 1, 1), moved))


def test_points_and_indices_are_each_others():
    grid = Grid((4, 5, 6), MATRIX)
    assert grid.points_at([[0, 0, 0], [2, 1, 0]]) == [(-10.0, 20.25, 1234567.0), (-9.0, 22.25, 1234567.0)]
    assert grid.indices_of([(-9.5, 21.25, 1234570.0)]).tolist() == [[1.0, 0.5, 1.0]]


def test_a_matrix_of_whole_numbers_becomes_one_of_floats():
    assert Grid((2, 2, 2), np.diag([2, 2, 3, 1])).ijk_to_lps.dtype == np.float64
