"""From annotated scans and a base model, or an earlier checkpoint, to a new checkpoint."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from torch import nn

from SAMedCore.checkpoint.card import model_card
from SAMedCore.checkpoint.fetch import sha256_of
from SAMedCore.checkpoint.folder import ADAPTER_FILE, CARD_FILE, CHECKPOINT_TAKES, CheckpointInfo, read_info, write_info
from SAMedCore.checkpoint.load import load_merged, load_peft, read_base, write_checkpoint
from SAMedCore.draw.before_after import before_after_picture
from SAMedCore.errors import Cancelled, InputError, SAMedError
from SAMedCore.evaluate.before_after import PICTURE_FILE, BeforeAfter
from SAMedCore.files.atomic import replace_folder
from SAMedCore.image.labels import LabelTable
from SAMedCore.model.architectures import architecture_of
from SAMedCore.model.lora import LoraSettings, add_lora, merge_lora
from SAMedCore.model.sam import Sam
from SAMedCore.model.weights import build_pretrained
from SAMedCore.options import FinetuneOptions
from SAMedCore.segment import Segmenter
from SAMedCore.train.cases import Case, note_misfits, training_intensities, training_labels
from SAMedCore.train.held_out import HeldOut, compare, share_encoder
from SAMedCore.train.loop import Run, train
from SAMedCore.train.machine import Machine, Network, as_begun, fitted
from SAMedCore.train.processes import ALONE, Processes
from SAMedCore.train.recipe import Recipe
from SAMedCore.train.slices import SliceDataset, slice_dataset, split
from SAMedCore.train.start import Start, check_start, run_folder
from SAMedCore.work import SILENT, Work


@dataclass(frozen=True)
class Finetuned:
    """How a training went.

    Attributes:
        history: a row an epoch; see `TrainingState`.
        comparison: of what it started from and what came out; None where nothing was held out, and in all processes of a
            training but the first.
    """

    history: list[dict[str, Any]]
    comparison: BeforeAfter | None


def finetune(
    cases: Sequence[Case],
    options: FinetuneOptions,
    work: Work = SILENT,
    *,
    recipe: Recipe | None = None,
    processes: Processes = ALONE,
) -> Finetuned:
    """Train LoRA and mask decoder on the cases and leave the best checkpoint at `options.out`.

    At the end that checkpoint and what the training started from are scored on the held-out slices, and the checkpoint's
    folder says and shows the outcome. A training that is cancelled is not compared, since whoever cancels waits for it to end;
    gone on with, it is, with what it started from in the first place.

    Args:
        recipe: in place of the options' preset, epochs, minutes and batch size; unlike that, not fitted to the machine.
        processes: that train together, each of which calls this with the same cases and options; the first one writes and
            compares.

    Raises:
        InputError: as `check_start` and `training_intensities`; base and cases do not fit together, or the run to be resumed
            learnt from others.
        Cancelled, SAMedError: as `loop.train`.

    Example:
        >>> finetune([Case(volume, labelmap)], FinetuneOptions("my-model", base="lite"), Work(print))
    """
    start = check_start(options, recipe)
    device, work = processes.device(options.device), processes.heard(work)
    if start.checkpoint is not None:
        model, info = load_peft(start.checkpoint, start.weights, trainable=True)
        taken_as = info.preprocessing.intensities
        note_misfits(cases, taken_as, CHECKPOINT_TAKES[taken_as], work)
        if options.intensities not in ("auto", taken_as):
            work.note(f"{CHECKPOINT_TAKES[taken_as]}: so it does while it learns on, whatever was asked for.")
    else:
        intensities = training_intensities(cases, options.intensities, work)
        model, info = _new_model(start, training_labels(cases, options.classes), options.orientation, intensities)
    dataset = slice_dataset(
        cases, info.labels, info.preprocessing, model.low_res_size, options.chosen_slices, options.keep_others, work
    )
    dataset = dataset.augmented(start.recipe.augmentation, start.recipe.seed)
    training, validation = split(dataset, options.validation, start.recipe.seed)
    if recipe is None:
        machine = Machine.of(device, processes)
        start = replace(start, recipe=_for_this_machine(start, info, options, machine, len(training), work))
    trained_on = _trained_on(start, training, validation)
    if start.resume:
        _check_same_data(Path(options.out), trained_on)
    description = f"fine-tuned ({start.recipe.name}) on {trained_on['slices']} slices, scans: {trained_on['scans']}"
    info = replace(info, description=description, recipe=start.recipe.to_json(), trained_on=trained_on, metrics={})
    save = partial(_save, info=info, half=options.half)
    held_out = HeldOut.of(cases, training, validation)
    if held_out is None:
        work.note("No slice is held out, so that nobody will know whether the training made it better: hold out some.")
    run = Run(model, start.recipe, Path(options.out), save, device, work, start.resume, processes)
    history = train(run, training, validation)
    processes.part()
    if held_out is None or not processes.is_first:
        return Finetuned(history, None)
    del model, run  # the comparison may need its memory
    return Finetuned(history, _compared(start, info, options, held_out, work))


def _for_this_machine(
    start: Start, info: CheckpointInfo, options: FinetuneOptions, machine: Machine, slices: int, work: Work
) -> Recipe:
    """The recipe fitted to this machine, which is told; a run that is gone on with keeps what was chosen when it began."""
    last = run_folder(Path(options.out)) / "last"
    if start.resume and last.is_dir():
        return as_begun(start.recipe, read_info(last).recipe)
    network = Network(architecture_of(start.base.architecture), info.preprocessing.input_size)
    recipe, said = fitted(start.recipe, machine, network, slices, options.batch_size is not None)
    work.note(said)
    return recipe


def _compared(
    start: Start, info: CheckpointInfo, options: FinetuneOptions, held_out: HeldOut, work: Work
) -> BeforeAfter | None:
    """The comparison, written into the new checkpoint's folder; None, and a note, where it fails: the training did not."""
    out = Path(options.out)
    try:
        before, (after, info) = _starting_network(start, info), load_merged(out, start.weights)
        share_encoder(before, after)
        models = [Segmenter(sam, info, options.device) for sam in (before, after)]
        comparison = compare(models[0], models[1], held_out, _in_words(start), work)
        replace_folder(out, partial(_add_comparison, out, info, comparison))
    except (Cancelled, KeyboardInterrupt) as error:
        raise Cancelled(f"Cancelled before it was compared with the start; the checkpoint is {out}.") from error
    except SAMedError as error:
        work.note(f"The checkpoint is whole, but could not be compared with the start: {error}")
        return None
    return comparison


