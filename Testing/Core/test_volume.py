"""Orientation and grids: the same patient, however the voxels are stored."""

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from SAMedCore.errors import InputError
from SAMedCore.image.grid import same_grid
from SAMedCore.image.labels import SYNAPSE_ORGANS
from SAMedCore.image.orientation import orientation_of, reorient, restore_orientation, turned_grid, turned_view
from SAMedCore.image.placement import on_common_extent, placed_on
from SAMedCore.image.slices import axial_count, from_the_feet, part_of_slices
from SAMedCore.image.volume import LabelMap, Volume

ALL_CODES = ["".join(letters) for axes in permutations(("LR", "PA", "SI")) for letters in product(*axes)]


def an_image(shape=(4, 5, 6), spacing_mm=(0.7, 0.8, 2.5), rotation_degrees=(0, 0, 0), origin_mm=(-10, 20, 30)) -> Volume:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", rotation_degrees, degrees=True).as_matrix() * spacing_mm
    matrix[:3, 3] = origin_mm
    return Volume(np.arange(np.prod(shape), dtype=np.int16).reshape(shape), matrix)


def lps_by_voxel(image) -> dict[int, np.ndarray]:
    """Where each voxel lies in the patient; the voxels of `an_image` all have different values."""
    k, j, i = np.indices(image.voxels.shape).reshape(3, -1)
    lps_mm = (image.ijk_to_lps @ np.stack([i, j, k, np.ones_like(i)]))[:3].T
    return dict(zip(image.voxels.ravel().tolist(), lps_mm, strict=True))


def test_there_are_48_orientations():
    assert len(set(ALL_CODES)) == 48


@pytest.mark.parametrize("code", ALL_CODES)
@pytest.mark.parametrize("rotation_degrees", [(0, 0, 0), (10, -20, 30), (45, 0, 0)])
def test_every_axis_order_and_flip_gives_the_same_canonical_voxels(code, rotation_degrees):
    image = reorient(an_image(rotation_degrees=rotation_degrees), "LPS")
    stored = reorient(image, code)
    assert orientation_of(stored.grid) == code
    canonical = reorient(stored, "LPS")
    assert np.array_equal(canonical.voxels, image.voxels)
    assert np.allclose(canonical.ijk_to_lps, image.ijk_to_lps, atol=1e-9)
    assert stored.voxels.flags.c_contiguous


@pytest.mark.parametrize("code", ALL_CODES)
def test_a_label_map_goes_back_to_exactly_the_stored_order(code):
    stored = reorient(an_image(rotation_degrees=(5, 6, 7)), code)
    network = reorient(stored, "RPS")
    restored = restore_orientation(LabelMap(network.voxels, network.ijk_to_lps, SYNAPSE_ORGANS), like=stored.grid)
    assert np.array_equal(restored.voxels, stored.voxels)
    assert np.array_equal(restored.ijk_to_lps, stored.ijk_to_lps)
    assert restored.labels is SYNAPSE_ORGANS


@given(
    shape=st.tuples(*[st.integers(1, 5)] * 3),
    spacing_mm=st.tuples(*[st.floats(0.1, 10)] * 3),
    rotation_degrees=st.tuples(*[st.floats(-180, 180)] * 3),
    origin_mm=st.tuples(*[st.floats(-1000, 1000)] * 3),
    code=st.sampled_from(ALL_CODES),
)
def test_reorienting_leaves_every_voxel_where_it_is_in_the_patient(shape, spacing_mm, rotation_degrees, origin_mm, code):
    image = an_image(shape, spacing_mm, rotation_degrees, origin_mm)
    moved = reorient(image, code)
    assert orientation_of(moved.grid) == code
    before, after = lps_by_voxel(image), lps_by_voxel(moved)
    assert before.keys() == after.keys()
    assert all(np.allclose(before[value], after[value], atol=1e-6) for value in before)
    assert np.array_equal(reorient(moved, orientation_of(image.grid)).voxels, image.voxels)


