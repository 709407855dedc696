"""Completing a partly annotated scan: what is filled in and how, geometry, cancelling, bad input."""

import itertools

import numpy as np
import pytest
import torch
from cone_scan import ANNOTATED, ONE_STEP, annotated_only, labels_of, partial

from SAMedCore.complete.baselines import Carrying, Copy, Interpolation
from SAMedCore.complete.filler import Filler, PartialScan
from SAMedCore.complete.network import Network
from SAMedCore.complete.scan import Completion, complete
from SAMedCore.complete.shapes import SliceShapes, to_labels
from SAMedCore.complete.together import Together
from SAMedCore.demo.sample import ORGAN_SLICES
from SAMedCore.errors import Cancelled, InputError
from SAMedCore.evaluate.measures import dice
from SAMedCore.image.orientation import reorient
from SAMedCore.image.volume import LabelMap
from SAMedCore.options import CompleteOptions
from SAMedCore.work import SILENT, Event, Work


@pytest.fixture
def network_wins(monkeypatch) -> None:
    """However bad it is."""
    monkeypatch.setattr(Network, "worth_it_by", -np.inf)
    monkeypatch.setattr(Together, "worth_it_by", np.inf)


@pytest.fixture
def both_together_win(monkeypatch) -> None:
    """However bad they are."""
    monkeypatch.setattr(Together, "worth_it_by", -np.inf)


def test_a_useless_network_is_not_chosen_and_the_summary_says_so(cone, noisy_model):
    volume, truth = cone
    result = complete(volume, annotated_only(truth), ONE_STEP, model=noisy_model)
    assert "network" not in result.by_label.values()
    assert list(result.estimates) == ["copy", "interpolation", "carrying", "network", "together"]
    dices = [f"{estimate.mean_dice:.3f}" for estimate in result.estimates.values()]
    assert dices[3] < dices[1]
    assert result.summary().endswith(
        "The network is no better on this scan. Dice on annotated slices left out: "
        f"copying the nearest slice {dices[0]}, shape interpolation {dices[1]}, "
        f"carrying shapes along with the anatomy {dices[2]}, the network {dices[3]}, "
        f"the network together with boxes through the volume {dices[4]}."
    )


def test_the_summary_names_the_structures_that_another_method_fills_in(cone):
    labels, estimates = cone[1], {}
    completion = Completion(labels, {1: "network", 4: "copy"}, estimates, (2, 6), (3, 4, 5))
    names = labels.labels.names
    assert completion.method == "network"
    assert completion.summary() == (
        f"Filled in by the network; by copying the nearest slice: {names[1]}. "
        "With fewer than three annotated slices no method can be compared."
    )


def test_the_slices_between_are_filled_in_and_the_annotated_ones_come_back_as_they_were(cone, noisy_model):
    volume, truth = cone
    result = complete(volume, annotated_only(truth), ONE_STEP, model=noisy_model)
    assert result.annotated == ANNOTATED
    assert result.completed == tuple(k for k in range(18) if k not in ANNOTATED)
    assert np.array_equal(result.labelmap.voxels[list(ANNOTATED)], truth.voxels[list(ANNOTATED)])
    between = [k for k in range(ANNOTATED[0], ANNOTATED[-1]) if k not in ANNOTATED]
    copies = labels_of(Copy(partial(volume, truth, noisy_model, ONE_STEP)).fill(between))
    wrong_copies = sum((copies[k] != truth.voxels[k]).sum() for k in between)
    assert (result.labelmap.voxels[between] != truth.voxels[between]).sum() < wrong_copies / 2
    assert np.array_equal(result.labelmap.voxels[between] == 4, truth.voxels[between] == 4)


@pytest.mark.usefixtures("network_wins")
def test_the_network_fills_in_where_it_is_the_better(cone, noisy_model):
    volume, truth = cone
    events: list[Event] = []
    result = complete(volume, annotated_only(truth), ONE_STEP, Work(events.append), noisy_model)
    assert result.method == "network"
    assert set(result.by_label.values()) == {"network"}
    assert result.summary().startswith("Filled in by the network. Dice on annotated slices left out: copying")
    assert np.array_equal(result.labelmap.voxels[list(ANNOTATED)], truth.voxels[list(ANNOTATED)])
    interpolated = labels_of(Interpolation(partial(volume, truth, noisy_model, ONE_STEP)).fill(result.completed))
    assert any(not np.array_equal(result.labelmap.voxels[k], interpolated[k]) for k in result.completed)
    assert [phase for phase, _ in itertools.groupby(event.phase for event in events)] == [
        "interpolating",
        "registering",
        "encoding",
        "estimating",
        "propagating",
        "training",
        "completing",
    ]


@pytest.mark.usefixtures("both_together_win")
def test_the_network_and_boxes_fill_in_together_where_they_are_the_best(cone, noisy_model):
    volume, truth = cone
    result = complete(volume, annotated_only(truth), ONE_STEP, model=noisy_model)
    assert set(result.by_label.values()) == {"together"}
    assert result.summary().startswith("Filled in by the network together with boxes through the volume. Dice on")
    wanted = Together(scan := partial(volume, truth, noisy_model, ONE_STEP), Network(scan)).fill(result.completed)
    found = {k: result.labelmap.voxels[k] for k in result.completed}
    assert all(np.array_equal(found[k], labels) for k, labels in labels_of(wanted).items())