def _starting_network(start: Start, info: CheckpointInfo) -> Sam:
    """What the training started from, as it was before the first step."""
    if start.checkpoint is not None:
        return load_merged(start.checkpoint, start.weights)[0]
    return merge_lora(_new_lora(start, len(info.labels), info.preprocessing.input_size)).eval()


def _in_words(start: Start) -> str:
    """Without the folder's name, which may be a patient's."""
    if start.checkpoint is None:
        return "a base model, which knows none of them"
    return "the checkpoint that it went on from"


def _add_comparison(out: Path, info: CheckpointInfo, comparison: BeforeAfter, folder: Path) -> None:
    """A copy of the checkpoint at `out` that says and shows how it compares."""
    shutil.copytree(out, folder, dirs_exist_ok=True)
    info = replace(info, metrics={**info.metrics, "before_after": comparison.to_json()})
    write_info(folder, info)
    (folder / CARD_FILE).write_text(model_card(info), encoding="utf-8")
    before_after_picture(comparison, folder / PICTURE_FILE)


def _new_model(start: Start, labels: LabelTable, orientation: str, intensities: str) -> tuple[PeftModel, CheckpointInfo]:
    """SAM with the base's weights and fresh LoRA, seeded by the recipe."""
    preprocessing = architecture_of(start.base.architecture).tuning_at(start.recipe.sizes).suited(intensities)
    info = CheckpointInfo(start.base, labels, replace(preprocessing, orientation=orientation))
    return _new_lora(start, len(labels), preprocessing.input_size), info


def _new_lora(start: Start, classes: int, input_size: int) -> PeftModel:
    base, recipe = start.base, start.recipe
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        state = read_base(base, start.weights)
        sam = build_pretrained(base.architecture, classes, input_size, state, str(start.weights))
        settings = LoraSettings(recipe.lora_rank, recipe.lora_rank, recipe.lora_in_decoder, recipe.last_stage_rate > 0)
        return add_lora(sam, settings)


def _trained_on(start: Start, training: SliceDataset, validation: SliceDataset | None) -> dict[str, Any]:
    """Counts and hashes of slices and start: enough to tell two trainings apart, nothing that names a patient."""
    digest = hashlib.sha256(training.images.tobytes() + training.classes.tobytes()).hexdigest()
    return {
        "scans": len(set(training.volume_numbers.tolist())),
        "slices": len(training),
        "validation_slices": 0 if validation is None else len(validation),
        "sha256": digest,
        "start_sha256": start.base.sha256 if start.checkpoint is None else sha256_of(start.checkpoint / ADAPTER_FILE),
    }


def _check_same_data(out: Path, trained_on: dict[str, Any]) -> None:
    last = run_folder(out) / "last"
    if not last.is_dir():
        return
    begun = read_info(last).trained_on
    for key, other in (("sha256", "other scans, slices or labels"), ("start_sha256", "another base model or checkpoint")):
        if begun.get(key) != trained_on[key]:
            advice = "take the same, or remove that folder to start again."
            raise InputError(f"{last.parent} was begun with {other}: {advice}")


def _save(path: Path, model: nn.Module, metrics: dict[str, Any], *, info: CheckpointInfo, half: bool) -> None:
    write_checkpoint(path, model, replace(info, metrics=metrics), half)  # type: ignore[arg-type]
