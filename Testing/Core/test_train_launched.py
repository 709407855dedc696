"""`samed finetune` in several processes: what it trains, writes and prints, by itself and under `accelerate launch`."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from cli_files import SMALL_FEW_SHOT, finetune, run
from several_processes import free_port, history_of, together

from SAMedCore import cli
from SAMedCore.checkpoint.folder import read_info
from SAMedCore.cli import main
from SAMedCore.train import recipe
from SAMedCore.train.optimization import Optimization
from SAMedCore.train.recipe import Stage

HERE = Path(__file__).parent
LAUNCH = "-m accelerate.commands.launch --multi_gpu --num_machines 1 --mixed_precision no --dynamo_backend no"
NOISE = 0.03
"""Between the losses of two trainings that began with equal gradients: Adam takes steps of full size along those that are only
rounding, of which a new decoder has many. One process with one thread and with two differ as much."""

PATIENCE_S = 300


@pytest.fixture
def both_stages(monkeypatch):
    """The decoder in several versions, then LoRA too, its activations computed twice; an average of both."""
    decoder = replace(SMALL_FEW_SHOT.stages[0], versions=3, balanced=0.5, average=0.9)
    end_to_end = Stage(batch_size=2, base_rate=1e-3, warmup_steps=1, planned_epochs=2, epochs=2, average=0.9)
    stages = replace(SMALL_FEW_SHOT, stages=(decoder, end_to_end), gradient_checkpointing=True)
    monkeypatch.setitem(recipe.PRESETS, "few-shot", stages)


def samed_here(arguments: list) -> tuple[int, str, str]:
    """The exit code and what it printed."""
    out, errors = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(errors), pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli, "LATER_S", 0)
        code = main([str(argument) for argument in arguments])
    return code, out.getvalue(), errors.getvalue()


def assert_trained_alike(one: Path, several: Path) -> None:
    losses = [[row["loss"] for row in history_of(out)] for out in (one, several)]
    assert losses[1] == pytest.approx(losses[0], abs=NOISE)
    infos = [read_info(out) for out in (one, several)]
    assert infos[0].trained_on == infos[1].trained_on
    assert infos[0].recipe == infos[1].recipe


def test_both_stages_in_two_processes_train_as_in_one(files, both_stages, tmp_path, capsys):
    run(capsys, *finetune(files, tmp_path / "one"))
    (code, told, errors), others = together(2, samed_here, finetune(files, tmp_path / "two", "--json"))
    assert (code, errors) == (0, "")
    assert others == (0, "", "")
    assert_trained_alike(tmp_path / "one", tmp_path / "two")
    result = json.loads(told.splitlines()[-1])
    assert result["event"] == "result"
    assert result["comparison"]["slices"] == 1
    assert (tmp_path / "two" / "before-after.png").exists()


def first_gradient(arguments: list) -> tuple[float, np.ndarray]:
    """The first step's loss and gradient."""
    seen: list[tuple[float, np.ndarray]] = []
    step = Optimization.step

    def seen_step(self, *batch):
        loss = step(self, *batch)
        gradients = [p.grad.flatten() for p in self.model.parameters() if p.grad is not None]
        seen.append((loss, torch.cat(gradients).numpy().copy()))
        return loss

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Optimization, "step", seen_step)
        assert samed_here(arguments)[0] == 0
    return seen[0]