@st.composite
def images(draw) -> Volume:
    """Of any shape, place and direction, some of them sheared as by a tilted gantry."""
    image = an_image(
        draw(st.tuples(*[st.integers(1, 6)] * 3)),
        draw(st.tuples(*[st.floats(0.1, 10)] * 3)),
        draw(st.tuples(*[st.sampled_from([0, 45, 90, -90, 180]) | st.floats(-180, 180)] * 3)),
        draw(st.tuples(*[st.floats(-1000, 1000)] * 3)),
    )
    matrix = image.ijk_to_lps.copy()
    matrix[:3, 2] += matrix[:3, 1] / np.linalg.norm(matrix[:3, 1]) * draw(st.just(0.0) | st.floats(-0.5, 0.5))
    return Volume(image.voxels, matrix)


@given(image=images(), code=st.sampled_from(ALL_CODES))
def test_whatever_is_turned_goes_back_to_the_very_same_grid_and_voxels(image, code):
    turned = reorient(image, code)
    restored = restore_orientation(LabelMap(turned.voxels.astype(np.uint8), turned.ijk_to_lps, SYNAPSE_ORGANS), image.grid)
    assert np.array_equal(restored.voxels, image.voxels)
    assert np.array_equal(restored.ijk_to_lps, image.ijk_to_lps)
    assert same_grid(turned_grid(turned_grid(image.grid, code), orientation_of(image.grid)), image.grid)


@given(image=images(), indices=st.lists(st.tuples(*[st.floats(-50, 50)] * 3), min_size=1, max_size=5))
def test_points_and_indices_are_each_others_inverse(image, indices):
    np.testing.assert_allclose(image.grid.indices_of(image.grid.points_at(indices)), indices, atol=1e-6)


@given(image=images(), code=st.sampled_from(ALL_CODES), data=st.data())
def test_any_part_of_a_grid_finds_its_place_on_it(image, code, data):
    k, j, i = (sorted(data.draw(st.tuples(*[st.integers(0, length - 1)] * 2))) for length in image.voxels.shape)
    part = tuple(slice(first, last + 1) for first, last in (k, j, i))
    matrix = image.ijk_to_lps.copy()
    matrix[:3, 3] = image.grid.points_at([(i[0], j[0], k[0])])[0]
    labels = LabelMap(image.voxels[part].astype(np.uint8) % 9 + 1, matrix, SYNAPSE_ORGANS)
    expected = np.zeros(image.voxels.shape, np.uint8)
    expected[part] = labels.voxels
    assert np.array_equal(placed_on(reorient(labels, code), image.grid).voxels, expected)


@given(image=images(), code=st.sampled_from([code for code in ALL_CODES if code[2] in "SI"]))
def test_slices_from_the_feet_rise_in_every_orientation(image, code):
    turned = reorient(image, code)
    numbers = from_the_feet(range(len(turned.voxels)), len(turned.voxels), code)
    assert from_the_feet(numbers, len(turned.voxels), code) == list(range(len(turned.voxels)))
    heights_mm = [point[2] for point in turned.grid.points_at([(0, 0, k) for k in numbers])]
    assert heights_mm == sorted(heights_mm)


def test_the_letters_are_the_directions_of_increasing_indices():
    assert orientation_of(an_image().grid) == "LPS"
    assert orientation_of(Volume(np.zeros((2, 2, 2)), np.diag([-1.0, -1, 1, 1])).grid) == "RAS"


def test_a_volume_in_the_wanted_orientation_is_not_copied():
    image = an_image()
    assert reorient(image, "lps") is image


@pytest.mark.parametrize("code", ["", "LP", "LPX", "LRS", "LPSS"])
def test_an_impossible_orientation_is_refused_by_name(code):
    with pytest.raises(InputError, match=f'unknown orientation "{code}"'):
        reorient(an_image(), code)


def test_spacing_is_given_along_i_j_k():
    assert an_image(rotation_degrees=(10, 20, 30)).grid.spacing_mm == pytest.approx((0.7, 0.8, 2.5))


