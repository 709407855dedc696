"""Two that fill in together: the mean of what the network and boxes through the volume say."""

from dataclasses import replace

import numpy as np
import pytest
from cone_scan import ANNOTATED, ONE_STEP, partial

from SAMedCore.complete.choose import make_folds
from SAMedCore.complete.filler import Scores
from SAMedCore.complete.network import Network
from SAMedCore.complete.together import Together
from SAMedCore.errors import Cancelled
from SAMedCore.prompt.session import PromptSession
from SAMedCore.prompt.through import scores_between
from SAMedCore.work import Event, Work


def means(trained: Scores, drawn: dict[int, np.ndarray]) -> Scores:
    return {v: (trained[v] + np.clip(drawn[v], -4, 4)) / 2 if v in drawn else trained[v] for v in trained}


def assert_equal(found: Scores, wanted: Scores) -> None:
    assert found.keys() == wanted.keys()
    for value in wanted:
        np.testing.assert_allclose(found[value], wanted[value], atol=2e-3)


def test_a_missing_slice_is_the_mean_of_both(cone, noisy_model):
    volume, truth = cone
    scan = partial(volume, truth, noisy_model, ONE_STEP)
    missing = [3, 4, 5, 15, 16]
    found = dict(Together(scan, Network(scan)).fill(missing))
    by_network = dict(Network(scan).fill(missing))
    session = PromptSession(scan.volume, Network(scan).model)
    is_any_drawn = False
    for ends, slices in (((2, 6), range(3, 6)), ((14,), range(15, 17))):
        drawn = {
            value: scores_between(session, {k: truth.voxels[k] == value for k in ends}, slices)
            for value in {v for k in ends for v in np.unique(truth.voxels[k]).tolist()} - {0}
        }
        for k in slices:
            here = {value: scores[k] for value, scores in drawn.items() if k in scores}
            is_any_drawn |= bool(here)
            assert_equal(found[k], means(by_network[k], here))
    assert is_any_drawn
    assert list(found) == missing


def test_a_left_out_slice_is_predicted_from_its_folds_shown_ones_alone(cone, noisy_model):
    volume, truth = cone
    folds = make_folds(ANNOTATED)
    blank = truth.voxels.copy()
    left_out = folds[0].left_out
    blank[list(left_out)] = 0
    scans = [partial(volume, replace(truth, voxels=voxels), noisy_model, ONE_STEP) for voxels in (truth.voxels, blank)]
    with_them, without = (dict(Together(scan, Network(scan)).leave_out(folds[:1])) for scan in scans)
    assert with_them.keys() == set(left_out)
    for k in left_out:
        assert_equal(with_them[k], without[k])


def test_the_network_that_was_compared_is_not_trained_again_to_be_compared_together(cone, noisy_model):
    events: list[Event] = []
    scan = replace(partial(*cone, noisy_model, ONE_STEP), work=Work(events.append))
    network, folds = Network(scan), make_folds(ANNOTATED)
    dict(network.leave_out(folds))
    count = len(events)
    assert dict(Together(scan, network).leave_out(folds)).keys() == {6, 10}
    assert {event.phase for event in events[count:]} == {"propagating"}
    assert (events[-1].done, events[-1].total) == (2, 2)


def test_cancel_stops_in_the_middle_of_a_gap_and_nothing_asks_the_network_to_stop_any_more(cone, noisy_model, monkeypatch):
    begun = []

    def drawing(*arguments):
        begun.append(1)
        return scores_between(*arguments)

    monkeypatch.setattr("SAMedCore.prompt.through.scores_between", drawing)
    scan = replace(partial(*cone, noisy_model, ONE_STEP), work=Work(is_cancelled=lambda: bool(begun)))
    with pytest.raises(Cancelled):
        dict(Together(scan, Network(scan)).fill([3, 4, 5, 7, 8, 9]))
    assert begun == [1]
    assert not any(module._forward_pre_hooks for module in noisy_model.sam.modules())