@pytest.mark.parametrize("stage", ["decoder", "all"])
def test_the_gradient_of_two_processes_is_that_of_one(files, monkeypatch, tmp_path, stage):
    one_epoch = Stage(trains=stage, batch_size=3, base_rate=1e-3, warmup_steps=1, planned_epochs=1, epochs=1)
    exact = replace(SMALL_FEW_SHOT, stages=(one_epoch,), precision="fp32", gradient_checkpointing=True)
    monkeypatch.setitem(recipe.PRESETS, "few-shot", exact)
    loss, gradient = first_gradient(finetune(files, tmp_path / "one"))
    for other_loss, other_gradient in together(2, first_gradient, finetune(files, tmp_path / "two")):
        assert other_loss == pytest.approx(loss, abs=1e-6)
        assert abs(other_gradient - gradient).max() < 1e-6 * abs(gradient).max()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--epochs", "none"], "no whole number"),
        (["--device", "cuda:0"], "each of several processes needs its own"),
        (["--device", "ssh://gpu"], "several processes cannot train on another computer"),
        (["--resume"], "nothing can be resumed"),
        (["--classes", "heart"], "heart"),
    ],
)
def test_bad_input_is_said_once(files, tmp_path, options, sentence):
    results = together(2, samed_here, finetune(files, tmp_path / "out", *options))
    assert [code for code, _, _ in results] == [2, 2]
    said = "".join(errors for _, _, errors in results)
    assert len([line for line in said.splitlines() if line.startswith("samed: ") and sentence in line]) == 1
    assert list(tmp_path.iterdir()) == []


def test_one_launched_process_is_one_process(files, tmp_path, monkeypatch):
    for name in ("RANK", "LOCAL_RANK"):
        monkeypatch.setenv(name, "0")
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert samed_here(finetune(files, tmp_path / "out"))[0] == 0
    assert not torch.distributed.is_initialized()


@pytest.fixture
def launched(files, tmp_path):
    """`accelerate launch` of `samed finetune` in two processes; what it prints is in `tmp_path / "printed"`."""
    begun = []

    def launch(out: Path, *options) -> subprocess.Popen:
        command = [sys.executable, *LAUNCH.split(), "--num_processes", "2", "--main_process_port", str(free_port())]
        command += [HERE / "small_samed.py", *finetune(files, out, *options)]
        paths = os.pathsep.join([str(HERE.parents[1]), str(HERE)])
        environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
        with (tmp_path / "printed").open("w") as printed:
            arguments = [str(part) for part in command]
            begun.append(subprocess.Popen(arguments, env=environment, stdout=printed, stderr=subprocess.STDOUT))
        return begun[-1]

    yield launch
    for process in begun:
        process.terminate()
        process.wait(PATIENCE_S)


def said(tmp_path: Path) -> list[str]:
    return [line for line in (tmp_path / "printed").read_text().splitlines() if line.startswith("samed: ")]


def wait_for(path: Path) -> None:
    end = time.monotonic() + PATIENCE_S
    while not path.exists():
        assert time.monotonic() < end, path
        time.sleep(0.1)


@pytest.mark.slow
def test_launched_by_accelerate_two_processes_train_as_one(files, launched, tmp_path, capsys):
    run(capsys, *finetune(files, tmp_path / "one"))
    assert launched(tmp_path / "two").wait(PATIENCE_S) == 0
    assert_trained_alike(tmp_path / "one", tmp_path / "two")
    assert (tmp_path / "printed").read_text().count("Checkpoint: ") == 1


@pytest.mark.slow
def test_ctrl_c_to_the_launcher_ends_all_with_a_checkpoint_that_can_be_resumed(launched, tmp_path):
    launcher = launched(tmp_path / "out", "--epochs", 10_000)
    wait_for(tmp_path / "out.training" / "state.pt")
    launcher.send_signal(signal.SIGINT)
    assert launcher.wait(60) != 0
    assert [line for line in said(tmp_path) if "Cancelled; the best checkpoint so far is" in line and "--resume" in line]
    assert read_info(tmp_path / "out").labels


@pytest.mark.slow
def test_bad_input_is_said_once_under_a_launcher(launched, tmp_path):
    (tmp_path / "out").mkdir()
    assert launched(tmp_path / "out").wait(PATIENCE_S) != 0
    assert [line for line in said(tmp_path) if "is there already" in line] == said(tmp_path)
    assert len(said(tmp_path)) == 1
    assert "SAMedError" not in (tmp_path / "printed").read_text()