@pytest.mark.parametrize(("shift_mm", "same"), [(0, True), (1e-4, True), (0.1, False)])
def test_grids_are_the_same_within_what_file_headers_lose(shift_mm, same):
    assert same_grid(an_image().grid, an_image(origin_mm=(-10, 20, 30 + shift_mm)).grid) is same


@pytest.mark.parametrize("code", ALL_CODES)
def test_points_and_indices_of_a_turned_grid_are_those_of_its_voxels(code):
    image = reorient(an_image(rotation_degrees=(10, -20, 30)), code)
    upright = turned_grid(image.grid, "LPS")
    assert same_grid(upright, turned_view(image, "LPS").grid)
    k, j, i = np.indices(upright.shape).reshape(3, -1)
    places = np.stack([i, j, k], axis=1)
    expected = [lps_by_voxel(image)[value] for value in turned_view(image, "LPS").voxels.ravel().tolist()]
    np.testing.assert_allclose(upright.points_at(places), expected, atol=1e-9)
    np.testing.assert_allclose(upright.indices_of(expected), places, atol=1e-9)


def test_grids_of_different_sizes_differ():
    assert not same_grid(an_image().grid, an_image(shape=(5, 5, 6)).grid)


def test_a_label_map_of_another_scan_is_not_put_back():
    other = LabelMap(np.ones((4, 5, 6), np.uint8), an_image(origin_mm=(0, 0, 0)).ijk_to_lps, SYNAPSE_ORGANS)
    with pytest.raises(InputError, match="does not lie on the volume's voxels"):
        restore_orientation(other, like=an_image().grid)


@pytest.mark.parametrize("code", ["LPS", "ASR"])
def test_a_cropped_label_map_finds_its_place_on_the_whole_grid(code):
    image = an_image(shape=(7, 8, 9), rotation_degrees=(3, 4, 5))
    whole = LabelMap((image.voxels % 9).astype(np.uint8), image.ijk_to_lps, SYNAPSE_ORGANS)
    matrix = image.ijk_to_lps.copy()
    matrix[:3, 3] = (matrix @ [1, 2, 3, 1])[:3]
    cropped = reorient(LabelMap(whole.voxels[3:6, 2:5, 1:9], matrix, SYNAPSE_ORGANS), code)
    placed = placed_on(cropped, image.grid)
    assert same_grid(placed.grid, image.grid)
    assert np.array_equal(placed.voxels[3:6, 2:5, 1:9], whole.voxels[3:6, 2:5, 1:9])
    assert np.count_nonzero(placed.voxels) == np.count_nonzero(cropped.voxels)


def test_a_label_map_reaching_beyond_the_volume_is_cut_to_it():
    image = an_image(shape=(4, 5, 6))
    matrix = image.ijk_to_lps.copy()
    matrix[:3, 3] = (matrix @ [-2, 0, 1, 1])[:3]
    placed = placed_on(LabelMap(np.ones((9, 5, 4), np.uint8), matrix, SYNAPSE_ORGANS), image.grid)
    assert placed.voxels.sum() == 3 * 5 * 2
    assert placed.voxels[1:, :, :2].all()


@pytest.mark.parametrize("code", ["LPS", "ASR"])
def test_two_parts_of_a_grid_get_the_extent_of_both(code):
    image = an_image(shape=(7, 8, 9), rotation_degrees=(3, 4, 5))
    far = image.ijk_to_lps.copy()
    far[:3, 3] = (far @ [4, 5, 5, 1])[:3]
    near = LabelMap(np.ones((3, 2, 2), np.uint8), image.ijk_to_lps, SYNAPSE_ORGANS)
    first, second = on_common_extent(near, reorient(LabelMap(np.full((2, 3, 5), 2, np.uint8), far, SYNAPSE_ORGANS), code))
    assert same_grid(first.grid, image.grid)
    assert same_grid(second.grid, image.grid)
    assert (first.voxels[:3, :2, :2].sum(), first.voxels.sum()) == (12, 12)
    assert (second.voxels[5:, 5:, 4:].sum(), second.voxels.sum()) == (60, 60)
    first, second = on_common_extent(second, near)
    assert first.voxels.sum() == 60
    assert second.voxels.sum() == 12