@pytest.mark.usefixtures("network_wins")
def test_every_orientation_gives_the_same_completion(cone, noisy_model):
    volume, truth = cone
    partly = annotated_only(truth)
    expected = complete(volume, partly, ONE_STEP, model=noisy_model).labelmap
    for orientation in ("RAS", "PIR"):
        turned = reorient(volume, orientation), reorient(partly, orientation)
        found = complete(*turned, ONE_STEP, model=noisy_model).labelmap
        assert np.array_equal(found.ijk_to_lps, turned[0].ijk_to_lps)
        assert np.array_equal(reorient(found, "LPS").voxels, expected.voxels), orientation


def test_an_empty_slice_may_be_annotated_as_empty(cone, noisy_model):
    volume, truth = cone
    partly = annotated_only(truth)
    partly.voxels[14] = 0
    ends = complete(volume, partly, CompleteOptions(ANNOTATED, steps=1), model=noisy_model)
    assert not ends.labelmap.voxels[13:].any()
    assert ends.labelmap.voxels[11].any()


def test_the_network_comes_back_as_it_was(cone, noisy_model):
    before = {key: value.clone() for key, value in noisy_model.sam.state_dict().items()}
    needed = [parameter.requires_grad for parameter in noisy_model.sam.parameters()]
    complete(cone[0], annotated_only(cone[1]), ONE_STEP, model=noisy_model)
    assert all(torch.equal(value, before[key]) for key, value in noisy_model.sam.state_dict().items())
    assert [parameter.requires_grad for parameter in noisy_model.sam.parameters()] == needed


def test_cancel_stops_and_leaves_the_network_as_it_was(cone, noisy_model):
    before = {key: value.clone() for key, value in noisy_model.sam.state_dict().items()}
    events: list[Event] = []
    work = Work(events.append, lambda: [event.phase for event in events].count("estimating") > 2)
    with pytest.raises(Cancelled):
        complete(cone[0], annotated_only(cone[1]), CompleteOptions(steps=200), work, noisy_model)
    assert events[-1].phase == "estimating"
    assert all(torch.equal(value, before[key]) for key, value in noisy_model.sam.state_dict().items())


def only_one_slice(labelmap: LabelMap) -> None:
    labelmap.voxels[3:] = 0


def no_slice(labelmap: LabelMap) -> None:
    labelmap.voxels[:] = 0


def unknown_value(labelmap: LabelMap) -> None:
    labelmap.voxels[2, 0, 0] = 9


@pytest.mark.parametrize(
    ("spoil", "annotated_slices", "said"),
    [
        (only_one_slice, None, "only slice 2 is annotated"),
        (no_slice, None, "no annotated slice holds a label"),
        (unknown_value, None, "value 9"),
        (lambda labelmap: None, (2, 99), "slice 99 is outside"),
        (lambda labelmap: None, range(18), "nothing to complete"),
        (lambda labelmap: None, (0, 1), "no annotated slice holds a label"),
    ],
)
def test_bad_input_is_refused(cone, spoil, annotated_slices, said):
    partly = annotated_only(cone[1])
    spoil(partly)
    with pytest.raises(InputError, match=said):
        complete(cone[0], partly, CompleteOptions(annotated_slices))


def test_a_label_map_of_another_scan_is_refused(cone):
    volume, truth = cone
    elsewhere = truth.ijk_to_lps.copy()
    elsewhere[0, 3] += 0.7
    with pytest.raises(InputError):
        complete(volume, LabelMap(truth.voxels, elsewhere, truth.labels))


@pytest.mark.slow
@pytest.mark.parametrize(("every", "least"), [(6, 0.91), (10, 0.865)])
def test_the_sample_is_completed_better_than_without_a_network(every, least, sample_ct, sample_labels, lite_weights):
    annotated = list(ORGAN_SLICES[::every])
    truth = reorient(sample_labels, "LPS")
    voxels = np.zeros_like(truth.voxels)
    voxels[annotated] = truth.voxels[annotated]
    partly = LabelMap(voxels, truth.ijk_to_lps, truth.labels)
    options = CompleteOptions(annotated, str(lite_weights), "cpu")
    result = complete(sample_ct, partly, options)
    others = [k for k in ORGAN_SLICES if k not in annotated]

    def mean_dice(labels: np.ndarray) -> float:
        """Of the other slices."""
        return float(np.mean([dice(labels == value, truth.voxels[others] == value) for value in truth.labels.values]))

    volume = reorient(sample_ct, "LPS")
    shapes = SliceShapes(voxels, annotated, (3.0, 3.0))
    scan = PartialScan(volume, shapes, options, SILENT)
    found = reorient(result.labelmap, "LPS").voxels

    def without_network(filler: type[Filler]) -> float:
        slices = (to_labels(scores, voxels.shape[1:], voxels.dtype) for _, scores in filler(scan).fill(others))
        return mean_dice(np.stack(list(slices)))

    without = {filler.name: without_network(filler) for filler in (Copy, Interpolation, Carrying)}
    assert result.method == "together"
    assert mean_dice(found[others]) >= least
    assert mean_dice(found[others]) > max(without.values())
    assert without["carrying"] > max(without["copy"], without["interpolation"]) + 0.03
    assert np.array_equal(found[annotated], truth.voxels[annotated])
