"""The stages of a run: epochs of steps, each epoch ended by validation, checkpoints and the state to resume from."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from SAMedCore.errors import Cancelled, SAMedError
from SAMedCore.train.clock import StageClock
from SAMedCore.train.embeddings import encode_slices
from SAMedCore.train.optimization import Optimization, in_precision
from SAMedCore.train.recipe import Recipe, Stage
from SAMedCore.train.record import draw_curve, write_history, write_scalars
from SAMedCore.train.resume import TrainingState, restore_optimizer, write_state
from SAMedCore.train.schedule import learning_rate
from SAMedCore.train.slices import EpochSampler, SliceDataset, TrainingItems, item_loader, worker_count
from SAMedCore.train.validation import validation_dice

MOST_EMBEDDINGS = 1000
"""Encoded slices that are kept, 2 GB in float16 with LiteMedSAM: many slices need fewer versions of each anyway."""


REDRAW_S = 10
"""Between two drawings of the loss curve while a run is under way: cancelling does not wait for one."""


class SaveCheckpoint(Protocol):
    """Writes the model as a checkpoint folder, atomically and replacing what is there."""

    def __call__(self, path: Path, model: nn.Module, metrics: dict[str, Any]) -> None: ...


@dataclass
class Run:
    """One training run: what stays the same in it, where it stands, and the file it was resumed from, until used."""

    model: nn.Module
    recipe: Recipe
    folder: Path
    save: SaveCheckpoint
    device: torch.device
    progress: Callable[[dict[str, Any]], None]
    cancelled: Callable[[], bool]
    state: TrainingState
    resumed: dict[str, Any] | None
    drawn_s: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class Work:
    """What a stage trains: from items through `forward` to low_res_logits; and what it is validated on."""

    forward: Callable[[Tensor], Tensor]
    items: TrainingItems
    held_out: TrainingItems | None


def run_stage(run: Run, number: int, dataset: SliceDataset, validation: SliceDataset | None) -> None:
    """The recipe's stage of this number, from its beginning or from where `run.state` says.

    Raises:
        Cancelled: `run.cancelled` said so.
        SAMedError: the loss is no number any more.
    """
    stage, state = _within_memory(run.recipe.stages[number], len(dataset)), run.state
    if stage.only_on_gpu and run.device.type != "cuda":
        return
    if number != state.stage:
        state.stage, state.epoch, state.step, state.minutes, state.versions = number, 0, 0, 0.0, 0
    if _is_over(stage, state):
        return
    clock = StageClock(stage.minutes, state.minutes)
    work = _work(run, stage, dataset, validation, clock)
    optimization = Optimization.of(run.model, run.recipe, run.device)
    if run.resumed is not None and state.epoch > 0:
        restore_optimizer(run.resumed, optimization.optimizer, optimization.scaler)
    run.resumed = None
    sampler = EpochSampler(len(dataset), run.recipe.seed, state.versions)
    workers = worker_count(len(sampler), stage.batch_size) if work.items is dataset else 0
    batches = item_loader(work.items, stage.batch_size, sampler, workers)
    clock.begin_training(state.step)
    while state.epoch == 0 or not _is_over(stage, state):
        sampler.epoch = state.epoch
        _train_epoch(run, stage, work, batches, optimization, clock)
        _validate(run, work, stage.batch_size)
        state.minutes = clock.minutes
        _keep(run, optimization)
        ended = state.history[-1]
        run.progress(_progress(stage, state, clock, len(batches), ended["loss"], ended["learning_rate"], epoch_done=True))


def _within_memory(stage: Stage, slice_count: int) -> Stage:
    if stage.trains == "all":
        return stage
    return replace(stage, versions=max(1, min(stage.versions, MOST_EMBEDDINGS // slice_count)))


def _work(run: Run, stage: Stage, dataset: SliceDataset, validation: SliceDataset | None, clock: StageClock) -> Work:
    """What the stage trains; `run.state` is told in how many versions."""
    state = run.state
    # a resumed run learns from the versions that it had, whatever time is left
    is_resumed = state.epoch > 0
    state.versions = state.versions or stage.versions
    if stage.trains == "all":
        return Work(run.model, dataset, validation)
    run.model.eval()

    def encode(images: Tensor) -> Tensor:
        with in_precision(run.device, run.recipe):
            return run.model.encode(images)  # type: ignore[operator]

    encoded = partial(encode_slices, encode, device=run.device, progress=run.progress, cancelled=run.cancelled)
    held_out = None if validation is None else encoded(validation, 1)
    items = encoded(dataset, state.versions, seconds=None if is_resumed else clock.encoding_s_left())
    state.versions = len(items.embeddings)
    return Work(run.model.decode, items, held_out)  # type: ignore[arg-type]


def _train_epoch(
    run: Run,
    stage: Stage,
    work: Work,
    batches: Iterable[tuple[Tensor, Tensor]],
    optimization: Optimization,
    clock: StageClock,
) -> None:
    state = run.state
    batch_count = len(batches)  # type: ignore[arg-type]
    losses = []
    _training_mode(run.model)
    for inputs, low_res_labels in batches:
        if run.cancelled():
            raise Cancelled
        rate = learning_rate(state.step, stage.base_rate, stage.warmup_steps, stage.planned_epochs * batch_count, stage.power)
        losses.append(optimization.step(work.forward, inputs, low_res_labels, rate))
        if not math.isfinite(losses[-1]):
            raise SAMedError(f"the loss became {losses[-1]} at step {state.step}: choose a lower rate or full precision.")
        state.step += 1
        run.progress(_progress(stage, state, clock, batch_count, losses[-1], rate))
    state.epoch += 1
    row = {"stage": stage.trains, "epoch": len(state.history) + 1, "step": state.step, "learning_rate": rate}
    state.history.append({**row, "loss": sum(losses) / len(losses), "validation_dice": None})


def _validate(run: Run, work: Work, batch_size: int) -> None:
    if work.held_out is None:
        return
    run.model.eval()
    with in_precision(run.device, run.recipe):
        dice = validation_dice(work.forward, work.held_out, batch_size, run.device)
    run.state.history[-1]["validation_dice"] = dice


def _keep(run: Run, optimization: Optimization) -> None:
    """Checkpoints first, then the state that says they are there."""
    state = run.state
    dice = state.history[-1]["validation_dice"]
    metrics = {"validation_dice": dice, "loss": state.history[-1]["loss"], "epochs": len(state.history)}
    if dice is None or state.best_dice is None or dice > state.best_dice:
        state.best_dice = dice
        run.save(run.folder / "best", run.model, metrics)
    run.save(run.folder / "last", run.model, metrics)
    write_state(run.folder / "state.pt", state, run.recipe.to_json(), run.model, optimization.optimizer, optimization.scaler)
    write_history(run.folder, state.history)
    write_scalars(run.folder, state.history[-1], len(state.history))
    if time.monotonic() - run.drawn_s > REDRAW_S:
        draw_curve(run.folder, state.history)
        run.drawn_s = time.monotonic()


def _training_mode(model: nn.Module) -> None:
    """Training mode but for the frozen encoder, whose BatchNorm (TinyViT) must keep its pretrained statistics."""
    model.train()
    model.image_encoder.eval()  # type: ignore[union-attr]


def _is_over(stage: Stage, state: TrainingState) -> bool:
    return state.epoch >= stage.epochs or (stage.minutes is not None and state.minutes >= stage.minutes)


def _progress(
    stage: Stage, state: TrainingState, clock: StageClock, batch_count: int, loss: float, rate: float, epoch_done: bool = False
) -> dict[str, Any]:
    steps = stage.epochs * batch_count
    return {
        "phase": "training",
        "stage": stage.trains,
        "epoch": state.epoch if epoch_done else state.epoch + 1,
        "epoch_done": epoch_done,
        "epochs": stage.epochs,
        "step": state.step,
        "steps": steps,
        "loss": loss,
        "learning_rate": rate,
        "validation_dice": state.history[-1]["validation_dice"] if state.history else None,
        "eta_s": clock.training_s_left(state.step, steps),
    }
