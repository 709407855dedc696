"""Completing a partly annotated scan: the baselines on shapes with known answers, the choice, geometry, bad input."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from SAMedCore.complete.baselines import Copy, Interpolation
from SAMedCore.complete.choose import FILLERS, Estimate, choose, make_folds
from SAMedCore.complete.filler import Filler, PartialScan
from SAMedCore.complete.network import Network
from SAMedCore.complete.prompts import PixelGrids, make_prompts
from SAMedCore.complete.scan import complete
from SAMedCore.complete.shapes import SliceShapes, blend, nearest, reach, signed_distance_mm, smooth, to_labels
from SAMedCore.complete.tune import tunable
from SAMedCore.demo.sample import ORGAN_SLICES
from SAMedCore.errors import Cancelled, InputError
from SAMedCore.evaluate.measures import dice
from SAMedCore.image.labels import LabelTable
from SAMedCore.image.orientation import reorient
from SAMedCore.image.volume import LabelMap, Volume
from SAMedCore.model.preprocessing import Preprocessing
from SAMedCore.model.promptable import Promptable
from SAMedCore.model.sam import build_sam
from SAMedCore.options import CompleteOptions
from SAMedCore.work import SILENT, Event, Work

SPACING_MM = (1.5, 2.0)
SIZE = 40
ANNOTATED = (2, 6, 10, 14)
ONE_STEP = CompleteOptions(steps=1)


def disc(radius_mm: float, centre: tuple[float, float] = (30.0, 40.0)) -> np.ndarray:
    rows, columns = np.indices((SIZE, SIZE))
    return np.hypot(rows * SPACING_MM[0] - centre[0], columns * SPACING_MM[1] - centre[1]) <= radius_mm


@pytest.fixture(scope="module")
def small_model() -> Promptable:
    """Seeded, one block, 64 pixels: its answers are noise."""
    sam = build_sam("vit_b", 3, input_size=64, seed=0)
    sam.image_encoder.blocks = sam.image_encoder.blocks[:1]
    return Promptable(sam.eval(), Preprocessing(sizes=(64,), padded=True))


@pytest.fixture(scope="module")
def cone() -> tuple[Volume, LabelMap]:
    """A label whose radius grows by 1.4 mm a slice, and another that stays; annotated everywhere."""
    voxels = np.stack([disc(5.0 + 1.4 * k) for k in range(18)]).astype(np.uint8)
    voxels[:, 2:7, 3:9] = 4
    matrix = np.diag([SPACING_MM[1], SPACING_MM[0], 3.0, 1.0])
    matrix[:3, 3] = 10, -20, 30
    hu = np.where(voxels == 1, 100, np.where(voxels == 4, 200, 0)).astype(np.float32)
    return Volume(hu, matrix), LabelMap(voxels, matrix, LabelTable.generic([1, 4]))


def annotated_only(labelmap: LabelMap) -> LabelMap:
    voxels = np.zeros_like(labelmap.voxels)
    voxels[list(ANNOTATED)] = labelmap.voxels[list(ANNOTATED)]
    return LabelMap(voxels, labelmap.ijk_to_lps, labelmap.labels)


def partial(volume: Volume, truth: LabelMap, model: Promptable | None, options: CompleteOptions) -> PartialScan:
    """The cone as a filler sees it."""
    return PartialScan(volume, SliceShapes(truth.voxels, ANNOTATED, SPACING_MM), options, SILENT, model)


@pytest.fixture
def network_wins(monkeypatch) -> None:
    """However bad it is."""
    monkeypatch.setattr(Network, "worth_it_by", -np.inf)


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


def test_labels_do_not_overlap_where_two_shapes_meet():
    scores = {2: np.array([[3.0, 1.0, -1.0]]), 7: np.array([[1.0, 2.0, -2.0]])}
    assert to_labels(scores, (1, 3), np.dtype(np.int16)).tolist() == [[2, 7, 0]]


def test_neighbouring_slices_have_a_quarter_say_each_where_they_are_there():
    scores = {3: {1: np.array([[4.0, -4.0]])}, 4: {1: np.array([[-1.0, 1.0]])}, 5: {2: np.array([[4.0, 4.0]])}}
    found = smooth(scores, 4, absent=-4.0)
    assert found[1].tolist() == [[-0.5, -1.5]]
    assert found[2].tolist() == [[-2.0, -2.0]]
    assert smooth(scores, 3, absent=-4.0)[1] == pytest.approx(np.array([[7 / 3, -7 / 3]]))


def test_the_nearest_annotated_slice_is_copied():
    assert [nearest((2, 6), k) for k in (0, 3, 4, 5, 9)] == [2, 2, 2, 6, 6]


def test_the_outermost_annotated_slices_reach_as_far_as_the_usual_gap():
    assert reach((10, 16, 22), 100) == range(5, 28)
    assert reach((1, 4), 5) == range(5)


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


def test_a_prompt_is_the_shape_and_a_box_one_pixel_around_it():
    mask = np.zeros((64, 64), dtype=bool)
    mask[20:30, 40:44] = True
    grids = PixelGrids((64, 64), (1.0, 1.0), input_size=64, low_res_size=64)
    prompts = make_prompts({5: signed_distance_mm(mask, (1.0, 1.0))}, grids)
    assert prompts.values == (5,)
    assert prompts.boxes.tolist() == [[39, 19, 44, 30]]
    assert torch.equal(prompts.masks[0, 0] > 0, torch.from_numpy(mask))
    assert prompts.masks.abs().max() <= 8


def test_a_useless_network_is_not_chosen_and_the_summary_says_so(cone, small_model):
    volume, truth = cone
    result = complete(volume, annotated_only(truth), ONE_STEP, model=small_model)
    assert result.method == "interpolation"
    assert list(result.estimates) == ["copy", "interpolation", "network"]
    dices = [f"{estimate.mean_dice:.3f}" for estimate in result.estimates.values()]
    assert dices[2] < dices[1]
    assert result.summary() == (
        "Filled in by shape interpolation. The network is no better on this scan. Dice on annotated slices left out: "
        f"copying the nearest slice {dices[0]}, shape interpolation {dices[1]}, the network {dices[2]}."
    )


def test_the_slices_between_are_filled_in_and_the_annotated_ones_come_back_as_they_were(cone, small_model):
    volume, truth = cone
    result = complete(volume, annotated_only(truth), ONE_STEP, model=small_model)
    assert result.annotated == ANNOTATED
    assert result.completed == tuple(k for k in range(18) if k not in ANNOTATED)
    assert np.array_equal(result.labelmap.voxels[list(ANNOTATED)], truth.voxels[list(ANNOTATED)])
    between = [k for k in range(ANNOTATED[0], ANNOTATED[-1]) if k not in ANNOTATED]
    copies = Copy(partial(volume, truth, small_model, ONE_STEP)).fill(between)
    wrong_copies = sum((copies[k] != truth.voxels[k]).sum() for k in between)
    assert (result.labelmap.voxels[between] != truth.voxels[between]).sum() < wrong_copies / 2
    assert np.array_equal(result.labelmap.voxels[between] == 4, truth.voxels[between] == 4)


@pytest.mark.usefixtures("network_wins")
def test_the_network_fills_in_where_it_is_the_better(cone, small_model):
    volume, truth = cone
    events: list[Event] = []
    result = complete(volume, annotated_only(truth), ONE_STEP, Work(events.append), small_model)
    assert result.method == "network"
    assert result.summary().startswith("Filled in by the network. Dice on annotated slices left out: copying")
    assert np.array_equal(result.labelmap.voxels[list(ANNOTATED)], truth.voxels[list(ANNOTATED)])
    interpolated = Interpolation(partial(volume, truth, small_model, ONE_STEP)).fill(result.completed)
    assert any(not np.array_equal(result.labelmap.voxels[k], interpolated[k]) for k in result.completed)
    assert [phase for phase, _ in itertools.groupby(event.phase for event in events)] == [
        "interpolating",
        "encoding",
        "estimating",
        "completing",
        "estimating",
        "completing",
        "encoding",
        "training",
        "completing",
    ]


@pytest.mark.usefixtures("network_wins")
def test_every_orientation_gives_the_same_completion(cone, small_model):
    volume, truth = cone
    partly = annotated_only(truth)
    expected = complete(volume, partly, ONE_STEP, model=small_model).labelmap
    for orientation in ("RAS", "PIR"):
        turned = reorient(volume, orientation), reorient(partly, orientation)
        found = complete(*turned, ONE_STEP, model=small_model).labelmap
        assert np.array_equal(found.ijk_to_lps, turned[0].ijk_to_lps)
        assert np.array_equal(reorient(found, "LPS").voxels, expected.voxels), orientation


def test_an_empty_slice_may_be_annotated_as_empty(cone, small_model):
    volume, truth = cone
    partly = annotated_only(truth)
    partly.voxels[14] = 0
    ends = complete(volume, partly, CompleteOptions(ANNOTATED, steps=1), model=small_model)
    assert not ends.labelmap.voxels[13:].any()
    assert ends.labelmap.voxels[11].any()


def test_the_network_comes_back_as_it_was(cone, small_model):
    before = {key: value.clone() for key, value in small_model.sam.state_dict().items()}
    needed = [parameter.requires_grad for parameter in small_model.sam.parameters()]
    complete(cone[0], annotated_only(cone[1]), ONE_STEP, model=small_model)
    assert all(torch.equal(value, before[key]) for key, value in small_model.sam.state_dict().items())
    assert [parameter.requires_grad for parameter in small_model.sam.parameters()] == needed


def test_the_networks_preprocessing_sees_the_whole_scan_first(cone, small_model):
    seen = []

    class Fitted(Preprocessing):
        def fit(self, volume: Volume) -> Preprocessing:
            seen.append(volume)
            return replace(small_model.preprocessing, window_hu=(0.0, 1.0))

    volume, truth = cone
    fitting = replace(small_model, preprocessing=Fitted(sizes=(64,), padded=True))
    fixed = replace(small_model, preprocessing=replace(small_model.preprocessing, window_hu=(0.0, 1.0)))
    found, wanted = (Network(partial(volume, truth, model, ONE_STEP)).fill([4])[4] for model in (fitting, fixed))
    assert seen == [volume]
    assert np.array_equal(found, wanted)


def test_only_the_mask_decoder_and_the_mask_prompt_learn(small_model):
    with tunable(small_model.sam) as parameters:
        names = {name.split(".")[0] for name, one in small_model.sam.named_parameters() if one.requires_grad}
        assert names == {"mask_decoder", "prompt_encoder"}
        assert len(parameters) == sum(one.requires_grad for one in small_model.sam.parameters())
        assert not any(one.requires_grad for one in small_model.sam.prompt_encoder.no_mask_embed.parameters())


def test_the_same_seed_gives_the_same_slices(cone, small_model):
    volume, truth = cone

    def fill() -> np.ndarray:
        return Network(partial(volume, truth, small_model, CompleteOptions(steps=4, seed=3))).fill([4])[4]

    assert np.array_equal(fill(), fill())


def test_cancel_stops_and_leaves_the_network_as_it_was(cone, small_model):
    before = {key: value.clone() for key, value in small_model.sam.state_dict().items()}
    events: list[Event] = []
    work = Work(events.append, lambda: [event.phase for event in events].count("estimating") > 2)
    with pytest.raises(Cancelled):
        complete(cone[0], annotated_only(cone[1]), CompleteOptions(steps=200), work, small_model)
    assert events[-1].phase == "estimating"
    assert all(torch.equal(value, before[key]) for key, value in small_model.sam.state_dict().items())


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
@pytest.mark.parametrize(("every", "least"), [(6, 0.90), (10, 0.82)])
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
    scan = PartialScan(volume, SliceShapes(voxels, annotated, (3.0, 3.0)), options, SILENT)
    found = reorient(result.labelmap, "LPS").voxels
    without = [mean_dice(np.stack(list(baseline(scan).fill(others).values()))) for baseline in (Copy, Interpolation)]
    assert result.method == "network"
    assert mean_dice(found[others]) >= least
    assert mean_dice(found[others]) > max(without)
    assert np.array_equal(found[annotated], truth.voxels[annotated])
