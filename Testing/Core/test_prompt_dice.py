"""What boxes and clicks are worth on the sample CT, no ends told: Dice in 3D against TotalSegmentator's labels.

The boxes are the labels' own, a voxel wider on every side; `make prompt-dice` says what each structure reaches.
"""

from dataclasses import replace

import prompt_dice
import pytest
from prompt_scans import Scan, mr_scan
from scipy.stats import spearmanr

from SAMedCore.checkpoint.load import load_promptable
from SAMedCore.evaluate.measures import dice
from SAMedCore.image.orientation import reorient
from SAMedCore.prompt.session import PromptSession, open_session
from SAMedCore.prompt.through import carry_on


@pytest.fixture(scope="module")
def scan(sample_ct, sample_labels) -> Scan:
    voxels = reorient(sample_labels, "LPS").voxels
    names = dict(zip(sample_labels.labels.names, sample_labels.labels.values, strict=True))
    return Scan(sample_ct, {name: voxels == value for name, value in names.items()})


@pytest.fixture(scope="module")
def session(sample_ct, lite_weights) -> PromptSession:
    return open_session(sample_ct, model=load_promptable(lite_weights, "cpu"))


def test_the_gallbladder_from_one_box(session, scan):
    few = replace(scan, structures={"gallbladder": scan.structures["gallbladder"]})
    assert prompt_dice.measured(session, few, (1,))["1 boxes"]["gallbladder"] >= 0.93


def test_a_click_at_the_largest_error_betters_the_gallbladder(session, scan):
    truth = scan.structures["gallbladder"]
    before, after = prompt_dice.clicked(session, truth, prompt_dice.from_boxes(session, truth, 5), 1)
    assert after > before


@pytest.mark.slow
@pytest.mark.parametrize(("boxes", "bar"), [(1, 0.82), (3, 0.84), (5, 0.89), (9, 0.905)])
def test_boxes_of_eight_organs_reach(session, scan, boxes, bar):
    found = prompt_dice.measured(session, scan, (boxes,))[f"{boxes} boxes"]
    assert found["mean"] >= bar, found


@pytest.mark.slow
def test_nine_boxes_and_five_clicks_a_structure_reach(session, scan):
    found = prompt_dice.with_clicks(session, scan, 9)["9 boxes, 5 clicks"]
    assert found["mean"] >= 0.92, found


@pytest.mark.slow
def test_confidence_tells_good_slices_from_bad_ones(session, scan):
    confidence, true = [], []
    for truth in scan.structures.values():
        carried = carry_on(session, prompt_dice.from_boxes(session, truth, 5))
        confidence += carried.confidence.values()
        true += [dice(carried.masks[k], truth[k]) for k in carried.confidence]
    assert spearmanr(confidence, true).statistic >= 0.5


@pytest.mark.slow
def test_five_boxes_on_an_mr_scaled_by_its_percentiles(lite_weights):
    scan = mr_scan()
    session = open_session(scan.volume, model=load_promptable(lite_weights, "cpu"))
    found = prompt_dice.measured(session, scan, (5,))["5 boxes"]
    assert found["mean"] >= 0.74, found
