"""Several processes train what one would: same losses, same parameters; they go on after a kill, and leave together."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from several_processes import begun, history_of, together
from tiny_training import DECODER, END_TO_END, RECIPE, TinySam, bright_squares, parameters, save, train_tiny

from SAMedCore.errors import Cancelled, InputError, SAMedError
from SAMedCore.train import processes
from SAMedCore.train.clock import StageClock
from SAMedCore.train.loop import Run, train
from SAMedCore.train.loss import IGNORE, segmentation_loss
from SAMedCore.train.processes import ENDED, Together
from SAMedCore.work import Work

ROUNDING = 2e-6
"""Sums of float32 in another order."""

UNEVEN = replace(
    RECIPE,
    stages=(replace(DECODER, balanced=1.0, batch_size=3), replace(END_TO_END, batch_size=3, average=0.5)),
    dice_of_present=True,
)
"""An epoch's last batch is smaller, slices are shown unequally often, and what is kept is an average in both stages."""

ASKED_IN_ENCODING = 10
"""How often two processes are asked whether they are cancelled, before the decoder's twelve steps."""


def train_here(out: Path, recipe=RECIPE, resume=False, trouble=lambda rank, asked: False, slices=lambda rank: 8):
    """As one of several processes: its parameters and what it told; or what ended it, and whether it is to say that.

    Args:
        trouble: called with this process's number and how often it was called before; the work is cancelled once it is true.
        slices: how many this process is given.
    """
    this, asked, told = Together("cpu"), [], []

    def is_cancelled() -> bool:
        asked.append(trouble(this.rank, len(asked)))
        return asked[-1]

    work = this.heard(Work(told.append, is_cancelled))
    run = Run(TinySam(), recipe, out, save, work=work, resume=resume, processes=this)
    try:
        train(run, bright_squares(slices(this.rank), "few-shot"), bright_squares(3, None))
    except SAMedError as error:
        return str(error), this.speaks(error)
    this.part()
    return parameters(run.model).detach().numpy(), told


