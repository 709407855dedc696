"""The shipped checkpoint does on the sample CT what its card says, and more than the annotated slices do alone."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from SAMedCore.checkpoint.catalogue import DEMO_FOLDER
from SAMedCore.checkpoint.folder import INFO_FILE, read_info
from SAMedCore.demo.sample import ORGAN_SLICES
from SAMedCore.demo.show import ANNOTATED, SCORED, Outcome, demonstrate
from SAMedCore.segment import Segmenter, load_model
from train_demo import publish

MEGABYTES = 1e6


@pytest.fixture(scope="module")
def outcome(tmp_path_factory, lite_weights) -> Outcome:
    return demonstrate(tmp_path_factory.mktemp("demo"), "cpu")


def test_the_checkpoint_beats_both_baselines_on_slices_that_it_never_saw(outcome):
    means = {method: np.mean(values) for method, values in outcome.dice.items()}
    assert means["checkpoint"] >= 0.85
    assert means["checkpoint"] > max(means["nearest slice"], means["interpolated"])


def test_the_baselines_are_those_measured_elsewhere(outcome):
    assert np.mean(outcome.dice["nearest slice"]) == pytest.approx(0.82, abs=0.005)
    assert np.mean(outcome.dice["interpolated"]) == pytest.approx(0.845, abs=0.005)


def test_no_slice_is_both_learnt_from_and_scored():
    assert not set(ANNOTATED) & set(SCORED)
    assert sorted([*ANNOTATED, *SCORED]) == list(ORGAN_SLICES)


def test_the_demo_says_what_it_is_and_where_its_files_are(outcome):
    text = outcome.text()
    assert "Not a model for other patients" in text
    for organ in outcome.labels.names:
        assert re.search(rf"^  {organ} +0\.\d{{3}} +0\.\d{{3}} +0\.\d{{3}}$", text, re.MULTILINE)
    for file in (outcome.segmentation, outcome.overview):
        assert str(file) in text
        assert file.stat().st_size > 0


def test_the_card_and_samed_json_give_the_dice_that_is_measured(outcome):
    metrics, card = read_info(DEMO_FOLDER).metrics, (DEMO_FOLDER / "README.md").read_text(encoding="utf-8")
    for method, values in outcome.dice.items():
        assert metrics["mean_dice"][method] == pytest.approx(np.mean(values), abs=0.002)
    means = " | ".join(f"{value:.3f}" for value in metrics["mean_dice"].values())
    assert f"| **mean** | {means} |" in card


def test_the_checkpoint_is_small_and_names_no_file_or_patient():
    assert sum(file.stat().st_size for file in DEMO_FOLDER.iterdir()) <= 17 * MEGABYTES
    info = read_info(DEMO_FOLDER)
    assert (info.trained_on["scans"], info.trained_on["slices"]) == (1, len(ANNOTATED))
    for file in (DEMO_FOLDER / INFO_FILE, DEMO_FOLDER / "adapter_config.json"):
        assert not re.search(r"[/\\](home|root|tmp|work|Users)[/\\]", file.read_text(encoding="utf-8"))


def test_orientation_auto_finds_the_one_that_it_was_trained_in(sample_ct):
    known = load_model(DEMO_FOLDER, "cpu")
    info = replace(known.info, preprocessing=replace(known.info.preprocessing, orientation="auto"))
    auto = Segmenter(known.sam, info, "cpu")
    slices = range(88, 90)
    assert np.array_equal(auto.segment(sample_ct, slices=slices).voxels, known.segment(sample_ct, slices=slices).voxels)


def test_publishing_puts_dice_and_card_beside_the_weights(tmp_path, outcome):
    dice = {method: [0.5] * len(values) for method, values in outcome.dice.items()}
    publish(DEMO_FOLDER, tmp_path / "again", dice)
    assert json.loads((tmp_path / "again" / INFO_FILE).read_text(encoding="utf-8"))["metrics"]["mean_dice"]["checkpoint"] == 0.5
    assert "| spleen | 0.500 | 0.500 | 0.500 |" in (tmp_path / "again" / "README.md").read_text(encoding="utf-8")
    assert {file.name for file in DEMO_FOLDER.iterdir()} == {file.name for file in (tmp_path / "again").iterdir()}
