"""A training state that is damaged, of another training, or mailed: `resume` refuses it in one line, and leaves it."""

import json
import os
import random
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from cli_files import SMALL_FEW_SHOT, finetune
from mailed import deep, evil, first, nothing_ran, set_in, with_json, without
from refused import snapshot
from tiny_training import parameters, telling, train_tiny

from SAMedCore.cli import main
from SAMedCore.errors import Cancelled, InputError
from SAMedCore.train import recipe
from SAMedCore.work import TrainingProgress


@pytest.fixture(scope="module")
def killed(tmp_path_factory) -> Path:
    """The folder of a run that ended after its second epoch."""
    out = tmp_path_factory.mktemp("killed") / "out"
    with pytest.raises(Cancelled):
        train_tiny(out, work=telling([], lambda event: isinstance(event, TrainingProgress) and event.epoch == 3))
    shutil.rmtree(out)
    return out.with_name("out.training")


def taken_up(killed: Path, folder: Path) -> Path:
    """A copy of it; returns where its checkpoint is to be."""
    shutil.copytree(killed, folder / "out.training")
    return folder / "out"


def edited(*path):
    return lambda contents: set_in(*path)(contents)


def tensor(group, change):
    """An edit of the first tensor of a group."""

    def edit(contents):
        name = first(contents[group], "")
        contents[group][name] = change(contents[group][name])

    return edit


def moment(change):
    def edit(contents):
        kept = next(iter(contents["optimizer"]["state"].values()))
        kept["exp_avg"] = change(kept["exp_avg"])

    return edit


def nan(tensor):
    return torch.full_like(tensor, float("nan"))


EDITS = [
    *(pytest.param(without(key), "damaged", id=f"without {key}") for key in ("recipe", "parameters", "optimizer", "average")),
    *(pytest.param(without(key), "damaged", id=f"without {key}") for key in ("state", "scaler", "cpu_rng")),
    pytest.param(without("format"), "not a training state of this version", id="without format"),
    pytest.param(edited("format", 1), "not a training state of this version", id="an older format"),
    pytest.param(edited("format", torch.ones(2)), "not a training state of this version", id="a tensor as format"),
    pytest.param(edited("recipe", {}), "begun with other options", id="another recipe"),
    pytest.param(edited("recipe", torch.ones(3)), "damaged", id="a tensor as recipe"),
    pytest.param(edited("state", {}), "damaged", id="an empty state"),
    pytest.param(edited("state", "stage", -1), "damaged", id="a stage before the first"),
    pytest.param(edited("state", "stage", 99), "damaged", id="a stage after the last"),
    pytest.param(edited("state", "epoch", "two"), "damaged", id="an epoch as text"),
    pytest.param(edited("state", "step", 10**30), "damaged", id="a step of 30 digits"),
    pytest.param(edited("state", "minutes", float("nan")), "damaged", id="no minutes"),
    pytest.param(edited("state", "history", [{"loss": 1.0}]), "damaged", id="a history of something else"),
    pytest.param(edited("state", "history", deep(50)), "damaged", id="a deep history"),
    pytest.param(edited("state", "more", 1), "damaged", id="more than the state"),
    pytest.param(tensor("parameters", nan), "no number", id="parameters NaN"),
    pytest.param(tensor("parameters", lambda t: t[:1]), "of another model", id="parameters of another shape"),
    pytest.param(tensor("parameters", torch.Tensor.double), "as float64", id="parameters float64"),
    pytest.param(tensor("parameters", lambda t: 3), "damaged", id="a number as parameter"),
    pytest.param(edited("parameters", "more", torch.ones(1)), "of another model", id="more parameters"),
    pytest.param(tensor("average", nan), "no number", id="average NaN"),
    pytest.param(tensor("average", lambda t: t[:1]), "of another model", id="average of another shape"),
    pytest.param(edited("average", {}), "of another model", id="no average"),
    pytest.param(moment(nan), "no number", id="moments NaN"),
    pytest.param(moment(lambda t: t[:1]), "of another model", id="moments of another shape"),
    pytest.param(edited("optimizer", "state", 99, {"step": torch.ones(())}), "of another model", id="moments of no parameter"),
    pytest.param(edited("optimizer", "state", []), "damaged", id="moments a list"),
    pytest.param(edited("scaler", {"scale": 2.0}), "damaged", id="half a scaler"),
    pytest.param(edited("cpu_rng", torch.zeros(7, dtype=torch.uint8)), "damaged", id="a short random state"),
    pytest.param(edited("cpu_rng", "dice"), "damaged", id="a random state of text"),
]


