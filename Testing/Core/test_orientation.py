"""Turning there and back, to the last bit, and the words of what cannot be turned."""

import itertools
import re

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from SAMedCore.errors import InputError
from SAMedCore.image.grid import Grid
from SAMedCore.image.labels import LabelTable
from SAMedCore.image.orientation import axes_of, orientation_of, reorient, restore_orientation, turned_grid
from SAMedCore.image.placement import placed_on
from SAMedCore.image.volume import LabelMap


def a_label_map(seed: int = 0) -> LabelMap:
    """Of spacings and a place that no float holds exactly."""
    draw = np.random.default_rng(seed)
    matrix = np.diag([*draw.uniform(0.3, 3, 3), 1.0])
    matrix[:3, 3] = draw.uniform(-300, 300, 3)
    return LabelMap(draw.integers(0, 2, (4, 5, 6)).astype(np.uint8), matrix, LabelTable.generic([1]))


@pytest.mark.parametrize("code", ["RAI", "SRA", "IPL", "LPS"])
def test_what_comes_back_lies_on_the_very_same_matrix(code):
    """Flipping twice adds and takes away, and would be off by some bits."""
    for seed in range(20):
        stored = a_label_map(seed)
        back = restore_orientation(reorient(stored, code), stored.grid)
        assert np.array_equal(back.ijk_to_lps, stored.ijk_to_lps)
        assert np.array_equal(back.voxels, stored.voxels)


def test_what_was_made_from_another_volume_does_not_come_back():
    said = "the label map does not lie on the volume's voxels: pass the volume that it was made from."
    with pytest.raises(InputError, match=f"^{re.escape(said)}$"):
        restore_orientation(a_label_map(1), a_label_map(2).grid)


def test_what_lies_between_the_voxels_is_not_placed():
    image = a_label_map()
    between = image.ijk_to_lps.copy()
    between[0, 3] += 0.5 * image.grid.spacing_mm[0]
    said = "the label map's voxels do not coincide with the volume's: export it on the volume's own grid."
    with pytest.raises(InputError, match=f"^{re.escape(said)}$"):
        placed_on(image, Grid(image.grid.shape, between))


@pytest.mark.parametrize("code", ["LPX", "LP", "LPSS", "LLS", "LRS", "", "S"])
def test_what_is_no_orientation_is_refused_with_an_example(code):
    said = f'unknown orientation "{code}": use three letters, one each of L or R, P or A, S or I, for example LPS.'
    with pytest.raises(InputError, match=f"^{re.escape(said)}$"):
        axes_of(code)


def test_letters_may_be_small():
    assert axes_of("ial") == axes_of("IAL") == [2, 1, 0]
    image = a_label_map()
    assert reorient(image, "lps") is image
    assert np.array_equal(reorient(image, "rai").voxels, reorient(image, "RAI").voxels)


@pytest.mark.parametrize("code", ["LPS", "RAI", "SRA", "PIL"])
def test_a_turned_grid_is_that_of_the_turned_image(code):
    image = a_label_map()
    grid, wanted = turned_grid(image.grid, code), reorient(image, code).grid
    assert (grid.shape, grid.ijk_to_lps.tolist()) == (wanted.shape, wanted.ijk_to_lps.tolist())
    assert orientation_of(grid) == code


def test_a_grid_turned_by_exactly_45_degrees_has_one_orientation_however_it_is_stored():
    root = np.sqrt(0.5)
    for sign in (1, -1):
        matrix = np.eye(4)
        matrix[:2, :2] = [[root, -sign * root], [sign * root, root]]
        image = LabelMap(np.arange(60, dtype=np.uint8).reshape(3, 4, 5) % 2, matrix, LabelTable.generic([1]))
        turned = [reorient(reorient(image, code), "LPS") for code in ("LPS", "RAI", "SRA", "PIL", "ALS")]
        assert {each.voxels.tobytes() for each in turned} == {turned[0].voxels.tobytes()}
        assert all(np.allclose(each.ijk_to_lps, turned[0].ijk_to_lps) for each in turned)


def test_a_column_that_points_between_the_axes_is_the_nearest_ones():
    grid = Grid((2, 2, 2), np.array([[0.9, 0.3, 0, 0], [-0.3, -0.9, 0, 0], [0, 0, -2, 0], [0, 0, 0, 1]]))
    assert orientation_of(grid) == "LAI"


def turned_about(axis: int, degrees: float, spacing_mm=(1.0, 1.0, 1.0)) -> Grid:
    """A volume in LPS, turned about one of the body's axes."""
    matrix, (first, second) = np.eye(4), [each for each in range(3) if each != axis]
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix[[first, second, first, second], [first, second, second, first]] = cosine, cosine, -sine, sine
    matrix[:3, :3] *= spacing_mm
    return Grid((4, 5, 6), matrix)


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("degrees", [-44, -42, -1, 1, 42, 44])
@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0, 1.0), (0.4, 0.7, 5.0), (5.0, 0.7, 0.4)])
def test_the_nearest_axes_are_those_at_less_than_45_degrees_whatever_the_spacing(axis, degrees, spacing_mm):
    assert orientation_of(turned_about(axis, degrees, spacing_mm)) == "LPS"


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("degrees", [-46, 46])
def test_beyond_45_degrees_two_axes_change_places(axis, degrees):
    code = orientation_of(turned_about(axis, degrees))
    assert code[axis] == "LPS"[axis]
    assert all(code[each] != "LPS"[each] for each in range(3) if each != axis)


def test_the_spacing_has_no_say_in_how_an_oblique_volume_lies():
    for rotation in Rotation.random(200, random_state=0).as_matrix():
        matrices = np.eye(4), np.eye(4)
        for matrix, spacing_mm in zip(matrices, ((1.0, 1.0, 1.0), (0.3, 1.0, 7.0)), strict=True):
            matrix[:3, :3] = rotation * spacing_mm
        assert len({orientation_of(Grid((2, 3, 4), matrix)) for matrix in matrices}) == 1


@pytest.mark.parametrize("axis", range(3))
@pytest.mark.parametrize("degrees", [-45, 45])
def test_at_45_degrees_every_way_of_storing_a_volume_gives_the_same_view(axis, degrees):
    image = LabelMap(a_label_map().voxels, turned_about(axis, degrees).ijk_to_lps, LabelTable.generic([1]))
    seen = reorient(image, "LPS")
    for letters in itertools.permutations(("LR", "PA", "SI")):
        for code in map("".join, itertools.product(*letters)):
            again = reorient(reorient(image, code), "LPS")
            assert np.allclose(again.ijk_to_lps, seen.ijk_to_lps, atol=1e-9)
            assert np.array_equal(again.voxels, seen.voxels)
