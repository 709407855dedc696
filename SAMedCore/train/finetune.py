"""From annotated scans and a base model, or an earlier checkpoint, to a new checkpoint."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from peft import PeftModel
from torch import nn

from SAMedCore.checkpoint.folder import CheckpointInfo, find_folder, read_info
from SAMedCore.checkpoint.load import load_peft, read_base, write_checkpoint
from SAMedCore.errors import InputError
from SAMedCore.model.architectures import architecture_of
from SAMedCore.model.lora import LoraSettings, add_lora
from SAMedCore.model.weights import build_pretrained
from SAMedCore.train.cases import Pair, training_labels
from SAMedCore.train.loop import train
from SAMedCore.train.recipe import Recipe
from SAMedCore.train.slices import SliceDataset, slice_dataset, split
from SAMedCore.train.start import check_start, run_folder


@dataclass(frozen=True)
class TrainingData:
    """Which annotations are learnt from, and how.

    Attributes:
        pairs: the annotated scans.
        labels: names of the structures to learn; None for all that occur.
        validation: the fraction held out, whole scans where there are several, else slices.
        slices: "all", "annotated", or for each scan the numbers of axial slices, counted from the feet.
        others: what becomes of slices that are not chosen; see `dataset.slice_dataset`.
        orientation: of the slices, see `Preprocessing`; a checkpoint to go on from keeps its own.
    """

    pairs: Sequence[Pair]
    labels: Sequence[str] | None = None
    validation: float = 0.2
    slices: Literal["all", "annotated"] | Sequence[Collection[int]] = "annotated"
    others: Literal["left out", "not annotated"] = "left out"
    orientation: str = "LPS"


def finetune(
    data: TrainingData,
    recipe: Recipe,
    out: Path,
    *,
    base: str | Path | None = None,
    checkpoint: str | Path | None = None,
    device: torch.device | str = "cpu",
    half: bool = False,
    progress: Callable[[dict[str, Any]], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    resume: bool = False,
) -> list[dict[str, Any]]:
    """Train LoRA and mask decoder on the data and leave the best checkpoint at `out`.

    Args:
        base: the catalogue's name of a base model, or a weights file; where `checkpoint` is given, only the file.
        checkpoint: go on from this one, with its labels and preprocessing.
        half: store the checkpoint in float16.
        device, progress, cancelled, resume: see `trainer.train`.

    Returns:
        the history, a row an epoch.

    Raises:
        InputError: base and data do not fit together, the run to be resumed learnt from other data, or as `trainer.train`.
        Cancelled, SAMedError: as `trainer.train`.
    """
    if checkpoint is not None:
        model, info = load_peft(find_folder(checkpoint), None if base is None else Path(base), trainable=True)
        if info.preprocessing.orientation == "auto":
            raise InputError(
                f'{checkpoint}: its orientation is "auto", but training has to know it: import it with --orientation.'
            )
    else:
        model, info = _new_model(base, data, recipe)
    dataset = slice_dataset(
        data.pairs,
        info.labels,
        info.preprocessing,
        model.low_res_size,
        slices=data.slices,
        others=data.others,
        augmentation=recipe.augmentation,
        seed=recipe.seed,
        cancelled=cancelled,
    )
    training, validation = split(dataset, data.validation, recipe.seed)
    trained_on = _trained_on(training, validation)
    if resume:
        _check_same_data(out, trained_on)
    description = f"fine-tuned ({recipe.name}) on {trained_on['slices']} slices, scans: {trained_on['scans']}"
    info = replace(info, description=description, recipe=recipe.to_json(), trained_on=trained_on, metrics={})
    save = partial(_save, info=info, half=half)
    return train(
        model,
        training,
        validation,
        recipe,
        out,
        save=save,
        device=device,
        progress=progress,
        cancelled=cancelled,
        resume=resume,
    )


def _new_model(base: str | Path | None, data: TrainingData, recipe: Recipe) -> tuple[PeftModel, CheckpointInfo]:
    """SAM with the base's weights and fresh LoRA, seeded by the recipe."""
    described, weights = check_start(base, recipe)
    labels = training_labels(data.pairs, data.labels)
    preprocessing = architecture_of(described.architecture).tuning_at(recipe.sizes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        state, size = read_base(described, weights), preprocessing.input_size
        sam = build_pretrained(described.architecture, len(labels), size, state, str(weights))
        model = add_lora(sam, LoraSettings(recipe.lora_rank, recipe.lora_rank, recipe.lora_in_decoder))
    return model, CheckpointInfo(described, labels, replace(preprocessing, orientation=data.orientation))


def _trained_on(training: SliceDataset, validation: SliceDataset | None) -> dict[str, Any]:
    """Counts and a hash of the slices: enough to tell two trainings apart, nothing that names a patient."""
    digest = hashlib.sha256(training.images.tobytes() + training.classes.tobytes()).hexdigest()
    return {
        "scans": len(set(training.volume_numbers.tolist())),
        "slices": len(training),
        "validation_slices": 0 if validation is None else len(validation),
        "sha256": digest,
    }


def _check_same_data(out: Path, trained_on: dict[str, Any]) -> None:
    last = run_folder(out) / "last"
    if last.is_dir() and read_info(last).trained_on.get("sha256") != trained_on["sha256"]:
        advice = "take the same, or remove that folder to start again."
        raise InputError(f"{last.parent} was begun with other scans, slices or labels: {advice}")


def _save(path: Path, model: nn.Module, metrics: dict[str, Any], *, info: CheckpointInfo, half: bool) -> None:
    write_checkpoint(path, model, replace(info, metrics=metrics), half)  # type: ignore[arg-type]
