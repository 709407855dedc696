"""Annotated slices are left out to compare the ways, and the network has to be worth its time."""

import numpy as np
import pytest

from SAMedCore.complete.baselines import Carrying, Copy, Interpolation
from SAMedCore.complete.choose import FILLERS, Estimate, choose, estimate, make_folds
from SAMedCore.complete.filler import Filler
from SAMedCore.complete.network import Network
from SAMedCore.complete.together import Together


@pytest.mark.parametrize("count", [3, 4, 5, 10])
def test_each_inner_annotated_slice_is_left_out_once_between_two_shown_ones(count):
    annotated = range(0, 6 * count, 6)
    folds = make_folds(annotated)
    assert sorted(k for fold in folds for k in fold.left_out) == list(annotated)[1:-1]
    for fold in folds:
        for k in fold.left_out:
            assert {k - 6, k + 6} <= set(fold.shown)
            assert k not in fold.shown


def test_two_annotated_slices_leave_nothing_to_compare():
    assert make_folds((3, 9)) == ()


def shown(dice: float, slices: int = 10**6) -> Estimate:
    """On so many slices that nothing is borrowed."""
    return Estimate({1: dice}, {1: slices})


@pytest.mark.parametrize(
    ("copy", "interpolation", "carrying", "network", "chosen"),
    [
        (0.80, 0.84, 0.85, 0.90, Network),
        (0.80, 0.84, 0.82, 0.845, Interpolation),
        (0.89, 0.84, 0.86, 0.88, Copy),
        (0.84, 0.84, 0.84, 0.84, Carrying),
    ],
)
def test_the_network_is_chosen_only_where_it_is_better_than_what_takes_no_time(copy, interpolation, carrying, network, chosen):
    values = {"copy": copy, "interpolation": interpolation, "carrying": carrying, "network": network, "together": network}
    assert choose({method: shown(value) for method, value in values.items()}, 1) is chosen


def test_shapes_are_carried_where_nothing_can_be_compared():
    assert choose({}, 1) is Carrying


def test_a_structure_on_no_left_out_slice_is_not_left_to_the_network():
    estimates = {filler.name: shown(0.5) for filler in FILLERS} | {"network": shown(0.9)}
    assert choose(estimates, 1) is Network
    assert choose(estimates, 2) is Carrying


@pytest.mark.parametrize(("second", "chosen"), [(0.85, Together), (0.81, Network)])
def test_networks_are_compared_with_each_other_by_all_structures_together(second, chosen):
    slices = {1: 10**6, 2: 10**6}
    estimates = {filler.name: Estimate({1: 0.5, 2: 0.5}, slices) for filler in FILLERS}
    estimates["network"] = Estimate({1: 0.92, 2: 0.80}, slices)
    estimates["together"] = Estimate({1: 0.90, 2: second}, slices)
    assert choose(estimates, 1) is chosen
    assert choose(estimates, 2) is chosen


def test_a_structure_on_few_slices_is_taken_to_be_partly_like_the_others():
    few = Estimate({1: 0.9, 2: 0.3}, {1: 10**6, 2: 2})
    assert few.of(1) == pytest.approx(0.9, abs=1e-4)
    assert few.of(2) == pytest.approx((0.3 + 0.6) / 2)
    assert few.of(3) == pytest.approx(0.6)


def test_dice_is_over_all_left_out_slices_that_hold_a_label():
    labels = np.zeros((3, 4, 4), np.uint8)
    labels[1, :2] = 1
    scores = {1: np.where(np.arange(4)[:, None] < 1, 1.0, -1.0) + np.zeros((4, 4))}
    found = estimate([(1, scores), (2, {})], labels)
    assert found.per_label == {1: pytest.approx(2 / 3)}
    assert found.slices == {1: 1}


def test_what_is_drawn_of_a_label_that_no_left_out_slice_holds_does_not_count():
    labels = np.zeros((3, 4, 4), np.uint8)
    labels[1, :2] = 1
    right, too_much = {1: np.where(labels[1] == 1, 1.0, -1.0)}, {2: np.where(labels[1] == 1, -1.0, 1.0)}
    found = [estimate([(1, scores)], labels).per_label for scores in (right, right | too_much)]
    assert found == [{1: 1.0}, {1: 1.0}]


def test_where_no_left_out_slice_holds_anything_shapes_are_carried():
    nothing = estimate([(1, {})], np.zeros((3, 4, 4), np.uint8))
    assert choose({filler.name: nothing for filler in FILLERS}, 1) is Carrying


@pytest.mark.parametrize(("dice_of_another", "chosen"), [(0.905, "network"), (0.93, "another")])
def test_a_further_way_has_to_be_worth_its_time_too(dice_of_another, chosen):
    class Another(Filler):
        name, title, worth_it_by = "another", "another network", 0.02

    values = {"copy": 0.80, "interpolation": 0.84, "carrying": 0.84, "network": 0.90, "together": 0.90}
    values["another"] = dice_of_another
    estimates = {method: shown(value) for method, value in values.items()}
    assert choose(estimates, 1, (*FILLERS, Another)).name == chosen
