"""Fine-tuning as Slicer asks for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from SAMedCore.checkpoint.folder import check_output, find_folder, read_info
from SAMedCore.devices import choose_device
from SAMedCore.errors import Cancelled, InputError
from SAMedCore.image.grid import same_grid
from SAMedCore.service.job import Job, Pace
from SAMedCore.service.messages import AnnotatedScan, Finetune, Metrics
from SAMedCore.service.voxels import labelmap_of, volume_of
from SAMedCore.train.cases import Pair
from SAMedCore.train.finetune import TrainingData, finetune
from SAMedCore.train.recipe import Recipe, adjusted, preset
from SAMedCore.train.start import can_be_resumed, check_run, check_start

METRICS_PAUSE_S = 0.5


def finetuned(request: Finetune, job: Job) -> dict[str, Any]:
    """Train as the request says and return the values of its `Result`.

    A run to the same place that was killed is gone on with; with other options, scans or slices it is refused, and the
    sentence names the folder to remove.

    Raises:
        Cancelled: before an epoch was finished.
        InputError, SAMedError: as `training.finetune.finetune`.
    """
    # Between two epochs the loss is drawn, and matplotlib takes long to load the first time.
    import SAMedCore.draw.losscurve  # noqa: F401

    out, recipe = Path(request.out), _recipe(request)
    resume = can_be_resumed(out)
    check_output(out)
    check_run(out, resume)
    _check_start(request, recipe)
    device = choose_device(request.device)
    job.progress("loading", 0, 1)
    if not request.scans:
        raise InputError("there is no scan to learn from: add one with its segmentation.")
    pairs = [_pair(number, scan) for number, scan in enumerate(request.scans, start=1)]
    data = TrainingData(pairs, request.classes, request.validation, [scan.slices for scan in request.scans])
    told, was_cancelled = _Metrics(job), False
    try:
        finetune(
            data,
            recipe,
            out,
            base=_base(request),
            checkpoint=request.checkpoint,
            device=device,
            progress=told,
            cancelled=job.cancelled,
            resume=resume,
        )
    except Cancelled:
        if not out.exists():
            raise
        was_cancelled = True
    dice = read_info(out).metrics.get("validation_dice")
    return {"checkpoint": str(out), "validation_dice": dice, "cancelled": was_cancelled}


def _recipe(request: Finetune) -> Recipe:
    if request.epochs is not None and request.epochs < 1:
        raise InputError(f"{request.epochs} epochs: train for at least one.")
    if request.minutes is not None and not request.minutes > 0:
        raise InputError(f"{request.minutes:g} minutes: give a time above 0.")
    return adjusted(preset(request.preset), request.epochs, request.minutes)


def _check_start(request: Finetune, recipe: Recipe) -> None:
    if request.checkpoint is not None:
        read_info(find_folder(request.checkpoint))
    else:
        check_start(request.base, recipe)


def _base(request: Finetune) -> str | None:
    """A checkpoint knows its base model by name: only a file says more."""
    if request.checkpoint is not None and request.base is not None and not Path(request.base).is_file():
        return None
    return request.base


def _pair(number: int, scan: AnnotatedScan) -> Pair:
    pair = Pair(volume_of(scan.volume), labelmap_of(scan.labels))
    if not same_grid(pair.volume.grid, pair.labelmap.grid):
        raise InputError(f"scan {number}: its labels ({pair.labelmap.grid}) are not on its volume's grid ({pair.volume.grid}).")
    if not scan.slices:
        raise InputError(f"scan {number} has no annotated slice: annotate at least one, or leave the scan out.")
    return pair


class _Metrics:
    """The training's events as a few `Metrics` a second, steps and epochs counted through all stages."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._pace = Pace(METRICS_PAUSE_S)
        self._losses: list[float] = []
        self._loss = 0.0
        self._steps_before = self._epochs_before = 0
        self._last: dict[str, Any] = {"step": 0, "epoch": 0, "stage": None}

    def __call__(self, event: dict[str, Any]) -> None:
        if event["phase"] != "training":
            self._job.progress(event["phase"], event["done"], event["total"])
            return
        if self._last["stage"] not in (None, event["stage"]):
            self._steps_before += self._last["step"]
            self._epochs_before += self._last["epoch"]
        self._last = event
        if not event["epoch_done"]:
            self._losses.append(event["loss"])
        if event["epoch_done"] or self._pace.is_due():
            self._tell(event)

    def _tell(self, event: dict[str, Any]) -> None:
        if self._losses:
            self._loss = sum(self._losses) / len(self._losses)
            self._losses.clear()
        self._pace.restart()
        step, steps = self._steps_before + event["step"], self._steps_before + event["steps"]
        dice = event["validation_dice"] if event["epoch_done"] else None
        epoch, epochs = self._epochs_before + event["epoch"], self._epochs_before + event["epochs"]
        self._job.send(Metrics(step, steps, epoch, epochs, self._loss, dice))
        self._job.progress("training", step, steps)
