"""Fine-tuning, from the first step to the finished checkpoint: stages of epochs of steps, read from top to bottom.

While a run is under way everything it needs is in ``OUT.training`` beside OUT; see `folder`. OUT itself appears at the end,
whole.
Where several processes train together each goes through all of this, with its share of every batch; see `processes`.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from SAMedCore.devices import exact_products
from SAMedCore.errors import Cancelled, SAMedError
from SAMedCore.model.stopping import stopping
from SAMedCore.train.clock import StageClock
from SAMedCore.train.embeddings import encode_slices
from SAMedCore.train.folder import RunFolder, SaveCheckpoint
from SAMedCore.train.loss import validation_dice
from SAMedCore.train.optimization import Average, Optimization, in_precision, recomputed_blocks
from SAMedCore.train.processes import ALONE, Processes
from SAMedCore.train.recipe import Recipe, Stage, learning_rate
from SAMedCore.train.resume import TrainingState, read_state, restore_average, restore_model, restore_optimizer
from SAMedCore.train.slices import EpochSampler, SliceDataset, TrainingItems, item_loader, repeats_of, worker_count
from SAMedCore.work import SILENT, TrainingProgress, Work

MOST_EMBEDDINGS = 1000
"""Encoded slices that are kept, 2 GB in float16 with LiteMedSAM: many slices need fewer versions of each anyway."""

Forward = Callable[[Tensor], Tensor]
"""A batch of a stage's inputs, images or embeddings, to low_res_logits (B, classes + 1, L, L)."""


@dataclass
class Run:
    """One training run: what it is asked for, and where it stands.

    Attributes:
        model: ``encode(images (B, S, S))``, ``decode(embedding)`` and ``forward(images) -> low_res_logits``, and an
            `image_encoder`; parameters that are not to be trained have ``requires_grad`` off.
        out: where the best checkpoint goes.
        save: writes a checkpoint; used for ``best`` and ``last``.
        work: told `Progress` of the phase "encoding" and `TrainingProgress`; asked before each step and between the network's
            layers.
        resume: go on where a killed or cancelled run with the same arguments stopped; on a CPU to bit-equal parameters.
        processes: that train together; each has a run with the same arguments.
        state, resumed: where it stands, and the contents of the file that it was resumed from, until used.
        folder: what it leaves on the disk.
    """

    model: nn.Module
    recipe: Recipe
    out: Path
    save: SaveCheckpoint
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    work: Work = SILENT
    resume: bool = False
    processes: Processes = ALONE
    state: TrainingState = field(default_factory=TrainingState, init=False)
    resumed: dict[str, Any] | None = field(default=None, init=False)
    folder: RunFolder = field(init=False)

    def __post_init__(self) -> None:
        self.folder = RunFolder(self.out, self.save, self.processes.is_first)


def train(run: Run, training: SliceDataset, validation: SliceDataset | None) -> list[dict[str, Any]]:
    """Train the model's trainable parameters by the recipe and leave the best checkpoint at `run.out`.

    Args:
        validation: chooses the best epoch; without it the last one is the best.

    Returns:
        the history, a row an epoch; see `TrainingState`.

    Raises:
        InputError: `run.out` is there already, there is nothing to resume, or the processes were given different things.
        Cancelled: the work was, or Ctrl-C was pressed; the best checkpoint so far is at `run.out` if an epoch was finished.
        SAMedError: the loss is no number any more, or the GPU's memory ran out.
    """
    with run.folder.open(run.resume):
        _take_up(run)
        run.model.to(run.device)
        _run_stages(run, training, validation)
        run.folder.draw(run.state)
        run.folder.publish(run.state)
    return run.state.history


