"""A stage keeps to its minutes, and the time left is told at its pace."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
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

from SAMedCore.errors import Cancelled
from SAMedCore.train.loop import Run, train
from SAMedCore.work import Event, Progress


def test_a_time_limit_ends_a_stage_after_the_epoch(tmp_path):
    hasty = replace(RECIPE, stages=(replace(DECODER, minutes=0.0), replace(END_TO_END, minutes=1e-9)))
    seen: list[Event] = []
    train_tiny(tmp_path / "out", hasty, telling(seen))
    assert {(event.stage, event.epoch) for event in steps_of(seen)} == {("all", 1)}


class SlowSam(TinySam):
    """Encoding a slice takes a minute, and so does decoding a batch; `clock` is the time in seconds."""

    clock = 0.0

    def encode(self, images):
        self.pass_time(len(images))
        return super().encode(images)

    def decode(self, image_embedding):
        self.pass_time(1)
        return super().decode(image_embedding)

    @classmethod
    def pass_time(cls, minutes: int) -> None:
        cls.clock += 60 * minutes


@pytest.fixture
def slow_sam(monkeypatch) -> type[SlowSam]:
    monkeypatch.setattr(SlowSam, "clock", 0.0)
    for module in ("clock", "embeddings"):
        monkeypatch.setattr(f"SAMedCore.train.{module}.time", SimpleNamespace(monotonic=lambda: SlowSam.clock))
    return SlowSam


def train_slowly(sam: type[SlowSam], out: Path, minutes: float, until=lambda event: False, resume: bool = False) -> list[Event]:
    """A stage of ten versions of eight slices, three more held out; returns its events."""
    patient = replace(
        DECODER, versions=10, minutes=minutes, planned_epochs=100, epochs=100, warmup_steps=1, power=1.0, ends_at_rate_0=True
    )
    recipe, events = replace(RECIPE, stages=(patient,)), []
    run = Run(sam(), recipe, out, save, work=telling(events, until), resume=resume)
    with suppress(Cancelled):
        train(run, bright_squares(8, "few-shot"), bright_squares(3, None))
    return events


def slices_encoded(events: list[Event]) -> int:
    """Of those that are learnt from."""
    return max(event.done for event in events if isinstance(event, Progress) and event.total > 3)


def test_encoding_takes_half_of_a_stages_minutes_and_training_the_rest(tmp_path, slow_sam):
    """Three slices held out and three versions of eight take 27 minutes; an epoch of six batches and a validation seven."""
    events = train_slowly(slow_sam, tmp_path / "out", minutes=60)
    assert slices_encoded(events) == 3 * 8
    assert (events[-1].epoch, events[-1].step) == (5, 5 * 6)
    assert slow_sam.clock / 60 == 27 + 5 * 7


def test_the_rate_ends_at_0_when_the_minutes_do(tmp_path, slow_sam):
    """The pace is known after the first epoch: five of a hundred."""
    steps = steps_of(train_slowly(slow_sam, tmp_path / "out", minutes=60))
    rates = [step.learning_rate / DECODER.base_rate for step in steps if not step.epoch_done]
    assert rates[5] == pytest.approx(1 - 3 / 600)
    assert rates[6] == pytest.approx(1 - 4 / 30)
    assert 0 < rates[-1] < 0.1


def test_a_stage_that_is_over_before_its_slices_are_encoded_encodes_each_once_and_trains_an_epoch(tmp_path, slow_sam):
    events = train_slowly(slow_sam, tmp_path / "out", minutes=5)
    assert slices_encoded(events) == 8
    assert (events[-1].epoch, events[-1].step, events[-1].eta_s) == (1, 2, 0)
    assert (tmp_path / "out" / "weights.pt").exists()


def test_a_resumed_stage_learns_from_as_many_versions_as_it_had(tmp_path, slow_sam):
    cancelled = train_slowly(slow_sam, tmp_path / "out", 60, until=in_epoch(2))
    assert steps_of(cancelled)[-1].epoch == 2
    assert slices_encoded(cancelled) == 3 * 8
    events = train_slowly(slow_sam, tmp_path / "out", 60, resume=True)
    assert slices_encoded(events) == 3 * 8
    assert {event.steps for event in steps_of(events)} == {5 * 6}


def test_the_time_left_is_told_at_the_pace_of_the_training_alone(tmp_path, slow_sam):
    """A batch takes a minute, and the limit comes before the last one."""
    events = train_slowly(slow_sam, tmp_path / "out", minutes=60)
    assert steps_of(events)[0].eta_s == 60 * (60 - 27 - 1)
    unlimited = replace(RECIPE, stages=(replace(DECODER, versions=1, planned_epochs=3, epochs=3),))
    seen: list[Event] = []
    train(Run(slow_sam(), unlimited, tmp_path / "two", save, work=telling(seen)), bright_squares(8, None), None)
    assert [event.eta_s for event in steps_of(seen) if not event.epoch_done] == [300, 240, 180, 120, 60, 0]
