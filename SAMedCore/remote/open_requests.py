"""The requests that have not been answered, and what whoever asked is told of them."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from SAMedCore.errors import Cancelled
from SAMedCore.remote.places import Trip
from SAMedCore.service.events import Error, Event, Progress, Result
from SAMedCore.service.job import Pace
from SAMedCore.service.messages import CloseVolume, EncodeAhead, OpenVolume, Request
from SAMedCore.service.process import EventStream
from SAMedCore.service.wire import encode

AtOnce = OpenVolume | CloseVolume | EncodeAhead
"""What the worker answers without telling how far it is."""


@dataclass(eq=False)
class Asked:
    """A request that has not been answered.

    Attributes:
        trip: what it has brought there.
        is_sent: whether the far worker has it.
        is_cancelled: whether it is to be stopped before that.
        outputs: files of it here, which go where it fails.
    """

    request: Request
    number: int
    trip: Trip
    is_sent: bool = False
    is_cancelled: bool = False
    outputs: set[Path] = field(default_factory=set)
    pace: Pace = field(default_factory=Pace)


class OpenRequests:
    """Each ends in one `Result` or `Error`; used by all threads.

    Args:
        events: to tell on.
    """

    def __init__(self, events: EventStream) -> None:
        self._events = events
        self._changed = threading.Condition()
        self._queue: deque[Asked] = deque()
        self._asked: dict[int, Asked] = {}
        self._volumes: dict[str, str] = {}
        self._gone: list[str] = []

    def tell(self, event: Event, number: int = 0) -> None:
        """Where nobody listens any more, this process goes."""
        self._events.write(encode(event, number))

    def add(self, request: Request, number: int) -> None:
        """It waits until it is its turn."""
        asked = Asked(request, number, Trip(lambda done, size: self._tell_sending(asked, done, size)))
        with self._changed:
            self._asked[number] = asked
            self._queue.append(asked)
            self._changed.notify()

    def next(self) -> Asked:
        """The next one, as soon as there is one."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue)
            return self._queue.popleft()

    def of(self, number: int) -> Asked | None:
        """The one of this number."""
        return self._asked.get(number)

    def withdraw(self, asked: Asked) -> bool:
        """Whether it still waited for its turn; it does no more."""
        with self._changed:
            if asked not in self._queue:
                return False
            self._queue.remove(asked)
            return True

    def volume_sent(self, handle: str, path: str) -> None:
        """Where an open volume's file lies there."""
        self._volumes[handle] = path

    def answer(self, asked: Asked, answer: Result | Error) -> None:
        """The last that is told of it; its files that are of no use any more go."""
        with self._changed:
            if self._asked.pop(asked.number, None) is None:
                return
            self._gone += asked.trip.inputs
            request = asked.request
            # closed, or not opened
            if isinstance(request, OpenVolume | CloseVolume) and isinstance(request, CloseVolume) == isinstance(answer, Result):
                self._gone += filter(None, [self._volumes.pop(request.handle, None)])
        if isinstance(answer, Error):
            for path in asked.outputs:
                path.unlink(missing_ok=True)
        self.tell(answer, asked.number)

    def end(self, sentence: str, kind: Literal["failed", "lost"]) -> None:
        """All have failed so."""
        self.tell(Error(sentence, kind))
        with self._changed:
            asked = list(self._asked.values())
        for each in asked:
            self.answer(each, Error(sentence, kind))

    def throw_away(self, path: str) -> None:
        """A file or folder there is of no use any more."""
        with self._changed:
            self._gone.append(path)

    def thrown_away(self) -> list[str]:
        """Those since this was asked the last time."""
        with self._changed:
            gone, self._gone = self._gone, []
            return gone

    def _tell_sending(self, asked: Asked, done: int, size: int) -> None:
        """How far a file is; told to all who wait for it, and expect to hear how far they are. Raises Cancelled."""
        if asked.is_cancelled:
            raise Cancelled
        if asked.pace.is_due() or done == size:
            asked.pace.restart()
            with self._changed:
                waiting = [asked, *self._queue]
            for each in waiting:
                if not isinstance(each.request, AtOnce):
                    self.tell(Progress("sending", done, size), each.number)
