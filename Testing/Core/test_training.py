"""A run trains what it should, survives a kill to the same result, and leaves whole checkpoints or none."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from segment_anything.modeling import ImageEncoderViT
from torch import nn

from SAMedCore.errors import Cancelled, InputError, SAMedError
from SAMedCore.model.preprocessing import Preprocessing
from SAMedCore.train.embeddings import encode_slices
from SAMedCore.train.loop import Run, train
from SAMedCore.train.loss import validation_dice
from SAMedCore.train.optimization import precision_on
from SAMedCore.train.recipe import Recipe, Stage
from SAMedCore.train.slices import EpochSampler, SliceDataset, item_loader
from SAMedCore.train.start import can_be_resumed
from SAMedCore.work import SILENT, Event, Progress, TrainingProgress, Work

DECODER = Stage(trains="decoder", batch_size=4, base_rate=0.02, warmup_steps=2, planned_epochs=3, epochs=3, versions=2)
END_TO_END = Stage(batch_size=4, base_rate=0.01, warmup_steps=2, planned_epochs=4, epochs=4)
RECIPE = Recipe("tiny", sizes=(16,), stages=(DECODER, END_TO_END), augmentation="few-shot")


class TinySam(nn.Module):
    """SAM's interface on 16 x 16 pixels: a frozen encoder with BatchNorm and one trained layer, and a decoder."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.image_encoder = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 1))
        self.image_encoder[:2].requires_grad_(False)
        self.mask_decoder = nn.Conv2d(8, 2, 3, padding=1)

    def encode(self, images):
        return self.image_encoder(images.unsqueeze(1))

    def decode(self, image_embedding):
        return self.mask_decoder(image_embedding)

    def forward(self, images):
        return self.decode(self.encode(images))


def save(path: Path, model: nn.Module, metrics: dict) -> None:
    path.mkdir(exist_ok=True)
    torch.save({name: p for name, p in model.named_parameters() if p.requires_grad}, path / "weights.pt")


def bright_squares(count: int, augmentation: str | None) -> SliceDataset:
    """Slices whose bright square is the structure to learn."""
    draw = np.random.default_rng(count)
    classes = np.zeros((count, 16, 16), dtype=np.uint8)
    for picture in classes:
        row, column = draw.integers(1, 9, 2)
        picture[row : row + 6, column : column + 6] = 1
    images = np.where(classes, 0.8, 0.2).astype(np.float32)
    grid = Preprocessing(sizes=(16,))
    return SliceDataset(images, classes, np.zeros(count, int), grid, 16, augmentation, seed=5)


def train_tiny(out: Path, recipe: Recipe = RECIPE, work: Work = SILENT, resume: bool = False) -> TinySam:
    """A whole run on two threads' worth of data; returns the trained model."""
    model = TinySam()
    train(Run(model, recipe, out, save, work=work, resume=resume), bright_squares(8, "few-shot"), bright_squares(3, None))
    return model


def telling(seen: list[Event], until=lambda event: False) -> Work:
    """What it is told goes to `seen`; cancelled once `until` holds for one of the events."""
    return Work(seen.append, lambda: any(map(until, seen)))


def in_epoch(number: int):
    return lambda event: isinstance(event, TrainingProgress) and event.epoch == number


def steps_of(seen: list[Event]) -> list[TrainingProgress]:
    """The events of training, the ends of epochs too."""
    return [event for event in seen if isinstance(event, TrainingProgress)]


def parameters(model: nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def kill_after(epochs: int) -> Work:
    """It ends its own process as `kill -9` does, in the middle of the epoch after these."""

    def tell(event):
        if isinstance(event, TrainingProgress) and event.step > 4 * epochs + 1:
            os.kill(os.getpid(), signal.SIGKILL)

    return Work(tell)


def test_training_learns_what_is_bright(tmp_path):
    longer = replace(RECIPE, stages=(DECODER, replace(END_TO_END, planned_epochs=30, epochs=30)))
    model = train_tiny(tmp_path / "out", longer)
    held_out = item_loader(bright_squares(5, None), 4, EpochSampler(5, seed=0, shuffled=False), workers=0)
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


@pytest.mark.parametrize(("room", "versions"), [(1000, 2), (15, 1), (3, 1)])
def test_many_slices_are_encoded_in_fewer_versions(tmp_path, monkeypatch, room, versions):
    monkeypatch.setattr("SAMedCore.train.loop.MOST_EMBEDDINGS", room)
    seen: list[Event] = []
    train_tiny(tmp_path / "out", replace(RECIPE, stages=(DECODER,)), telling(seen))
    assert [event.total for event in seen if isinstance(event, Progress)][-1] == 8 * versions
    assert seen[-1].steps == 3 * 8 * versions // 4


@pytest.mark.parametrize("epochs", [0, 1, 2])
def test_a_killed_run_resumes_to_the_same_parameters(tmp_path, epochs):
    """Killed in the decoder stage's first, second and third epoch; the end-to-end stage follows."""
    expected = train_tiny(tmp_path / "uninterrupted")
    script = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r});"
        f"import torch; torch.set_num_threads({torch.get_num_threads()}); from pathlib import Path;"
        f"import test_training as t;"
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
    monkeypatch.setattr("SAMedCore.train.loop.REDRAW_S", 0)
    seen: list[Event] = []
    with pytest.raises(Cancelled):
        train_tiny(tmp_path / "out", work=telling(seen, until=in_epoch(3)))
    assert (tmp_path / "out.training" / "loss.png").read_bytes().startswith(b"\x89PNG")


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