def test_two_grids_whose_voxels_lie_between_each_others_have_no_common_extent():
    one = LabelMap(np.ones((4, 5, 6), np.uint8), an_image().ijk_to_lps, SYNAPSE_ORGANS)
    between = LabelMap(one.voxels, an_image(origin_mm=(-10.2, 20, 30)).ijk_to_lps, SYNAPSE_ORGANS)
    with pytest.raises(InputError, match="do not coincide"):
        on_common_extent(one, between)


def test_a_label_map_between_the_voxels_is_refused():
    between = LabelMap(np.ones((4, 5, 6), np.uint8), an_image(origin_mm=(-10.2, 20, 30)).ijk_to_lps, SYNAPSE_ORGANS)
    with pytest.raises(InputError, match="do not coincide"):
        placed_on(between, an_image().grid)


@pytest.mark.parametrize("code", ALL_CODES)
def test_what_is_written_to_slices_of_a_turned_view_stands_in_the_image(code):
    image = an_image(rotation_degrees=(5, 6, 7))
    view = turned_view(image, code)
    assert orientation_of(view.grid) == code
    assert np.array_equal(view.voxels, reorient(image, code).voxels)
    before, last = image.voxels.copy(), view.voxels.shape[0] - 1
    view.voxels[1 : last + 1] = -1
    changed = np.zeros(image.voxels.shape, bool)
    changed[part_of_slices(image.grid, code, 1, last)] = True
    assert np.array_equal(image.voxels, np.where(changed, -1, before))


@pytest.mark.parametrize("code", ["LPS", "RAI", "SLP", "PIR"])
def test_slices_from_the_feet_are_found_in_orientations_that_count_from_the_head(code):
    stored = reorient(an_image(), code)
    assert axial_count(stored.grid) == 4
    for towards in ("LPS", "RPI"):
        numbers = from_the_feet([0, 1], axial_count(stored.grid), towards)
        first_mm = [(reorient(stored, towards).ijk_to_lps @ [0, 0, k, 1])[2] for k in numbers]
        assert first_mm == pytest.approx([30, 32.5])
        assert from_the_feet(numbers, 4, towards) == [0, 1]


def test_slices_that_are_not_axial_have_no_number_from_the_feet():
    with pytest.raises(InputError, match="not axial"):
        from_the_feet([0], 4, "LSP")


@pytest.mark.parametrize(
    ("voxels", "matrix", "complaint"),
    [
        (np.zeros((2, 2)), np.eye(4), "three dimensions"),
        (np.zeros((0, 2, 2)), np.eye(4), "empty"),
        (np.zeros((2, 2, 2), complex), np.eye(4), "complex"),
        (np.zeros((2, 2, 2)), np.eye(3), "4 x 4"),
        (np.zeros((2, 2, 2)), np.full((4, 4), np.nan), "finite"),
        (np.zeros((2, 2, 2)), np.diag([1.0, 1, 0, 1]), "inverted"),
        (np.zeros((2, 2, 2)), np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]), "inverted"),
    ],
)
def test_what_is_not_a_volume_is_refused_at_the_door(voxels, matrix, complaint):
    with pytest.raises(InputError, match=complaint):
        Volume(voxels, matrix)


@pytest.mark.parametrize(("value", "dtype"), [(1, np.uint8), (255, np.uint8), (256, np.uint16), (65535, np.uint16)])
def test_label_maps_are_as_small_as_their_values_allow(value, dtype):
    assert LabelMap(np.full((2, 2, 2), value, np.int64), np.eye(4), SYNAPSE_ORGANS).voxels.dtype == dtype


@pytest.mark.parametrize("voxels", [np.full((2, 2, 2), -1), np.full((2, 2, 2), 65536), np.zeros((2, 2, 2), np.float32)])
def test_label_values_outside_0_to_65535_are_refused(voxels):
    with pytest.raises(InputError, match="0 to 65535"):
        LabelMap(voxels, np.eye(4), SYNAPSE_ORGANS)
