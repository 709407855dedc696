"""From annotated scans and a base model, or an earlier checkpoint, to a new checkpoint."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from torch import nn

from SAMedCore.checkpoint.folder import CheckpointInfo, read_info
from SAMedCore.checkpoint.load import load_peft, read_base, write_checkpoint
from SAMedCore.devices import choose_device
from SAMedCore.errors import InputError
from SAMedCore.image.labels import LabelTable
from SAMedCore.model.architectures import architecture_of
from SAMedCore.model.lora import LoraSettings, add_lora
from SAMedCore.model.weights import build_pretrained
from SAMedCore.options import FinetuneOptions
from SAMedCore.train.cases import Case, training_labels
from SAMedCore.train.loop import Run, train
from SAMedCore.train.recipe import Recipe
from SAMedCore.train.slices import SliceDataset, slice_dataset, split
from SAMedCore.train.start import Start, check_start, run_folder
from SAMedCore.work import SILENT, Work


def finetune(
    cases: Sequence[Case], options: FinetuneOptions, work: Work = SILENT, *, recipe: Recipe | None = None
) -> list[dict[str, Any]]:
    """Train LoRA and mask decoder on the cases and leave the best checkpoint at `options.out`.

    Args:
        recipe: in place of the options' preset, epochs, minutes and batch size.

    Returns:
        the history, a row an epoch; see `TrainingState`.

    Raises:
        InputError: as `check_start`; base and cases do not fit together, or the run to be resumed learnt from others.
        Cancelled, SAMedError: as `loop.train`.

    Example:
        >>> finetune([Case(volume, labelmap)], FinetuneOptions("my-model", base="lite"), Work(print))
    """
    start = check_start(options, recipe)
    device = choose_device(options.device)
    if start.checkpoint is not None:
        model, info = load_peft(start.checkpoint, start.weights, trainable=True)
    else:
        model, info = _new_model(start, training_labels(cases, options.classes), options.orientation)
    dataset = slice_dataset(
        cases, info.labels, info.preprocessing, model.low_res_size, options.chosen_slices, options.keep_others, work
    )
    dataset = dataset.augmented(start.recipe.augmentation, start.recipe.seed)
    training, validation = split(dataset, options.validation, start.recipe.seed)
    trained_on = _trained_on(training, validation)
    if start.resume:
        _check_same_data(Path(options.out), trained_on)
    description = f"fine-tuned ({start.recipe.name}) on {trained_on['slices']} slices, scans: {trained_on['scans']}"
    info = replace(info, description=description, recipe=start.recipe.to_json(), trained_on=trained_on, metrics={})
    save = partial(_save, info=info, half=options.half)
    return train(Run(model, start.recipe, Path(options.out), save, device, work, start.resume), training, validation)


def _new_model(start: Start, labels: LabelTable, orientation: str) -> tuple[PeftModel, CheckpointInfo]:
    """SAM with the base's weights and fresh LoRA, seeded by the recipe."""
    base, recipe = start.base, start.recipe
    preprocessing = architecture_of(base.architecture).tuning_at(recipe.sizes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        state = read_base(base, start.weights)
        sam = build_pretrained(base.architecture, len(labels), preprocessing.input_size, state, str(start.weights))
        model = add_lora(
            sam, LoraSettings(recipe.lora_rank, recipe.lora_rank, recipe.lora_in_decoder, recipe.last_stage_rate > 0)
        )
    return model, CheckpointInfo(base, labels, replace(preprocessing, orientation=orientation))


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
