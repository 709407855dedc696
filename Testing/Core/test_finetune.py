"""A few annotated slices of the real CT and the real LiteMedSAM make a checkpoint that segments."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from SAMedCore.checkpoint.folder import read_info, write_info
from SAMedCore.errors import InputError
from SAMedCore.image.volume import Volume
from SAMedCore.segment import load_model
from SAMedCore.train.cases import Pair
from SAMedCore.train.finetune import TrainingData, finetune
from SAMedCore.train.recipe import PRESETS, Recipe, Stage

SLICES = [70, 80]
TWO_STAGES = (
    Stage(trains="decoder", batch_size=2, base_rate=1e-3, warmup_steps=2, planned_epochs=3, epochs=3),
    Stage(batch_size=2, base_rate=1e-5, warmup_steps=1, planned_epochs=1, epochs=1),
)


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return replace(PRESETS["few-shot"], stages=TWO_STAGES)


@pytest.fixture(scope="module")
def data(sample_ct, sample_labels) -> TrainingData:
    return TrainingData([Pair(sample_ct, sample_labels)], ["liver", "spleen"], validation=0, slices=[SLICES])


@pytest.fixture(scope="module")
def finetuned(tmp_path_factory, data, recipe, lite_weights):
    out = tmp_path_factory.mktemp("finetuned") / "liver"
    return out, finetune(data, recipe, out, base=lite_weights)


def test_both_stages_lower_the_loss(finetuned):
    _, history = finetuned
    assert [row["stage"] for row in history] == ["decoder", "decoder", "decoder", "all"]
    assert history[2]["loss"] < history[0]["loss"]


def test_the_checkpoint_says_what_it_was_made_from(finetuned):
    info = read_info(finetuned[0])
    assert (info.base.name, info.base.architecture) == ("lite", "lite")
    assert info.labels.names == ("spleen", "liver")
    assert (info.trained_on["scans"], info.trained_on["slices"]) == (1, 2)
    assert info.recipe["name"] == "few-shot"
    assert info.description == "fine-tuned (few-shot) on 2 slices, scans: 1"


def test_the_checkpoint_segments(finetuned, sample_ct):
    one_slice = Volume(sample_ct.voxels[70:72], sample_ct.ijk_to_lps)
    labelmap = load_model(finetuned[0], device="cpu").segment(one_slice)
    assert labelmap.voxels.shape == one_slice.voxels.shape
    assert set(np.unique(labelmap.voxels)) <= {0, 1, 5}


def test_training_goes_on_from_a_checkpoint(finetuned, data, recipe, tmp_path, lite_weights):
    only_decoder = replace(recipe, stages=(replace(TWO_STAGES[0], epochs=1),), seed=2)
    history = finetune(data, only_decoder, tmp_path / "next", checkpoint=finetuned[0], base=lite_weights)
    assert history[0]["loss"] < finetuned[1][0]["loss"]


def test_a_checkpoint_without_a_fixed_orientation_is_refused(finetuned, data, recipe, tmp_path, lite_weights):
    shutil.copytree(finetuned[0], tmp_path / "auto")
    info = read_info(finetuned[0])
    write_info(tmp_path / "auto", replace(info, preprocessing=replace(info.preprocessing, orientation="auto")))
    with pytest.raises(InputError, match="orientation"):
        finetune(data, recipe, tmp_path / "next", checkpoint=tmp_path / "auto", base=lite_weights)


def test_a_run_on_other_slices_is_not_resumed(data, recipe, tmp_path, lite_weights):
    short = replace(recipe, stages=(replace(TWO_STAGES[0], epochs=1),))
    finetune(data, short, tmp_path / "out", base=lite_weights)
    shutil.rmtree(tmp_path / "out")
    with pytest.raises(InputError, match=r"out\.training was begun with other scans, slices or labels"):
        finetune(replace(data, slices=[[70, 81]]), short, tmp_path / "out", base=lite_weights, resume=True)
    assert finetune(data, short, tmp_path / "out", base=lite_weights, resume=True)


def test_a_vit_preset_on_the_lite_base_is_refused(data, lite_weights, tmp_path):
    with pytest.raises(InputError, match="few-shot"):
        finetune(data, PRESETS["samed"], tmp_path / "out", base=lite_weights)
    assert list(tmp_path.iterdir()) == []


def test_nothing_to_start_from_is_refused(data, recipe, tmp_path):
    with pytest.raises(InputError, match="--base"):
        finetune(data, recipe, tmp_path / "out")
