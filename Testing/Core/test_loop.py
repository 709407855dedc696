"""A run trains what it should, tells where it is, and leaves whole checkpoints or none."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_training import (
    DECODER,
    END_TO_END,
    RECIPE,
    TinySam,
    bright_squares,
    in_epoch,
    save,
    steps_of,
    telling,
    train_tiny,
)

from SAMedCore.errors import Cancelled, SAMedError
from SAMedCore.train.loop import Run, train
from SAMedCore.train.loss import validation_dice
from SAMedCore.train.slices import EpochSampler, item_loader
from SAMedCore.work import Event, TrainingProgress, Work


def test_training_learns_what_is_bright(tmp_path):
    longer = replace(RECIPE, stages=(DECODER, replace(END_TO_END, planned_epochs=30, epochs=30)))
    model = train_tiny(tmp_path / "out", longer)
    held_out = item_loader(bright_squares(5, None), 4, EpochSampler(np.ones(5, int), seed=0, shuffled=False), workers=0)
    assert validation_dice(model.eval(), held_out, torch.device("cpu")) > 0.9


def test_frozen_parameters_and_batch_norm_stay_as_they_were(tmp_path):
    fresh, trained = TinySam(), train_tiny(tmp_path / "out")
    for name, tensor in fresh.state_dict().items():
        frozen = name.startswith(("image_encoder.0", "image_encoder.1"))
        assert torch.equal(tensor, trained.state_dict()[name]) == frozen, name


def test_the_decoder_stage_leaves_the_encoder_alone(tmp_path):
    trained = train_tiny(tmp_path / "out", replace(RECIPE, stages=(DECODER,)))
    assert torch.equal(TinySam().image_encoder[3].weight, trained.image_encoder[3].weight)
    assert not torch.equal(TinySam().mask_decoder.weight, trained.mask_decoder.weight)


def test_cancelling_keeps_the_best_so_far(tmp_path):
    seen: list[Event] = []
    with pytest.raises(Cancelled):
        train_tiny(tmp_path / "out", work=telling(seen, until=in_epoch(2)))
    assert (tmp_path / "out" / "weights.pt").exists()


def test_cancelling_before_the_first_epoch_leaves_nothing(tmp_path):
    with pytest.raises(Cancelled):
        train_tiny(tmp_path / "out", work=Work(is_cancelled=lambda: True))
    assert list(tmp_path.iterdir()) == []


def test_the_best_epoch_is_what_is_published(tmp_path):
    train_tiny(tmp_path / "out")
    folder = tmp_path / "out.training"
    published, best = (torch.load(path / "weights.pt") for path in (tmp_path / "out", folder / "best"))
    assert all(torch.equal(published[name], best[name]) for name in best)
    assert {path.name for path in folder.iterdir()} >= {"best", "last", "state.pt", "history.json", "loss.png"}


def test_the_loss_curve_is_drawn_while_the_run_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr("SAMedCore.train.folder.REDRAW_S", 0)
    seen: list[Event] = []
    with pytest.raises(Cancelled):
        train_tiny(tmp_path / "out", work=telling(seen, until=in_epoch(3)))
    assert (tmp_path / "out.training" / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_a_loss_that_is_no_number_ends_the_run(tmp_path):
    wild = replace(RECIPE, stages=(replace(END_TO_END, base_rate=float("inf")),))
    with pytest.raises(SAMedError, match="lower rate"):
        train_tiny(tmp_path / "out", wild)


def test_a_stage_for_gpus_is_left_out_without_one(tmp_path):
    seen: list[Event] = []
    train_tiny(tmp_path / "out", replace(RECIPE, stages=(DECODER, replace(END_TO_END, only_on_gpu=True))), telling(seen))
    assert {event.stage for event in steps_of(seen)} == {"decoder"}


def test_progress_tells_where_the_run_is(tmp_path):
    seen: list[Event] = []
    train_tiny(tmp_path / "out", work=telling(seen))
    last = seen[-1]
    assert (last.stage, last.epoch, last.epochs, last.step, last.steps) == ("all", 4, 4, 8, 8)
    assert last.eta_s == 0
    assert 0 <= last.validation_dice <= 1


def test_the_end_of_each_epoch_is_told_once_it_is_kept(tmp_path):
    kept: list[TrainingProgress] = []

    def tell(event):
        if isinstance(event, TrainingProgress) and event.epoch_done:
            assert (tmp_path / "out.training" / "state.pt").exists()
            kept.append(event)

    run = Run(TinySam(), RECIPE, tmp_path / "out", save, work=Work(tell))
    history = train(run, bright_squares(8, "few-shot"), bright_squares(3, None))
    assert [(event.epoch, event.stage) for event in kept] == [
        (e, s) for s, n in (("decoder", 3), ("all", 4)) for e in range(1, n + 1)
    ]
    for name in ("loss", "learning_rate", "validation_dice"):
        assert [getattr(event, name) for event in kept] == [row[name] for row in history]


def test_cancelling_stops_in_the_middle_of_a_step_and_of_validation(tmp_path):
    for number in range(60, 90):
        asked: list[int] = []
        out = tmp_path / str(number)
        with pytest.raises(Cancelled):
            train_tiny(out, work=Work(is_cancelled=lambda asked=asked, number=number: asked.append(1) or len(asked) > number))
        assert len(asked) == number + 1
        assert out.exists() == (tmp_path / f"{number}.training").exists()