def test_a_loss_that_is_no_number_ends_the_run(tmp_path):
    wild = replace(RECIPE, stages=(replace(END_TO_END, base_rate=float("inf")),))
    with pytest.raises(SAMedError, match="lower rate"):
        train_tiny(tmp_path / "out", wild)


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
    patient = replace(DECODER, versions=10, minutes=minutes, planned_epochs=100, epochs=100)
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
    assert {event.steps for event in steps_of(events)} == {100 * 6}


def test_the_time_left_is_told_at_the_pace_of_the_training_alone(tmp_path, slow_sam):
    """A batch takes a minute, and the limit comes before the last one."""
    events = train_slowly(slow_sam, tmp_path / "out", minutes=60)
    assert steps_of(events)[0].eta_s == 60 * (60 - 27 - 1)
    unlimited = replace(RECIPE, stages=(replace(DECODER, versions=1, planned_epochs=3, epochs=3),))
    seen: list[Event] = []
    train(Run(slow_sam(), unlimited, tmp_path / "two", save, work=telling(seen)), bright_squares(8, None), None)
    assert [event.eta_s for event in steps_of(seen) if not event.epoch_done] == [300, 240, 180, 120, 60, 0]


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


def test_a_killed_run_can_be_resumed_and_a_finished_one_not(tmp_path):
    assert not can_be_resumed(tmp_path / "out")
    train_tiny(tmp_path / "out")
    assert not can_be_resumed(tmp_path / "out")
    (tmp_path / "out").rename(tmp_path / "elsewhere")
    assert can_be_resumed(tmp_path / "out")


def test_embeddings_are_those_of_the_augmented_slices():
    model, dataset = TinySam().eval(), bright_squares(3, "few-shot")
    items = encode_slices(model.encode, dataset, versions=2, device=torch.device("cpu"))
    with torch.no_grad():
        expected = model.encode(dataset[1, 2][0][None])[0]
    torch.testing.assert_close(items[3, 2][0], expected, atol=2e-3, rtol=0)
    assert torch.equal(items[3, 2][1], dataset[1, 2][1])


@pytest.mark.parametrize(
    ("device", "wanted", "in_hardware", "used"),
    [
        ("cpu", "bf16", True, torch.bfloat16),
        ("cpu", "bf16", False, torch.float32),
        ("cpu", "fp16", True, torch.float32),
        ("mps", "bf16", True, torch.float32),
        ("cuda", "fp16", False, torch.float16),
        ("cuda", "fp32", True, torch.float32),
    ],
)
def test_mixed_precision_is_used_where_it_is_faster(monkeypatch, device, wanted, in_hardware, used):
    monkeypatch.setattr("SAMedCore.train.optimization.has_bf16_hardware", lambda: in_hardware)
    assert precision_on(torch.device(device), replace(RECIPE, precision=wanted)) == used


def test_gradient_checkpointing_changes_no_gradient(tmp_path):
    class VitSam(TinySam):
        def __init__(self) -> None:
            super().__init__()
            self.image_encoder = ImageEncoderViT(
                img_size=16, patch_size=1, in_chans=1, embed_dim=8, depth=2, num_heads=2, out_chans=8
            )

    models = []
    for checkpointing in (False, True):
        recipe = replace(RECIPE, stages=(replace(END_TO_END, epochs=1),), gradient_checkpointing=checkpointing)
        models.append(VitSam())
        train(Run(models[-1], recipe, tmp_path / str(checkpointing), save), bright_squares(8, None), None)
    torch.testing.assert_close(parameters(models[0]), parameters(models[1]))
    assert "forward" not in vars(models[1].image_encoder.blocks[0])
