"""The measures on masks with known answers, and against other implementations of the paper's."""

import math

import numpy as np
import pytest
import surface_distance
from drawn_masks import NOTHING, SCIPY_WARNS, SPACING_KJI_MM, THING, blob, cube, score
from medpy.metric import binary
from scipy.spatial.distance import cdist

from SAMedCore.evaluate.measures import dice, paper_measures, standard_measures
from SAMedCore.evaluate.scores import Scores

pytestmark = SCIPY_WARNS


@pytest.mark.parametrize(("axis", "shift_mm"), list(enumerate(SPACING_KJI_MM)))
def test_a_cube_shifted_by_one_voxel_is_that_many_millimetres_away(axis, shift_mm):
    reference = cube()
    row = score(np.roll(reference, 1, axis), reference)
    assert row.dice == pytest.approx(0.9)
    assert row.hd95_mm == pytest.approx(shift_mm)
    assert 0 < row.mean_surface_distance_mm < shift_mm


@pytest.mark.parametrize(("axis", "shift_mm"), list(enumerate(SPACING_KJI_MM)))
def test_surface_dice_is_perfect_from_the_tolerance_of_the_shift_on(axis, shift_mm):
    reference = cube()
    prediction = np.roll(reference, 1, axis)
    assert standard_measures(prediction, reference, SPACING_KJI_MM, shift_mm)["surface_dice"] == 1
    assert standard_measures(prediction, reference, SPACING_KJI_MM, 0.99 * shift_mm)["surface_dice"] < 0.96


def test_two_parallel_plates_lie_their_distance_apart():
    first, second = np.zeros((2, 12, 40, 40), bool)
    first[2], second[5] = True, True
    row = score(first, second)
    assert (row.dice, row.surface_dice) == (0, 0)
    assert row.mean_surface_distance_mm == pytest.approx(15 - 2.5, abs=0.5)  # faces at 0 and 5 mm; to the nearer: 10, 15
    assert row.hd95_mm == pytest.approx(15)


def test_identical_masks_agree_perfectly():
    row = score(blob(0), blob(0))
    assert (row.dice, row.hd95_mm, row.mean_surface_distance_mm, row.surface_dice) == (1, 0, 0, 1)


@pytest.mark.parametrize("protocol", ["standard", "paper"])
@pytest.mark.parametrize("seed", range(3))
def test_measures_are_symmetric(protocol, seed):
    one, other = score(blob(seed), blob(seed + 10), protocol), score(blob(seed + 10), blob(seed), protocol)
    for measure in Scores((), protocol).measures:
        assert getattr(one, measure) == pytest.approx(getattr(other, measure))


@pytest.mark.parametrize(
    ("prediction", "reference", "dice", "surface_dice"),
    [(NOTHING, NOTHING, math.nan, math.nan), (NOTHING, THING, 0, 0), (THING, NOTHING, 0, 0)],
    ids=["neither", "missed", "invented"],
)
def test_empty_masks_are_undefined_or_the_worst_value(prediction, reference, dice, surface_dice):
    row = score(prediction, reference)
    np.testing.assert_equal([row.dice, row.surface_dice], [dice, surface_dice])
    assert math.isnan(row.hd95_mm)
    assert math.isnan(row.mean_surface_distance_mm)


@pytest.mark.parametrize(
    ("prediction", "reference", "dice"),
    [(NOTHING, NOTHING, 0), (NOTHING, THING, 0), (THING, NOTHING, 1)],
    ids=["neither", "missed", "invented"],
)
def test_the_paper_counts_empty_masks_its_own_way(prediction, reference, dice):
    row = score(prediction, reference, "paper")
    assert (row.dice, row.hd95_voxels) == (dice, 0)


def brute_force_hd95(prediction: np.ndarray, reference: np.ndarray) -> float:
    def surface(mask: np.ndarray) -> np.ndarray:
        padded = np.pad(mask, 1)
        inner = padded.copy()
        for axis in range(3):
            inner &= np.roll(padded, 1, axis) & np.roll(padded, -1, axis)
        return np.argwhere(padded & ~inner)

    distances = cdist(surface(prediction), surface(reference))
    return float(np.percentile([*distances.min(axis=1), *distances.min(axis=0)], 95))


@pytest.mark.parametrize("seed", range(4))
def test_the_papers_hd95_equals_a_brute_force_search(seed):
    prediction, reference = blob(seed), blob(seed + 10)
    measured = paper_measures(prediction, reference)
    assert measured["hd95_voxels"] == pytest.approx(brute_force_hd95(prediction, reference))
    overlap = sum(p and r for p, r in zip(prediction.ravel(), reference.ravel(), strict=True))
    assert measured["dice"] == pytest.approx(2 * overlap / (prediction.sum() + reference.sum()))


@pytest.mark.parametrize("touching_the_border", [False, True])
def test_the_papers_measures_equal_medpys(touching_the_border):
    prediction, reference = blob(3), blob(4)
    if touching_the_border:
        prediction, reference = prediction[6:, 7:], reference[6:, 7:]
    measured = paper_measures(prediction, reference)
    assert measured["dice"] == pytest.approx(binary.dc(prediction, reference))
    assert measured["hd95_voxels"] == pytest.approx(binary.hd95(prediction, reference))


def test_the_papers_measures_know_no_millimetres():
    reference = cube()
    row = score(np.roll(reference, 1, 0), reference, "paper")
    assert row.hd95_voxels == 1
    assert math.isnan(row.hd95_mm)


@pytest.mark.parametrize("swapped", [False, True])
def test_the_standard_hd95_is_the_greater_of_both_directions_and_not_their_mean(swapped):
    reference = cube((2, 2, 2), 4, (24, 8, 8))
    invented = cube((18, 2, 2), 4, (24, 8, 8))  # 60 to 80 mm away; from the reference to the prediction it is 0 mm
    masks = (reference, reference | invented) if swapped else (reference | invented, reference)
    assert 60 < score(*masks).hd95_mm <= 80


def test_of_two_empty_masks_the_dice_is_undefined():
    assert math.isnan(dice(NOTHING, NOTHING))
    assert (dice(NOTHING, THING), dice(THING, THING)) == (0, 1)


@pytest.mark.parametrize("seed", [0, 1, 3])
def test_the_standard_hd95_is_the_librarys_at_95_per_cent(seed):
    """On voxels whose edges differ, so that one per cent more or less is another distance."""
    spacing_kji_mm, first, second = (0.31, 0.37, 0.41), blob(seed), blob(seed + 10)
    distances = surface_distance.compute_surface_distances(second, first, spacing_kji_mm)
    below, at, above = (surface_distance.compute_robust_hausdorff(distances, part) for part in (94.0, 95.0, 96.0))
    assert below < at < above
    assert standard_measures(first, second, spacing_kji_mm, 1.0)["hd95_mm"] == at
