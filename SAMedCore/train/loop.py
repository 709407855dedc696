"""Fine-tuning, from the first step to the finished checkpoint.

While a run is under way everything it needs is in ``OUT.training`` beside OUT: ``best`` and ``last`` (checkpoints), state.pt
(to resume from), history.json, loss.png and TensorBoard's scalars. OUT itself appears at the end, whole.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint as recompute

from SAMedCore.checkpoint.folder import replace_folder
from SAMedCore.devices import exact_products
from SAMedCore.errors import Cancelled, InputError, SAMedError
from SAMedCore.model.stopping import stopping
from SAMedCore.train.recipe import Recipe
from SAMedCore.train.record import draw_curve
from SAMedCore.train.resume import TrainingState, read_state, restore_model
from SAMedCore.train.slices import SliceDataset
from SAMedCore.train.stages import Run, SaveCheckpoint, run_stage
from SAMedCore.train.start import check_run, run_folder


def train(
    model: nn.Module,
    dataset: SliceDataset,
    validation: SliceDataset | None,
    recipe: Recipe,
    out: Path,
    *,
    save: SaveCheckpoint,
    device: torch.device | str = "cpu",
    progress: Callable[[dict[str, Any]], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    resume: bool = False,
) -> list[dict[str, Any]]:
    """Train the model's trainable parameters by the recipe and leave the best checkpoint at `out`.

    Args:
        model: ``encode(images (B, S, S))``, ``decode(embedding)`` and ``forward(images) -> low_res_logits``, and an
            `image_encoder`; parameters that are not to be trained have ``requires_grad`` off.
        validation: chooses the best epoch; without it the last one is the best.
        save: writes a checkpoint; used for ``best`` and ``last``.
        progress: gets {"phase": "encoding", done, total} and {"phase": "training", stage, epoch, epochs, epoch_done, step,
            steps, loss, learning_rate, validation_dice, eta_s}, after each step and again when the epoch is validated and kept.
        cancelled: asked before each step and between the network's layers.
        resume: go on where a killed or cancelled run with the same arguments stopped; on a CPU to bit-equal parameters.

    Returns:
        the history, a row an epoch.

    Raises:
        InputError: `out` is there already, or there is nothing to resume.
        Cancelled: `cancelled` said so or Ctrl-C was pressed; the best checkpoint so far is at `out` if an epoch was finished.
        SAMedError: the loss is no number any more, or the GPU's memory ran out.
    """
    out, device = Path(out), torch.device(device)
    folder = run_folder(out)
    resumed = _open(out, recipe, resume)
    state = TrainingState()
    if resumed is not None:
        restore_model(resumed, model, folder / "state.pt")
        state = TrainingState(**resumed["state"])
    report, stop = progress or (lambda event: None), cancelled or (lambda: False)
    run = Run(model.to(device), recipe, folder, save, device, report, stop, state, resumed)
    try:
        with stopping(model, cancelled), exact_products(), _recomputed_blocks(model, recipe.gradient_checkpointing):
            for number in range(state.stage, len(recipe.stages)):
                run_stage(run, number, dataset, validation)
    except (Cancelled, KeyboardInterrupt) as error:
        if not _publish(run, out):
            raise
        kept = f"Cancelled; the best checkpoint so far is {out}. Add --resume to go on."
        raise Cancelled(kept) from error
    except torch.cuda.OutOfMemoryError as error:
        raise SAMedError("the GPU's memory ran out: choose a smaller batch size or another device.") from error
    finally:
        if not (folder / "state.pt").exists():
            shutil.rmtree(folder)
    if state.history:
        draw_curve(run.folder, state.history)
    _publish(run, out)
    return state.history


def _open(out: Path, recipe: Recipe, resume: bool) -> dict[str, Any] | None:
    """Make the run's folder; returns the contents of its state where there is one to go on from."""
    check_run(out, resume)
    folder = run_folder(out)
    state_path = folder / "state.pt"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder} cannot be made ({error.strerror}): choose another --out.") from error
    # A run killed in its first epoch left no state: it begins again.
    return read_state(state_path, recipe.to_json()) if state_path.exists() else None


def _publish(run: Run, out: Path) -> bool:
    """The best checkpoint so far to `out`, whole or not at all. Returns whether there was one."""
    if not run.state.history or not (run.folder / "best").exists():
        return False
    replace_folder(out, partial(shutil.copytree, run.folder / "best", dirs_exist_ok=True))
    return True


@contextmanager
def _recomputed_blocks(model: nn.Module, wanted: bool) -> Iterator[None]:
    """Gradient checkpointing (Chen et al. 2016, arXiv 1604.06174) of the encoder's blocks while the block lasts."""
    blocks = list(getattr(model.image_encoder, "blocks", ())) if wanted else []
    for block in blocks:
        block.forward = partial(recompute, block.forward, use_reentrant=False)
    try:
        yield
    finally:
        for block in blocks:
            del block.forward