@pytest.mark.parametrize(("edit", "said"), EDITS)
def test_an_edited_state_is_refused_and_left(edit, said, killed, tmp_path):
    out = taken_up(killed, tmp_path)
    contents = torch.load(tmp_path / "out.training" / "state.pt", weights_only=True)
    edit(contents)
    torch.save(contents, tmp_path / "out.training" / "state.pt")
    check_refused(out, said)


def cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def zeros_within(file: Path) -> None:
    content = bytearray(file.read_bytes())
    middle = len(content) // 3
    content[middle : middle + 600] = bytes(600)
    file.write_bytes(content)


def other_file(file: Path) -> None:
    torch.save(torch.ones(3), file)


def with_code(file: Path) -> None:
    evil(file.parent.parent).replace(file)


FILES = [
    pytest.param(cut, "cannot be resumed: it is cut off, damaged", id="cut off"),
    pytest.param(zeros_within, "cannot be resumed: it is", id="zeros within"),
    pytest.param(lambda file: file.write_bytes(bytes(5000)), "cannot be resumed: it is", id="zeros"),
    pytest.param(lambda file: file.write_bytes(b""), "cannot be resumed: it is", id="empty"),
    pytest.param(
        lambda file: file.write_bytes(random.Random(0).randbytes(5000)), "cannot be resumed: it is", id="random bytes"
    ),
    pytest.param(lambda file: file.write_text(json.dumps({"format": 2})), "cannot be resumed: it is", id="JSON"),
    pytest.param(other_file, "not a training state", id="a tensor"),
    pytest.param(with_code, "it asks for '__builtin__.getattr'", id="code"),
]


@pytest.mark.parametrize(("damage", "said"), FILES)
def test_a_damaged_state_is_refused_and_left(damage, said, killed, tmp_path):
    out = taken_up(killed, tmp_path)
    damage(tmp_path / "out.training" / "state.pt")
    check_refused(out, said)
    assert nothing_ran(tmp_path)


def check_refused(out: Path, said: str) -> None:
    before = snapshot(out.parent)
    with pytest.raises(InputError) as refusal:
        train_tiny(out, resume=True)
    assert said in str(refusal.value)
    assert "start again" in str(refusal.value) or "take the same" in str(refusal.value) or "resume with" in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert snapshot(out.parent) == before


def test_the_same_state_unedited_is_taken_up_to_the_same_parameters(killed, tmp_path):
    resumed = train_tiny(taken_up(killed, tmp_path), resume=True)
    assert torch.equal(parameters(resumed), parameters(train_tiny(tmp_path / "uninterrupted")))


@pytest.mark.usefixtures("small_network")
def test_the_command_line_refuses_a_damaged_state_and_a_damaged_checkpoint_in_it(files, tmp_path, capfd, monkeypatch):
    stage = replace(SMALL_FEW_SHOT.stages[0], epochs=1)
    monkeypatch.setitem(recipe.PRESETS, "few-shot", replace(SMALL_FEW_SHOT, stages=(stage,)))
    arguments = [str(each) for each in finetune(files, tmp_path / "new")]
    assert main(arguments) == 0
    shutil.rmtree(tmp_path / "new")
    state = tmp_path / "new.training" / "state.pt"
    whole = state.read_bytes()
    state.write_bytes(whole[: len(whole) // 2])
    capfd.readouterr()
    assert main([*arguments, "--resume"]) == 2
    assert "state.pt cannot be resumed" in capfd.readouterr().err.splitlines()[-1]
    state.write_bytes(whole)
    with_json(tmp_path / "new.training" / "last", "samed.json", set_in("labels", 3))
    assert main([*arguments, "--resume"]) == 2
    assert "last/samed.json: damaged: labels is 3" in capfd.readouterr().err.splitlines()[-1]
