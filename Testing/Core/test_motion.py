"""Shapes are carried along with what the image shows."""

import numpy as np
import pytest
from cone_scan import SIZE, SPACING_MM, disc

from SAMedCore.complete.motion import CarriedShapes, Motion, registered
from SAMedCore.complete.shapes import SliceShapes, to_labels
from SAMedCore.errors import Cancelled
from SAMedCore.evaluate.measures import dice
from SAMedCore.image.volume import Volume
from SAMedCore.work import Work

BOX = (slice(0, SIZE), slice(0, SIZE))


def volume_of(masks: list[np.ndarray], spacing_mm: tuple[float, float] = SPACING_MM) -> Volume:
    matrix = np.diag([spacing_mm[1], spacing_mm[0], 3.0, 1.0])
    return Volume(np.stack([np.where(mask, 150, -50) for mask in masks]).astype(np.float32), matrix)


@pytest.fixture
def moving() -> list[np.ndarray]:
    """A disc that moves 3 mm a slice, and not evenly: there and half-way back."""
    return [disc(14, (30.0, 30.0 + 3 * shift)) for shift in (0, 1, 2, 3, 4, 3, 2)]


def test_a_disc_that_moved_is_found_again(moving):
    images = [mask.astype(np.float32) for mask in moving]
    rows, columns = registered(images[1], images[0])
    assert np.abs(rows[moving[1]]).mean() < 0.3
    # 3 mm of 2 mm pixels, and only the outline shows it
    assert columns[moving[0] ^ moving[1]].mean() == pytest.approx(-1.5, abs=0.5)


def test_what_moves_unevenly_is_followed_where_interpolation_goes_straight(moving):
    labels = np.stack(moving).astype(np.uint8)
    volume, annotated = volume_of(moving), (0, 6)
    shapes = SliceShapes(labels, annotated, SPACING_MM)
    carried = CarriedShapes(shapes, volume, "ct")
    straight, followed = (
        dice(to_labels(each.at(4), (SIZE, SIZE), np.dtype(np.uint8)) == 1, moving[4]) for each in (shapes, carried)
    )
    assert followed > 0.93 > straight + 0.05


def test_on_an_annotated_slice_the_shape_is_the_annotated_one(moving):
    shapes = SliceShapes(np.stack(moving).astype(np.uint8), (0, 6), SPACING_MM)
    carried = CarriedShapes(shapes, volume_of(moving), "ct")
    assert np.array_equal(carried.at(6)[1], shapes.own(6)[1])


def test_nothing_moves_where_nothing_differs_and_outside_the_box_all_stays(moving):
    still = [moving[0]] * 2
    box = (slice(8, SIZE), slice(0, SIZE - 5))
    values = np.random.default_rng(0).normal(size=(SIZE, SIZE)).astype(np.float32)
    (same,) = Motion(volume_of(still), box, "ct").carry([values], 0, 1)
    assert same == pytest.approx(values, abs=1e-3)
    (moved,) = Motion(volume_of(moving), box, "ct").carry([values], 0, 2)
    assert np.array_equal(moved[:8], values[:8])
    assert not np.allclose(moved, values)


def test_fine_slices_are_registered_coarsely_and_carried_finely(moving):
    fine = [np.kron(mask, np.ones((4, 4), bool)) for mask in moving]
    spacing_mm = (SPACING_MM[0] / 4, SPACING_MM[1] / 4)
    carried = CarriedShapes(SliceShapes(np.stack(fine).astype(np.uint8), (0,), spacing_mm), volume_of(fine, spacing_mm), "ct")
    found = carried.at(4)[1] > 0
    assert dice(found, fine[4]) > 0.9
    assert all(max(step.shape) <= 40 for step in carried._motion._steps.values())


def test_it_is_stopped_between_two_registrations(moving):
    asked = []
    work = Work(is_cancelled=lambda: asked.append(1) or len(asked) > 2)
    with pytest.raises(Cancelled):
        Motion(volume_of(moving), BOX, "ct", work).carry([moving[0].astype(np.float32)], 0, 6)


def test_the_same_scan_gives_the_same_shapes(moving):
    labels = np.stack(moving).astype(np.uint8)
    first, second = (CarriedShapes(SliceShapes(labels, (0, 6), SPACING_MM), volume_of(moving), "ct").at(3) for _ in range(2))
    assert np.array_equal(first[1], second[1])
