"""A request that is being worked on, and what it tells meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from SAMedCore.service.events import Event, Metrics, Notice, Progress
from SAMedCore.service.messages import CloseVolume, Request
from SAMedCore.work import Event as WorkEvent
from SAMedCore.work import FinishedScan, FinishedSlices, TrainingProgress, Work
from SAMedCore.work import Notice as WorkNotice

Box = tuple[slice, slice, slice]
"""A part of a volume along its own k, j and i."""

SHORTEST_PAUSE_S = 0.25
"""Between two events of one kind, so that they never keep a panel busy."""

METRICS_PAUSE_S = 0.5


class Pace:
    """Says whether it is time for another event."""

    def __init__(self, pause_s: float = SHORTEST_PAUSE_S) -> None:
        self._pause_s = pause_s
        self._last = -pause_s

    def is_due(self) -> bool:
        return time.monotonic() - self._last >= self._pause_s

    def restart(self) -> None:
        self._last = time.monotonic()


@dataclass(eq=False)
class Job:
    """One request.

    Attributes:
        number: of the request.
        folder: the private one, for files that the other side is told of.
        send: an event to the other side, under this job's number.
        outputs: files that are removed if the job fails.
        is_answered: whether the other side was told that it is cancelled, while it is still at it.
        first_waiting: the job that comes next, if one waits.
        closes: requests, with their numbers, for volumes that are closed when this job has ended.
    """

    request: Request
    number: int
    folder: Path
    send: Callable[[Event], None]
    outputs: list[Path] = field(default_factory=list)
    is_answered: bool = False
    first_waiting: Callable[[], Job | None] = lambda: None
    closes: list[tuple[CloseVolume, int]] = field(default_factory=list)
    _cancelled: threading.Event = field(default_factory=threading.Event)
    _phase: str = ""
    _pace: Pace = field(default_factory=Pace)

    @property
    def is_cancelled(self) -> bool:
        return self._cancelled.is_set()

    def cancel(self) -> None:
        self._cancelled.set()

    def work(self, finished: Callable[[Box], None] = lambda part: None) -> Work:
        """What the library takes to tell the other side how far it is, and to hear that it is cancelled.

        Args:
            finished: told each part of a label map that is filled.
        """
        metrics = _Metrics(self)

        def tell(event: WorkEvent) -> None:
            if isinstance(event, FinishedSlices):
                finished(event.part)
            elif isinstance(event, TrainingProgress):
                metrics.add(event)
            elif isinstance(event, WorkNotice):
                self.send(Notice(event.message))
            elif isinstance(event, FinishedScan):
                if event.error is not None:
                    self.send(Notice(f"{event.name}: {event.error}"))
            else:
                self.progress(event.phase, event.done, event.total)

        return Work(tell, self._cancelled.is_set)

    def progress(self, phase: str, done: int, total: int) -> None:
        """Tell how far it is: a new phase and its end always, else a few times a second."""
        if phase != self._phase or 0 < total <= done or self._pace.is_due():
            self._phase = phase
            self._pace.restart()
            self.send(Progress(phase, done, total))


class _Metrics:
    """A training's steps as a few `Metrics` a second, steps and epochs counted through all stages."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._pace = Pace(METRICS_PAUSE_S)
        self._losses: list[float] = []
        self._loss = 0.0
        self._steps_before = self._epochs_before = 0
        self._last: TrainingProgress | None = None

    def add(self, event: TrainingProgress) -> None:
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