def _run_stages(run: Run, training: SliceDataset, validation: SliceDataset | None) -> None:
    """All that are left to do; what `train` raises, and what it leaves at `run.out` then."""
    try:
        run.processes.check_same(_digest(run, training, validation))
        steady = run.processes.steady(run.work)
        with stopping(run.model, steady), exact_products(), recomputed_blocks(run.model, run.recipe.gradient_checkpointing):
            for number in range(run.state.stage, len(run.recipe.stages)):
                _run_stage(run, number, training, validation)
    except (Cancelled, KeyboardInterrupt) as error:
        if not run.folder.publish(run.state):
            raise
        raise Cancelled(f"Cancelled; the best checkpoint so far is {run.out}. The training can be resumed.") from error
    except torch.cuda.OutOfMemoryError as error:
        raise SAMedError("the GPU's memory ran out: choose a smaller batch size or another device.") from error


def _take_up(run: Run) -> None:
    """Go on from the state that a run before left."""
    # A run killed in its first epoch left no state: it begins again.
    if run.folder.state_path.exists():
        run.resumed = read_state(run.folder.state_path, run.recipe.to_json())
        restore_model(run.resumed, run.model, run.folder.state_path)
        run.state = TrainingState(**run.resumed["state"])


def _digest(run: Run, training: SliceDataset, validation: SliceDataset | None) -> bytes:
    """Of what decides how many steps there are and of what. Not of the images, which unlike processors round differently."""
    parts = [json.dumps([run.recipe.to_json(), run.state.stage, run.state.step]).encode()]
    parts += [dataset.classes.tobytes() for dataset in (training, validation) if dataset is not None]
    return hashlib.sha256(b"|".join(parts)).digest()


def _run_stage(run: Run, number: int, training: SliceDataset, validation: SliceDataset | None) -> None:
    """The recipe's stage of this number, from its beginning or from where `run.state` says."""
    stage, state = _within_memory(run.recipe.stages[number], len(training)), run.state
    if stage.only_on_gpu and run.device.type != "cuda":
        return
    if number != state.stage:
        state.begin(number)
    if _is_over(stage, state):
        if run.resumed is not None:
            restore_average(run.resumed, Average(run.model, stage.average)).take()
        return
    clock = StageClock(stage.minutes, state.minutes)
    forward, items, held_out = _stage_items(run, stage, training, validation, clock)
    optimization = Optimization.of(run.model, run.recipe, run.device, run.processes)
    average = Average(run.model, stage.average)
    if run.resumed is not None and state.epoch > 0:
        restore_optimizer(run.resumed, optimization.optimizer, optimization.scaler)
        restore_average(run.resumed, average)
    run.resumed = None
    sampler = EpochSampler(repeats_of(training.classes, state.versions, stage.balanced), run.recipe.seed)
    here = run.processes.on_this_machine
    workers = worker_count(len(sampler), stage.batch_size, here) if items is training else 0
    batches = item_loader(items, stage.batch_size, sampler, workers, run.processes)
    clock.begin_training(state.step, state.epoch)
    while state.epoch == 0 or not _is_over(stage, state):
        sampler.epoch = state.epoch
        planned_steps = (state.planned_epochs or stage.planned_epochs) * len(batches)
        losses = []
        run.processes.as_first(run.model)
        _training_mode(run.model)
        for inputs, low_res_labels in batches:
            run.processes.stop_if_cancelled(run.work)
            rate = learning_rate(state.step, stage.base_rate, stage.warmup_steps, planned_steps, stage.power)
            losses.append(optimization.step(forward, inputs, low_res_labels, rate))
            average.update()
            if not math.isfinite(losses[-1]):
                raise SAMedError(f"the loss became {losses[-1]} at step {state.step}: choose a lower rate or full precision.")
            state.step += 1
            told = _progress(state, stage, clock, len(batches), losses[-1], rate)
            run.work.tell(told)
        state.epoch += 1
        with average.in_place():
            loss, dice = sum(losses) / len(losses), _validated(run, forward, held_out, stage.batch_size)
            row = {"stage": stage.trains, "epoch": len(state.history) + 1, "step": state.step, "learning_rate": rate}
            state.history.append({**row, "loss": loss, "validation_dice": dice})
            _save_checkpoints(run)
        state.minutes = run.processes.of_first(clock.minutes)
        if stage.ends_at_rate_0:
            state.planned_epochs = int(run.processes.of_first(clock.epochs_that_fit(state.epoch, stage.planned_epochs)))
        run.folder.keep(state, run.recipe.to_json(), run.model, optimization, average)
        left_s = clock.training_s_left(state.step, told.steps)
        run.work.tell(replace(told, epoch_done=True, loss=loss, validation_dice=dice, eta_s=left_s))
    average.take()


