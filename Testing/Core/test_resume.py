"""A killed or cancelled run goes on to the same result; what cannot go on is refused."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_training import (
    RECIPE,
    parameters,
    steps_of,
    train_tiny,
)

from SAMedCore.errors import Cancelled, InputError
from SAMedCore.train.start import can_be_resumed
from SAMedCore.work import Event, TrainingProgress, Work


def kill_after(epochs: int) -> Work:
    """It ends its own process as `kill -9` does, in the middle of the epoch after these."""

    def tell(event):
        if isinstance(event, TrainingProgress) and event.step > 4 * epochs + 1:
            os.kill(os.getpid(), signal.SIGKILL)

    return Work(tell)


@pytest.mark.parametrize("epochs", [0, 1, 2])
def test_a_killed_run_resumes_to_the_same_parameters(tmp_path, epochs):
    """Killed in the decoder stage's first, second and third epoch; the end-to-end stage follows."""
    expected = train_tiny(tmp_path / "uninterrupted")
    script = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r});"
        f"import torch; torch.set_num_threads({torch.get_num_threads()}); from pathlib import Path;"
        f"import test_resume as t;"
        f"t.train_tiny(Path({str(tmp_path / 'out')!r}), work=t.kill_after({epochs}))"
    )
    killed = subprocess.run([sys.executable, "-c", script], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "out").exists()
    resumed = train_tiny(tmp_path / "out", resume=True)
    assert torch.equal(parameters(resumed), parameters(expected))
    for file in ("best", "last"):
        of_both = (torch.load(tmp_path / f"{run}.training" / file / "weights.pt") for run in ("out", "uninterrupted"))
        first, second = of_both
        assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_run_cancelled_between_stages_resumes_to_the_same_parameters(tmp_path):
    expected = train_tiny(tmp_path / "uninterrupted")
    seen: list[Event] = []
    with pytest.raises(Cancelled):
        train_tiny(tmp_path / "out", work=Work(seen.append, lambda: len(steps_of(seen)) >= 15))
    assert torch.equal(parameters(train_tiny(tmp_path / "out", resume=True)), parameters(expected))


def test_a_finished_run_is_not_overwritten(tmp_path):
    train_tiny(tmp_path / "out")
    with pytest.raises(InputError, match="out is there already"):
        train_tiny(tmp_path / "out")


def test_resuming_with_another_recipe_is_refused(tmp_path):
    train_tiny(tmp_path / "out")
    with pytest.raises(InputError, match="seed"):
        train_tiny(tmp_path / "out", replace(RECIPE, seed=1), resume=True)


def test_resuming_nothing_is_refused(tmp_path):
    with pytest.raises(InputError, match="nothing can be resumed"):
        train_tiny(tmp_path / "out", resume=True)


def test_a_damaged_state_is_refused(tmp_path):
    train_tiny(tmp_path / "out")
    (tmp_path / "out.training" / "state.pt").write_bytes(b"not a state")
    with pytest.raises(InputError, match="damaged"):
        train_tiny(tmp_path / "out", resume=True)


def test_a_killed_run_can_be_resumed_and_a_finished_one_not(tmp_path):
    assert not can_be_resumed(tmp_path / "out")
    train_tiny(tmp_path / "out")
    assert not can_be_resumed(tmp_path / "out")
    (tmp_path / "out").rename(tmp_path / "elsewhere")
    assert can_be_resumed(tmp_path / "out")
