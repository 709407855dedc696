"""A request that is being worked on, and what it tells meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from SAMedCore.service.messages import Event, Progress, Request

SHORTEST_PAUSE_S = 0.25
"""Between two events of one kind, so that they never keep a panel busy."""


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
        started: whether it is being worked on.
    """

    request: Request
    number: int
    folder: Path
    send: Callable[[Event], None]
    outputs: list[Path] = field(default_factory=list)
    started: bool = False
    _cancelled: threading.Event = field(default_factory=threading.Event)
    _phase: str = ""
    _pace: Pace = field(default_factory=Pace)

    def cancel(self) -> None:
        self._cancelled.set()

    def cancelled(self) -> bool:
        """Asked by the library, often; True makes it raise Cancelled."""
        return self._cancelled.is_set()

    def progress(self, phase: str, done: int, total: int) -> None:
        """Tell how far it is: a new phase and its end always, else a few times a second."""
        if phase != self._phase or 0 < total <= done or self._pace.is_due():
            self._phase = phase
            self._pace.restart()
            self.send(Progress(phase, done, total))
