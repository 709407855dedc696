"""Shapes with known answers are interpolated, smoothed and copied."""

import numpy as np
import pytest
from cone_scan import SIZE, SPACING_MM, disc

from SAMedCore.complete.shapes import SliceShapes, blend, nearest, reach, smooth, to_labels
from SAMedCore.image.distances import signed_distance_mm


def test_signed_distances_are_in_mm_and_positive_inside():
    mask = np.zeros((9, 9), dtype=bool)
    mask[:, 4:] = True
    distances = signed_distance_mm(mask, (5.0, 2.0))
    assert distances[3].tolist() == [-8, -6, -4, -2, 2, 4, 6, 8, 10]


def test_half_way_between_two_discs_lies_the_disc_of_the_mean_radius():
    shapes = SliceShapes(np.stack([disc(10), disc(14), disc(18)]).astype(np.uint8), (0, 2), SPACING_MM)
    found = to_labels(shapes.at(1), (SIZE, SIZE), np.dtype(np.uint8))
    differing = (found != disc(14)).sum()
    assert differing <= 0.06 * disc(14).sum()
    assert differing < (disc(10) != disc(14)).sum() / 4


def test_a_structure_that_ends_shrinks_to_nothing_half_way():
    first = {1: signed_distance_mm(disc(12), SPACING_MM)}
    sizes = [(blend(first, {}, weight)[1] > 0).sum() for weight in (0.0, 0.2, 0.4, 0.49, 0.51, 1.0)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[3] > 0
    assert sizes[4:] == [0, 0]


def test_a_structure_that_ends_bluntly_keeps_three_quarters_of_its_depth_until_half_way():
    first = {1: signed_distance_mm(disc(12), SPACING_MM)}
    depth = first[1].max()
    left = [blend(first, {}, weight, blunt=True)[1].max() / depth for weight in (0.0, 0.2, 0.5, 0.51, 1.0)]
    assert left == pytest.approx([1, 0.9, 0.75, -1, -1])
    assert blend({}, first, 0.8, blunt=True)[1].max() == pytest.approx(0.9 * depth)


def test_labels_do_not_overlap_where_two_shapes_meet():
    scores = {2: np.array([[3.0, 1.0, -1.0]]), 7: np.array([[1.0, 2.0, -2.0]])}
    assert to_labels(scores, (1, 3), np.dtype(np.int16)).tolist() == [[2, 7, 0]]


def test_neighbouring_slices_have_a_quarter_say_each_where_they_are_there():
    scores = {3: {1: np.array([[4.0, -4.0]])}, 4: {1: np.array([[-1.0, 1.0]])}, 5: {2: np.array([[4.0, 4.0]])}}
    found = smooth(scores, 4)
    assert found[1].tolist() == [[-0.5, -1.5]]
    assert found[2].tolist() == [[-2.0, -2.0]]
    assert smooth(scores, 3)[1] == pytest.approx(np.array([[7 / 3, -7 / 3]]))


def test_the_nearest_annotated_slice_is_copied():
    assert [nearest((2, 6), k) for k in (0, 3, 4, 5, 9)] == [2, 2, 2, 6, 6]


def test_the_outermost_annotated_slices_reach_as_far_as_the_usual_gap():
    assert reach((10, 16, 22), 100) == range(5, 28)
    assert reach((1, 4), 5) == range(5)
