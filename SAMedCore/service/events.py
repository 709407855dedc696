"""What the worker answers to the requests of `service.messages`: the one definition, used by both sides. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

PROTOCOL = 5
"""To be raised with every change that an older worker or panel would misunderstand."""


@dataclass(frozen=True)
class Device:
    """A device that torch can use: its name ("cuda:0", "mps", "cpu") and what a person calls it ("CPU, 8 threads")."""

    name: str
    description: str


@dataclass(frozen=True)
class Started:
    """The very first event, before anything heavy is imported; `pid` is the interpreter's, which leads a process group."""

    pid: int


@dataclass(frozen=True)
class Ready:
    """Torch is there and requests are answered from now on; the best device first."""

    pid: int
    version: str
    devices: tuple[Device, ...]
    protocol: int = PROTOCOL


@dataclass(frozen=True)
class Progress:
    """How far the request is.

    Attributes:
        phase: "waiting" (for another job), "loading", "segmenting", "propagating", "interpolating", "encoding", "estimating",
            "training", "completing", "ranking", "importing" or "fetching"; from a worker on another computer also
            "sending" (bytes); one may come again, with another total.
        done, total: of slices, scans, steps or bytes; a total of 0 is not known.
    """

    phase: str
    done: int
    total: int


@dataclass(frozen=True)
class Slices:
    """Slices are finished: the label map's file holds them in the box [[k, k), [j, j), [i, i)] of the volume's own grid."""

    labelmap: str
    box: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Metrics:
    """How training goes: the mean loss since the last of these; validation Dice where an epoch has just been validated.

    Steps and epochs are counted through all stages of the recipe; the totals grow when a further stage begins.
    """

    step: int
    steps: int
    epoch: int
    epochs: int
    loss: float
    validation_dice: float | None = None


@dataclass(frozen=True)
class Notice:
    """A sentence that a person should read although the work goes on: what was chosen for them, or what does not fit."""

    message: str


@dataclass(frozen=True)
class Result:
    """A request is done; `values` as the request's class says."""

    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Error:
    """A request has failed: "input", "failed" and "lost" carry the user's sentence, "internal" has its traceback in the log.

    "lost" is the connection to a worker on another computer: nothing is wrong with the request.
    """

    message: str
    kind: Literal["input", "failed", "cancelled", "internal", "lost"] = "failed"


Event = Started | Ready | Progress | Slices | Metrics | Notice | Result | Error
