"""What a person can ask for, each request spelled once: the command line, Slicer's panel and console, the messages between
Slicer and the worker, and the library all carry these objects. Imports no torch.

All are frozen, checked when they are made (InputError, also where a value is of another kind than its annotation says), and
plain enough for JSON: `dataclasses.asdict` writes them and `service.wire` reads them back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from SAMedCore.address import check_device
from SAMedCore.errors import InputError, quoted
from SAMedCore.values import MOST, MOST_TIMES, check_range, settle

PRECISIONS = ("auto", "fp32", "bf16", "fp16")

INTENSITIES = {
    "auto": "CT where DICOM says so, without DICOM where the values reach from fat's and air's HU on; else other",
    "ct": "HU",
    "other": "percentiles of the whole scan, as LiteMedSAM was trained on MR",
}
"""What a volume's values are, the default first; `image.intensities` tells it."""

PRESETS = {
    "few-shot": "a few annotated slices or scans",
    "samed": "the paper's recipe",
    "samed_s": "LoRA in the mask decoder too",
    "samed_h": "the paper's recipe for vit_h",
}
"""Training recipes, the default first; `train.recipe` has what they are."""

DEFAULT_BASE = "lite"
DEFAULT_PRESET = next(iter(PRESETS))
DEFAULT_VALIDATION = 0.2
DEFAULT_COMPLETE_STEPS = 400
"""About two minutes of training on two CPU cores; twice as many did not do better on the sample."""

MOST_AT_A_TIME = 10_000
"""Slices a step, and workers: more than any computer or cluster takes."""


@dataclass(frozen=True)
class ModelOptions:
    """Which checkpoint, and where it computes.

    Attributes:
        checkpoint: a folder, or a name of the catalogue.
        base: the base model's weights file; None for the one in the cache folder.
        device: "auto", "cpu", "cuda", "cuda:1" or "mps"; or one of another computer, as `Address` has it.
        precision: "auto" (bf16 where a GPU has it, else fp32), "fp32", "bf16" or "fp16".

    Raises:
        InputError: no such kind of device or precision.
    """

    checkpoint: str
    base: str | None = None
    device: str = "auto"
    precision: str = "auto"

    def __post_init__(self) -> None:
        settle(self)
        check_device(self.device)
        if self.precision not in PRECISIONS:
            raise InputError(f"unknown precision {quoted(self.precision)}: choose from {', '.join(PRECISIONS)}.")

    @property
    def weights(self) -> Path | None:
        """`base` as a path."""
        return None if self.base is None else Path(self.base)


@dataclass(frozen=True)
class SegmentOptions:
    """What of a volume is segmented, and how.

    Attributes:
        labels: names to keep; None for all.
        slices: axial ones, from the feet; None for all.
        batch_size: slices at a time; None for the device's own. Halved where a GPU runs out of memory.
        largest_component: keep each label's largest 26-connected component only.
        probabilities: also return the softmax over the classes.
        uncertainty: also return how unsure the model is of each voxel, slice and structure.

    Raises:
        InputError: no label, no slice, or no positive batch size.
    """

    labels: tuple[str, ...] | None = None
    slices: tuple[int, ...] | None = None
    batch_size: int | None = None
    largest_component: bool = False
    probabilities: bool = False
    uncertainty: bool = False

    def __post_init__(self) -> None:
        settle(self)
        _check_chosen(self.labels)
        _check_slices(self.slices)
        check_range(self.batch_size, "slices at a time", 1, MOST_AT_A_TIME)


@dataclass(frozen=True)
class CohortOptions:
    """How many scans are segmented: by whom, and into what kind of files.

    Attributes:
        workers: how many load the model and segment at a time; None: one a GPU, without any GPU one a computer.
        address: of a running Ray cluster, as `ray.init` takes it; None: this computer alone.
        retries: of a scan that failed for a reason that may pass: memory, storage, a computer that is gone.
        ending: of the segmentations, one that `files.write` knows.

    Raises:
        InputError: no positive number of workers, a negative one of retries, or more than `MOST_AT_A_TIME`.
    """

    workers: int | None = None
    address: str | None = None
    retries: int = 2
    ending: str = ".seg.nrrd"

    def __post_init__(self) -> None:
        settle(self)
        check_range(self.workers, "workers", 1, MOST_AT_A_TIME)
        check_range(self.retries, "retries", 0, MOST_AT_A_TIME)


@dataclass(frozen=True)
class RankOptions:
    """Which slices are ranked: all axial ones but `annotated` (from the feet)."""

    annotated: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        settle(self)
        _check_slices(self.annotated)


@dataclass(frozen=True)
class PromptOptions:
    """Which base model draws from boxes and points, and what its intensities are.

    Attributes:
        base: a base model's name in the catalogue or its weights file.
        device: as in `ModelOptions`.
        intensities: of `INTENSITIES`.

    Raises:
        InputError: no such kind of device or intensities.
    """

    base: str = DEFAULT_BASE
    device: str = "auto"
    intensities: str = "auto"

    def __post_init__(self) -> None:
        settle(self)
        check_device(self.device)
        _check_intensities(self.intensities)


