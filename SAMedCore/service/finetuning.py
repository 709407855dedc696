"""Fine-tuning as Slicer asks for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from SAMedCore.checkpoint.folder import read_info
from SAMedCore.devices import choose_device
from SAMedCore.errors import Cancelled, InputError
from SAMedCore.image.grid import same_grid
from SAMedCore.service.job import Job, Pace
from SAMedCore.service.messages import AnnotatedScan, Finetune, Metrics
from SAMedCore.service.voxels import labelmap_of, volume_of
from SAMedCore.train.cases import Case
from SAMedCore.train.finetune import finetune
from SAMedCore.train.start import check_start
from SAMedCore.work import Event, Progress, TrainingProgress, Work

METRICS_PAUSE_S = 0.5


def finetuned(request: Finetune, job: Job) -> dict[str, Any]:
    """Train as the request says and return the values of its `Result`.

    A run to the same place that was killed is gone on with; with other options, scans or slices it is refused, and the
    sentence names the folder to remove.

    Raises:
        Cancelled: before an epoch was finished.
        InputError, SAMedError: as `train.finetune.finetune`.
    """
    # Between two epochs the loss is drawn, and matplotlib takes long to load the first time.
    import SAMedCore.draw.losscurve  # noqa: F401

    options, out = replace(request.options, resume=None), Path(request.options.out)
    check_start(options)
    choose_device(options.device)
    job.progress("loading", 0, 1)
    if not request.scans:
        raise InputError("there is no scan to learn from: add one with its segmentation.")
    cases = [_case(number, scan) for number, scan in enumerate(request.scans, start=1)]
    was_cancelled = False
    try:
        finetune(cases, options, Work(_Metrics(job), job.cancelled))
    except Cancelled:
        if not out.exists():
            raise
        was_cancelled = True
    dice = read_info(out).metrics.get("validation_dice")
    return {"checkpoint": str(out), "validation_dice": dice, "cancelled": was_cancelled}


def _case(number: int, scan: AnnotatedScan) -> Case:
    case = Case(volume_of(scan.volume), labelmap_of(scan.labels), scan.slices)
    if not same_grid(case.volume.grid, case.labelmap.grid):
        raise InputError(f"scan {number}: its labels ({case.labelmap.grid}) are not on its volume's grid ({case.volume.grid}).")
    if not scan.slices:
        raise InputError(f"scan {number} has no annotated slice: annotate at least one, or leave the scan out.")
    return case


class _Metrics:
    """The training's events as a few `Metrics` a second, steps and epochs counted through all stages."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._pace = Pace(METRICS_PAUSE_S)
        self._losses: list[float] = []
        self._loss = 0.0
        self._steps_before = self._epochs_before = 0
        self._last: TrainingProgress | None = None

    def __call__(self, event: Event) -> None:
        if isinstance(event, Progress):
            self._job.progress(event.phase, event.done, event.total)
        elif isinstance(event, TrainingProgress):
            self._count(event)

    def _count(self, event: TrainingProgress) -> None:
        if self._last is not None and self._last.stage != event.stage:
            self._steps_before += self._last.step
            self._epochs_before += self._last.epoch
        self._last = event
        if not event.epoch_done:
            self._losses.append(event.loss)
        if event.epoch_done or self._pace.is_due():
            self._tell(event)

    def _tell(self, event: TrainingProgress) -> None:
        if self._losses:
            self._loss = sum(self._losses) / len(self._losses)
            self._losses.clear()
        self._pace.restart()
        step, steps = self._steps_before + event.step, self._steps_before + event.steps
        dice = event.validation_dice if event.epoch_done else None
        epoch, epochs = self._epochs_before + event.epoch, self._epochs_before + event.epochs
        self._job.send(Metrics(step, steps, epoch, epochs, self._loss, dice))
        self._job.progress("training", step, steps)
