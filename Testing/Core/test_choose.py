"""Annotated slices are left out to compare the ways, and the network has to be worth its time."""

import numpy as np
import pytest

from SAMedCore.complete.baselines import Copy, Interpolation
from SAMedCore.complete.choose import FILLERS, Estimate, choose, make_folds
from SAMedCore.complete.filler import Filler
from SAMedCore.complete.network import Network


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


@pytest.mark.parametrize(
    ("copy", "interpolation", "network", "chosen"),
    [
        (0.80, 0.84, 0.90, Network),
        (0.80, 0.84, 0.845, Interpolation),
        (0.89, 0.84, 0.88, Copy),
        (0.84, 0.84, 0.84, Interpolation),
        (0.00, np.nan, np.nan, Interpolation),
    ],
)
def test_the_network_is_chosen_only_where_it_is_better_than_both_baselines(copy, interpolation, network, chosen):
    values = {"copy": copy, "interpolation": interpolation, "network": network}
    assert choose({method: Estimate({1: value}) for method, value in values.items()}) is chosen


def test_shapes_are_interpolated_where_nothing_can_be_compared():
    assert choose({}) is Interpolation


@pytest.mark.parametrize(("dice_of_another", "chosen"), [(0.905, "network"), (0.93, "another")])
def test_a_further_way_has_to_be_worth_its_time_too(dice_of_another, chosen):
    class Another(Filler):
        name, title, worth_it_by = "another", "another network", 0.02

    values = {"copy": 0.80, "interpolation": 0.84, "network": 0.90, "another": dice_of_another}
    estimates = {method: Estimate({1: value}) for method, value in values.items()}
    assert choose(estimates, (*FILLERS, Another)).name == chosen