def assert_trained_alike(one: Path, several: Path) -> None:
    """In every epoch the same loss and rate, and in the end the same checkpoints, but for rounding."""
    for row, other in zip(history_of(one), history_of(several), strict=True):
        assert other == {**row, "loss": pytest.approx(row["loss"], abs=ROUNDING), "validation_dice": row["validation_dice"]}
    for name in (".", "../{}.training/best", "../{}.training/last"):
        of_both = (torch.load(out / name.format(out.name) / "weights.pt") for out in (one, several))
        torch.testing.assert_close(*of_both, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize(("count", "recipe"), [(2, RECIPE), (5, UNEVEN)], ids=["two", "five"])
def test_several_processes_train_as_one(tmp_path, count, recipe):
    """Of the five that share a batch of three some have nothing of it."""
    one = parameters(train_tiny(tmp_path / "one", recipe)).numpy()
    results = together(count, train_here, tmp_path / "several", recipe)
    for trained, _ in results:
        assert abs(trained - one).max() < ROUNDING
        assert (trained == results[0][0]).all()
    assert_trained_alike(tmp_path / "one", tmp_path / "several")


def test_only_the_first_tells(tmp_path):
    (_, told), (_, others) = together(2, train_here, tmp_path / "out")
    assert told[-1].epoch_done
    assert others == []


@pytest.mark.parametrize("only_present", [False, True])
def test_the_loss_of_shares_is_that_of_the_batch_and_so_is_its_gradient(only_present):
    draw = torch.Generator().manual_seed(3)
    logits = torch.randn(3, 4, 8, 8, generator=draw)
    labels = torch.randint(IGNORE, 3, (3, 8, 8), generator=draw)
    leaf = logits.clone().requires_grad_()
    loss = segmentation_loss(leaf, labels, only_present=only_present)
    loss.backward()
    shares = together(2, _loss_of_share, logits, labels, only_present)
    assert [share[0] for share in shares] == pytest.approx([loss.item()] * 2, abs=ROUNDING)
    gradient = torch.zeros_like(logits)
    for rank, (_, part) in enumerate(shares):
        gradient[rank::2] = torch.from_numpy(part)
    torch.testing.assert_close(gradient, leaf.grad, rtol=0, atol=1e-8)


def _loss_of_share(logits, labels, only_present):
    this = Together("cpu")
    share = logits[this.rank :: 2].clone().requires_grad_()
    loss = segmentation_loss(share, labels[this.rank :: 2], only_present=only_present, pooled=this.pooled)
    loss.backward()
    return loss.item(), share.grad.numpy()


def test_each_slice_is_encoded_by_one_process(tmp_path):
    decoder = replace(RECIPE, stages=(DECODER,))
    assert together(2, _encoded_here, tmp_path / "out", decoder) == [10, 10]  # of 8 slices in 2 versions, and of 3 held out


def _encoded_here(out, recipe):
    encoded = []
    encode = TinySam.encode
    TinySam.encode = lambda self, images: encoded.append(len(images)) or encode(self, images)
    train_here(out, recipe)
    return sum(encoded)


def test_all_stop_after_the_same_epoch_whatever_their_clocks_say(tmp_path):
    limited = replace(DECODER, planned_epochs=50, epochs=50, minutes=3.5, ends_at_rate_0=True)
    (told, _), others = together(2, _with_a_clock_of_its_own, tmp_path / "out", replace(RECIPE, stages=(limited,)))
    assert told == others[0] == len(history_of(tmp_path / "out")) == 4


def _with_a_clock_of_its_own(out, recipe):
    """A minute an epoch in the first process, ten in the second."""
    pace = 1 if os.environ["RANK"] == "0" else 10
    kept = []
    StageClock.minutes = property(lambda clock: kept.append(1) or pace * len(kept))
    StageClock.epochs_that_fit = lambda clock, epochs, most: max(epochs, 4 // pace)
    train_here(out, recipe)
    return len(kept), pace


def kill_second(asked_before: int):
    def trouble(rank: int, asked: int) -> bool:
        if rank == 1 and asked == asked_before:
            os.kill(os.getpid(), signal.SIGKILL)
        return False

    return trouble


@pytest.mark.parametrize("steps", [0, 5], ids=["in the first epoch", "in the second"])
def test_a_killed_process_ends_the_others_and_the_training_goes_on(tmp_path, steps):
    train_tiny(tmp_path / "one")
    first, second = begun(2, train_here, tmp_path / "out", RECIPE, False, kill_second(ASKED_IN_ENCODING + steps))
    assert first[1].poll(60)
    assert first[1].recv() == (ENDED, True)
    second[0].join(60)
    assert second[0].exitcode == -signal.SIGKILL
    assert not (tmp_path / "out").exists()
    assert (tmp_path / "out.training").exists() == (steps > 0)
    together(2, train_here, tmp_path / "out", RECIPE, steps > 0)
    assert_trained_alike(tmp_path / "one", tmp_path / "out")


def test_a_training_of_several_goes_on_in_one(tmp_path):
    train_tiny(tmp_path / "one")
    together(2, train_here, tmp_path / "out", RECIPE, False, lambda rank, asked: asked > ASKED_IN_ENCODING + 5)
    (tmp_path / "out" / "weights.pt").unlink()
    (tmp_path / "out").rmdir()
    train_tiny(tmp_path / "out", resume=True)
    assert_trained_alike(tmp_path / "one", tmp_path / "out")


@pytest.mark.parametrize("who", [0, 1])
def test_cancelled_in_one_all_leave_and_the_first_publishes(tmp_path, who):
    results = together(
        2, train_here, tmp_path / "out", RECIPE, False, lambda rank, asked: rank == who and asked > ASKED_IN_ENCODING + 5
    )
    assert results == [
        (f"Cancelled; the best checkpoint so far is {tmp_path / 'out'}. The training can be resumed.", True),
        (str(Cancelled()), False),
    ]
    assert (tmp_path / "out" / "weights.pt").exists()


def test_cancelled_while_slices_are_encoded_all_leave_nothing(tmp_path):
    results = together(2, train_here, tmp_path / "out", RECIPE, False, lambda rank, asked: rank == 1 and asked == 3)
    assert results == [(str(Cancelled()), True), (str(Cancelled()), False)]
    assert list(tmp_path.iterdir()) == []


def fail_second(rank: int, asked: int) -> bool:
    if rank == 1 and asked == ASKED_IN_ENCODING + 5:
        raise SAMedError("no room")
    return False


def test_the_one_that_fails_says_why_and_the_others_nothing(tmp_path):
    assert together(2, train_here, tmp_path / "out", RECIPE, False, fail_second) == [(ENDED, False), ("no room", True)]
    assert not (tmp_path / "out").exists()
    assert len(history_of(tmp_path / "out")) == 1


def test_a_loss_that_is_no_number_ends_all_and_one_says_so(tmp_path):
    wild = replace(RECIPE, stages=(replace(END_TO_END, base_rate=float("inf")),))
    results = together(2, train_here, tmp_path / "out", wild)
    assert all("lower rate" in said for said, _ in results)
    assert sorted(speaks for _, speaks in results) == [False, True]
    assert list(tmp_path.iterdir()) == []


def test_other_slices_in_one_process_are_refused_in_all(tmp_path):
    results = together(2, train_here, tmp_path / "out", RECIPE, False, lambda *_: False, lambda rank: 8 + rank)
    assert all("process 1 has other scans, labels or options than process 0" in said for said, _ in results)
    assert sorted(speaks for _, speaks in results) == [False, True]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("device", "sentence"), [("cuda:1", "each of several processes needs its own"), ("cuda", "2 processes were started where")]
)
def test_a_device_that_not_all_can_have_is_refused(device, sentence, monkeypatch):
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(InputError, match=sentence):
        Together(device)


def test_terminated_it_says_that_it_can_be_resumed(tmp_path):
    def terminate(rank: int, asked: int) -> bool:
        if rank == 1 and asked == ASKED_IN_ENCODING + 5:
            os.kill(os.getpid(), signal.SIGTERM)
        return False

    results = together(2, train_here, tmp_path / "out", RECIPE, False, terminate)
    assert [said for said, _ in results] == [ENDED, ENDED]
    assert (tmp_path / "out.training" / "state.pt").exists()


@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_each_process_has_the_gpu_of_its_number(device, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(processes, "choose_device", torch.device)
    assert processes._own_device(device, on_this_machine=2) == torch.device("cuda:1")