@dataclass(frozen=True)
class CompleteOptions:
    """How the rest of a partly annotated scan is filled in.

    Attributes:
        annotated_slices: axial ones, from the feet; one without any label is annotated as empty. None: those with a label.
        base: a base model's name in the catalogue or its weights file; read only where the network is of use.
        device: as in `ModelOptions`.
        steps: of training, one annotated slice each, and half as many for each half of the estimate.
        seed: of the training.
        intensities: of `INTENSITIES`.

    Raises:
        InputError: no such kind of device or intensities, or no positive number of steps.
    """

    annotated_slices: tuple[int, ...] | None = None
    base: str = DEFAULT_BASE
    device: str = "auto"
    steps: int = DEFAULT_COMPLETE_STEPS
    seed: int = 0
    intensities: str = "auto"

    def __post_init__(self) -> None:
        settle(self)
        _check_slices(self.annotated_slices)
        check_device(self.device)
        _check_intensities(self.intensities)
        check_range(self.steps, "training steps", 1, MOST_TIMES)
        check_range(self.seed, "as a seed", 0, 2**63 - 1)


@dataclass(frozen=True)
class FinetuneOptions:
    """What a training starts from, how it goes, and where its checkpoint goes.

    Attributes:
        out: the checkpoint's folder.
        base: a base model's name or weights file; with `checkpoint` only the file, where the catalogue lacks its base.
        checkpoint: go on from this one, with its labels and preprocessing.
        preset: of `PRESETS`.
        classes: names of the structures to learn; None for all that occur.
        epochs, minutes: of each stage, its encoding included; None for the preset's own.
        batch_size: slices a step; None for the preset's own.
        validation: the fraction held out, whole scans where there are several, else slices.
        slices: which are learnt from: "annotated" (those with any label), "all" (those without one being background), or
            numbers from the feet, the same for each scan that does not say its own; None for the preset's own choice.
        keep_others: the other slices stay in the data, marked as not annotated: they fill batches and count in the
            validation but carry no loss.
        orientation: of the slices, as `Preprocessing` has it; a checkpoint to go on from keeps its own.
        half: store the checkpoint in float16.
        resume: go on where a killed or cancelled run to `out` stopped. False refuses to overwrite one; None goes on if there
            is one and begins anew if there is none.
        device: as in `ModelOptions`.
        intensities: of `INTENSITIES`; a checkpoint to go on from keeps its own.

    Raises:
        InputError: a value is out of range, or preset or intensities are unknown.
    """

    out: str
    base: str | None = None
    checkpoint: str | None = None
    preset: str = DEFAULT_PRESET
    classes: tuple[str, ...] | None = None
    epochs: int | None = None
    minutes: float | None = None
    batch_size: int | None = None
    validation: float = DEFAULT_VALIDATION
    slices: str | tuple[int, ...] | None = None
    keep_others: bool = False
    orientation: str = "LPS"
    half: bool = False
    resume: bool | None = False
    device: str = "auto"
    intensities: str = "auto"

    def __post_init__(self) -> None:
        settle(self)
        if self.base is None and self.checkpoint is None:
            raise InputError("there is nothing to start from: name a base model, or a checkpoint to go on from.")
        if self.preset not in PRESETS:
            raise InputError(f"unknown preset {quoted(self.preset)}: choose from {', '.join(PRESETS)}.")
        _check_chosen(self.classes)
        check_range(self.epochs, "epochs", 1, MOST_TIMES)
        check_range(self.batch_size, "slices a step", 1, MOST_AT_A_TIME)
        if self.minutes is not None and not 0 < self.minutes < math.inf:
            raise InputError(f"{self.minutes:g} minutes: give a time above 0.")
        check_range(self.minutes, "minutes", 0, MOST_TIMES)
        if not 0 <= self.validation < 1:
            raise InputError(f"{self.validation} is no fraction to hold out: give a number from 0 up to, but not, 1.")
        if isinstance(self.slices, str) and self.slices not in ("annotated", "all"):
            raise InputError(f"{quoted(self.slices)} are no slices: choose annotated, all, or numbers from the feet.")
        if self.keep_others and self.chosen_slices == "all":
            raise InputError("with all slices chosen there are no others to keep: choose the annotated ones, or some.")
        if not isinstance(self.slices, str):
            _check_slices(self.slices)
        check_device(self.device)
        _check_intensities(self.intensities)

    @property
    def chosen_slices(self) -> str | tuple[int, ...]:
        """`slices`, or where None the preset's own choice: the paper learns from all slices, few-shot from annotated ones."""
        if self.slices is not None:
            return self.slices
        return "annotated" if self.preset == "few-shot" else "all"


def _check_chosen(names: tuple[str, ...] | None) -> None:
    if names is not None and not names:
        raise InputError("no structure is chosen: name at least one, or leave the choice out for all.")


def _check_slices(slices: tuple[int, ...] | None) -> None:
    for end in (min, max):
        if slices and not 0 <= end(slices) < MOST:
            raise InputError(f"there is no slice {end(slices)}: give numbers from the feet, from 0 to {MOST - 1}.")


def _check_intensities(name: str) -> None:
    if name not in INTENSITIES:
        raise InputError(f"unknown intensities {quoted(name)}: choose from {', '.join(INTENSITIES)}.")
