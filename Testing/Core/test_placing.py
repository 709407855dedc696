"""Masks on a volume's own grid, and back."""

import numpy as np
import pytest
from drawn_prompts import ball_mask, ball_volume
from made_labelmaps import OBLIQUE

from SAMedCore.errors import InputError
from SAMedCore.image.grid import Grid, same_grid
from SAMedCore.image.labels import Label, LabelTable
from SAMedCore.image.orientation import orientation_of, reorient
from SAMedCore.image.placement import placed_on
from SAMedCore.image.volume import LabelMap
from SAMedCore.prompt.placing import labelmap_of_slices, one_slice, slice_of_labelmap

MASK = ball_mask()
LABEL = Label(3, "ball", (1, 2, 3))


@pytest.fixture(params=["LPS", "RAS", "SAR", "PIL", "IRP"])
def grid(request) -> Grid:
    return reorient(ball_volume(rotation=OBLIQUE[:3, :3]), request.param).grid


def test_masks_of_all_slices_come_back_on_the_volumes_own_grid(grid):
    labelmap = labelmap_of_slices(grid, {k: MASK[k] for k in range(24)}, LABEL)
    assert same_grid(labelmap.grid, grid)
    assert labelmap.labels.names == ("ball",)
    np.testing.assert_array_equal(reorient(labelmap, "LPS").voxels, 3 * MASK)
    for k in (0, 7, 23):
        np.testing.assert_array_equal(slice_of_labelmap(labelmap, grid, k, 3), MASK[k])
        assert not slice_of_labelmap(labelmap, grid, k, 2).any()


@pytest.mark.parametrize("k", [0, 7, 23])
def test_one_slice_lies_where_the_volume_has_it(grid, k):
    part = one_slice(grid, k, MASK[k], LABEL)
    assert sorted(part.grid.shape) == sorted((1, 40, 48))
    assert orientation_of(part.grid) == orientation_of(grid)
    whole = labelmap_of_slices(grid, {k: MASK[k]}, LABEL)
    np.testing.assert_array_equal(placed_on(part, grid).voxels, whole.voxels)
    np.testing.assert_array_equal(slice_of_labelmap(part, grid, k, 3), MASK[k])
    assert not slice_of_labelmap(part, grid, (k + 1) % 24, 3).any()


def test_a_part_of_the_grid_is_read_where_it_lies(grid):
    whole = labelmap_of_slices(grid, {k: MASK[k] for k in range(24)}, LABEL)
    matrix = grid.ijk_to_lps.copy()
    matrix[:3, 3] += matrix[:3, :3] @ (1, 2, 3)
    part = LabelMap(whole.voxels[3:, 2:, 1:], matrix, whole.labels)
    for k in (8, 12):
        np.testing.assert_array_equal(slice_of_labelmap(part, grid, k, 3), MASK[k])


def test_a_label_map_between_the_voxels_is_refused(grid):
    matrix = grid.ijk_to_lps.copy()
    matrix[:3, 3] += matrix[:3, 0] / 2
    shifted = LabelMap(np.zeros(grid.shape, np.uint8), matrix, LabelTable((LABEL,)))
    with pytest.raises(InputError, match="do not coincide"):
        slice_of_labelmap(shifted, grid, 3, 3)


def test_values_above_255_are_kept(grid):
    label = Label(300, "ball", (1, 2, 3))
    labelmap = one_slice(grid, 7, MASK[7], label)
    assert labelmap.voxels.max() == 300
