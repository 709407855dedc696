"""How long work tells how far it is, and hears that it is to stop.

Every long function takes one `work`. What becomes of its events is its maker's business: a bar or JSON lines on a console
(`cli.console`), messages to Slicer (`service.job`), or nothing (`SILENT`). Imports nothing but Python's own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from SAMedCore.errors import Cancelled


@dataclass(frozen=True)
class Progress:
    """How far the work is.

    Attributes:
        phase: "reading", "loading", "fetching", "importing", "segmenting", "ranking", "interpolating", "encoding",
            "propagating", "estimating", "training", "comparing", "completing" or "evaluating"; one may come again, with another
            total.
        done, total: of slices, scans, steps, files or bytes; a total of 0 is not known.
    """

    phase: str
    done: int
    total: int


@dataclass(frozen=True)
class TrainingProgress:
    """How a training is: after each step, and once more when an epoch has been validated and kept.

    Attributes:
        stage: of the recipe, what it trains: "all" or "decoder".
        step, steps: done and planned, of this stage.
        epoch, epochs: under way (from 1) and planned, of this stage.
        epoch_done: whether this is the end of the epoch.
        loss: of the step; at an epoch's end the epoch's mean.
        learning_rate: in force.
        validation_dice: of the last validated epoch, or None.
        eta_s: seconds left of this stage, at the pace so far.
    """

    stage: str
    step: int
    steps: int
    epoch: int
    epochs: int
    epoch_done: bool
    loss: float
    learning_rate: float
    validation_dice: float | None
    eta_s: float


@dataclass(frozen=True)
class FinishedSlices:
    """A part of the label map is filled: slices of the volume's own k, j and i."""

    part: tuple[slice, slice, slice]


@dataclass(frozen=True)
class Notice:
    """A sentence that a person should read although the work goes on: what was chosen for them, or what does not fit."""

    message: str


@dataclass(frozen=True)
class FinishedScan:
    """One scan of a cohort is done with.

    Attributes:
        name: of the scan.
        output: its segmentation's file, or None.
        error: why there is none, or None.
    """

    name: str
    output: str | None = None
    error: str | None = None


Event = Progress | TrainingProgress | FinishedSlices | FinishedScan | Notice


class Work:
    """One job as the library sees it.

    Args:
        tell: called with each event.
        is_cancelled: asked often, also between a network's layers.

    Example:
        >>> model.segment(volume, work=Work(print))
    """

    def __init__(
        self, tell: Callable[[Event], None] = lambda event: None, is_cancelled: Callable[[], bool] = lambda: False
    ) -> None:
        self.tell = tell
        self.is_cancelled = is_cancelled

    def step(self, phase: str, done: int, total: int) -> None:
        """Tell how far this phase is. Raises as `stop_if_cancelled`."""
        self.stop_if_cancelled()
        self.tell(Progress(phase, done, total))

    def note(self, message: str) -> None:
        """Tell a `Notice`."""
        self.tell(Notice(message))

    def stop_if_cancelled(self) -> None:
        """Raises Cancelled where the user stopped the work."""
        if self.is_cancelled():
            raise Cancelled


SILENT = Work()
"""Tells nobody and is never cancelled."""