def _within_memory(stage: Stage, slice_count: int) -> Stage:
    if stage.trains == "all":
        return stage
    return replace(stage, versions=max(1, min(stage.versions, MOST_EMBEDDINGS // slice_count)))


def _is_over(stage: Stage, state: TrainingState) -> bool:
    if 0 < state.planned_epochs <= state.epoch:
        return True
    return state.epoch >= stage.epochs or (stage.minutes is not None and state.minutes >= stage.minutes)


def _stage_items(
    run: Run, stage: Stage, training: SliceDataset, validation: SliceDataset | None, clock: StageClock
) -> tuple[Forward, TrainingItems, TrainingItems | None]:
    """What the stage trains, from which items, and the items held out; `run.state` is told in how many versions."""
    state = run.state
    # a resumed run learns from the versions that it had, whatever time is left
    is_resumed = state.epoch > 0
    state.versions = state.versions or stage.versions
    if stage.trains == "all":
        return run.model, training, validation
    run.model.eval()
    from_last = run.recipe.last_stage_rate > 0

    def encode(images: Tensor) -> Tensor:
        with in_precision(run.device, run.recipe):
            return (run.model.encode_before_last if from_last else run.model.encode)(images)  # type: ignore[operator]

    encoded = partial(encode_slices, encode, device=run.device, work=run.work, processes=run.processes)
    held_out = None if validation is None else encoded(validation, 1)
    items = encoded(training, state.versions, seconds=None if is_resumed else clock.encoding_s_left())
    state.versions = len(items.embeddings)
    forward = run.model.decode_from_last if from_last else run.model.decode
    return forward, items, held_out  # type: ignore[return-value]


def _training_mode(model: nn.Module) -> None:
    """Training mode but for the frozen encoder, whose BatchNorm (TinyViT) must keep its pretrained statistics."""
    model.train()
    model.image_encoder.eval()  # type: ignore[union-attr]


def _validated(run: Run, forward: Forward, held_out: TrainingItems | None, batch_size: int) -> float | None:
    if held_out is None:
        return None
    run.model.eval()
    in_order = EpochSampler(np.ones(len(held_out), dtype=int), seed=0, shuffled=False)
    batches = item_loader(held_out, batch_size, in_order, workers=0, processes=run.processes)
    with in_precision(run.device, run.recipe):
        return validation_dice(forward, batches, run.device, run.processes.add)


def _save_checkpoints(run: Run) -> None:
    """``last``, and ``best`` where it is better than any before."""
    state = run.state
    dice = state.history[-1]["validation_dice"]
    metrics = {"validation_dice": dice, "loss": state.history[-1]["loss"], "epochs": len(state.history)}
    is_best = dice is None or state.best_dice is None or dice > state.best_dice
    if is_best:
        state.best_dice = dice
    run.folder.save(run.model, metrics, is_best)


def _progress(
    state: TrainingState, stage: Stage, clock: StageClock, batch_count: int, loss: float, rate: float
) -> TrainingProgress:
    """After a step of the epoch that is under way."""
    epochs = state.planned_epochs or stage.epochs
    steps = epochs * batch_count
    return TrainingProgress(
        stage=stage.trains,
        step=state.step,
        steps=steps,
        epoch=state.epoch + 1,
        epochs=epochs,
        epoch_done=False,
        loss=loss,
        learning_rate=rate,
        validation_dice=state.history[-1]["validation_dice"] if state.history else None,
        eta_s=clock.training_s_left(state.step, steps),
    )
