"""A few annotated slices of the real CT and the real LiteMedSAM make a checkpoint that segments."""

import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from SAMedCore.checkpoint.folder import read_info, write_info
from SAMedCore.errors import InputError
from SAMedCore.image.volume import Volume
from SAMedCore.options import FinetuneOptions
from SAMedCore.segment import load_model
from SAMedCore.train.cases import Case
from SAMedCore.train.finetune import finetune
from SAMedCore.train.recipe import PRESETS, Recipe, Stage
from SAMedCore.train.start import check_start

TWO_STAGES = (
    Stage(trains="decoder", batch_size=2, base_rate=3e-4, warmup_steps=2, planned_epochs=3, epochs=3),
    Stage(batch_size=2, base_rate=1e-5, warmup_steps=1, planned_epochs=1, epochs=1),
)


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return replace(PRESETS["few-shot"], stages=TWO_STAGES)


@pytest.fixture(scope="module")
def cases(sample_ct, sample_labels) -> list[Case]:
    return [Case(sample_ct, sample_labels)]


@pytest.fixture(scope="module")
def asked(lite_weights):
    """Options for `out`, from the lite base unless said otherwise."""

    def options(out: Path, **fields) -> FinetuneOptions:
        learnt = {"classes": ["liver", "spleen"], "validation": 0, "slices": [70, 80]}
        return FinetuneOptions(str(out), **{"base": str(lite_weights), **learnt, **fields})

    return options


@pytest.fixture(scope="module")
def finetuned(tmp_path_factory, cases, recipe, asked):
    out = tmp_path_factory.mktemp("finetuned") / "liver"
    return out, finetune(cases, asked(out), recipe=recipe).history


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


def test_training_goes_on_from_a_checkpoint(finetuned, cases, recipe, tmp_path, asked):
    only_decoder = replace(recipe, stages=(replace(TWO_STAGES[0], epochs=1),), seed=2)
    history = finetune(cases, asked(tmp_path / "next", checkpoint=str(finetuned[0])), recipe=only_decoder).history
    assert history[0]["loss"] < finetuned[1][0]["loss"]


def test_a_checkpoint_without_a_fixed_orientation_is_refused(finetuned, tmp_path, asked):
    shutil.copytree(finetuned[0], tmp_path / "auto")
    info = read_info(finetuned[0])
    write_info(tmp_path / "auto", replace(info, preprocessing=replace(info.preprocessing, orientation="auto")))
    with pytest.raises(InputError, match="orientation"):
        check_start(asked(tmp_path / "next", checkpoint=str(tmp_path / "auto")))


def test_a_checkpoint_knows_its_base_by_name(finetuned, tmp_path, asked):
    assert check_start(asked(tmp_path / "next", checkpoint=str(finetuned[0]), base="vit_h")).base.name == "lite"
    with pytest.raises(InputError, match=r"none\.pth: no such weights file"):
        check_start(asked(tmp_path / "next", checkpoint=str(finetuned[0]), base="none.pth"))


def test_a_run_on_other_slices_is_not_resumed(cases, recipe, tmp_path, asked):
    short, options = replace(recipe, stages=(replace(TWO_STAGES[0], epochs=1),)), asked(tmp_path / "out")
    finetune(cases, options, recipe=short)
    shutil.rmtree(tmp_path / "out")
    with pytest.raises(InputError, match=r"out\.training was begun with other scans, slices or labels"):
        finetune(cases, replace(options, slices=[70, 81], resume=True), recipe=short)
    assert finetune(cases, replace(options, resume=True), recipe=short).history


@pytest.mark.parametrize("check", [check_start, partial(finetune, [])])
def test_the_one_preflight_is_the_librarys_too(check, asked, tmp_path):
    """A killed run is there: `resume` False refuses it, None goes on with it."""
    (tmp_path / "out.training").mkdir()
    (tmp_path / "out.training" / "state.pt").touch()
    with pytest.raises(InputError, match=r"state\.pt is there already: choose another place, remove it, or resume"):
        check(asked(tmp_path / "out"))
    assert check_start(asked(tmp_path / "out", resume=None)).resume
    assert not check_start(asked(tmp_path / "new", resume=None)).resume
    with pytest.raises(InputError, match="nothing can be resumed"):
        check(asked(tmp_path / "new", resume=True))


def test_a_vit_preset_on_the_lite_base_is_refused(cases, asked, tmp_path):
    with pytest.raises(InputError, match="few-shot"):
        finetune(cases, asked(tmp_path / "out", preset="samed"))
    assert list(tmp_path.iterdir()) == []


def test_nothing_to_start_from_is_refused(asked, tmp_path):
    with pytest.raises(InputError, match="nothing to start from"):
        asked(tmp_path / "out", base=None)
