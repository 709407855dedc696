"""Requests from stdin, one after the other, to their `Result` or `Error`; those that come meanwhile wait in order.

What takes no time is answered, and `Cancel` heard, at once. While there is no request, slices are encoded ahead.
"""

from __future__ import annotations

import argparse
import gc
import os
import shutil
import sys
import threading
import time
import traceback
from collections import deque
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from SAMedCore.checkpoint.hub import OFFLINE, USERS_OFFLINE
from SAMedCore.errors import Cancelled
from SAMedCore.image.texts import in_one_line
from SAMedCore.runtime import prepare_process
from SAMedCore.service.answers import answer_to, error_of
from SAMedCore.service.events import Error, Event, Progress, Result, Started
from SAMedCore.service.job import Job
from SAMedCore.service.loading import CannotLoad, load, ready
from SAMedCore.service.messages import Cancel, CloseVolume, EncodeAhead, Fetch, OpenVolume, Prompt, Request, Shutdown, handles
from SAMedCore.service.process import EventStream, Log, keep_temporary_files_in, lead_group, start_guard, vanish
from SAMedCore.service.wire import Lines, ProtocolError, Refused, decode_request, encode

if TYPE_CHECKING:
    from SAMedCore.service.models import Models
    from SAMedCore.service.volumes import Volumes

AtOnce = OpenVolume | CloseVolume | EncodeAhead
"""What is answered at once, whatever runs."""

IDLE_S = 600
"""After so long without a request the networks are let go."""

PAUSE_S = 0.3
"""After an answer the next slice is not encoded ahead for so long: where a person clicks on, stopping it would take longer."""

LAST_CHANCE_S = 0.5


def start(arguments: list[str], requests: int, events: int) -> int:
    """Be the worker until stdin ends; returns the exit code.

    Args:
        requests, events: file descriptors to read from and write to.
    """
    parser = argparse.ArgumentParser(prog="python -m SAMedCore.service")
    parser.add_argument("--folder", type=Path, required=True, help="private, removed at the end")
    folder = parser.parse_args(arguments).folder.absolute()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)  # whoever made it: what lies in it is a patient's
    lead_group()
    start_guard(requests, events, folder)
    keep_temporary_files_in(folder)
    prepare_process()
    log = Log(folder)
    # PEFT asks the Hub about models unless told otherwise; what is not here is fetched when the user asks for it.
    os.environ[USERS_OFFLINE] = os.environ.get(OFFLINE, "")
    os.environ[OFFLINE] = "1"
    try:
        return Server(requests, events, folder).run()
    finally:
        log.close()


class Server:
    """Reads in a thread of its own, works in the main one."""

    def __init__(self, requests: int, events: int, folder: Path) -> None:
        self._requests = requests
        self._events = EventStream(events, folder)
        self._folder = folder
        self._state = threading.Condition()
        self._running: Job | None = None
        self._waiting: deque[Job] = deque()
        self._ahead: Job | None = None
        self._idle_since = -PAUSE_S
        self._is_leaving = False
        self._held: tuple[Models, Volumes] | None = None
        self._early: list[tuple[AtOnce, int]] = []

    def run(self) -> int:
        """Until stdin ends or `Shutdown` comes; returns the exit code."""
        self._events.begin()
        self.send(Started(os.getpid()))
        threading.Thread(target=self._read, name="requests", daemon=True).start()
        try:
            held = load()
        except CannotLoad as error:
            traceback.print_exception(error)
            self.send(Error(str(error), "failed"))
            return 1
        # What is loaded by now stays: collecting garbage need not look at it after every job.
        gc.freeze()
        with self._state:
            self._held = held
            for request, number in self._early:
                self._answer_at_once(request, number)
        self.send(ready())
        self._work(*held)
        shutil.rmtree(self._folder, ignore_errors=True)
        return 0

    def send(self, event: Event, number: int = 0) -> None:
        """One event to the other side; where that is gone, so is this process."""
        self._events.write(encode(event, number))

    def _read(self) -> None:
        lines = Lines()
        while piece := os.read(self._requests, 65536):
            for line in lines.feed(piece):
                self._hear(line)
        self._leave()

    def _hear(self, line: bytes) -> None:
        try:
            request, number = decode_request(line)
        except ProtocolError as error:
            print(error, file=sys.stderr)
            self.send(Error("The worker was sent a line that is no request; the log says more.", "failed"))
            return
        except Refused as error:
            self.send(Error(in_one_line(str(error)), "input"), error.number)
            return
        if isinstance(request, Shutdown):
            self._leave()
        elif isinstance(request, Cancel):
            self._cancel(number)
        elif isinstance(request, OpenVolume | CloseVolume | EncodeAhead):
            self._answer_at_once(request, number)
        else:
            self._take(request, number)

    def _take(self, request: Request, number: int) -> None:
        with self._state:
            if self._waiting or (self._running is not None and _keeps_waiting(self._running)):
                self.send(Progress("waiting", 0, 0), number)
            self._waiting.append(self._job(request, number))
            self._state.notify()

    def _job(self, request: Request, number: int = 0) -> Job:
        told = partial(self.send, number=number)
        return Job(request, number, self._folder, told, first_waiting=self._first_waiting)

    def _answer_at_once(self, request: AtOnce, number: int) -> None:
        """Whatever runs; before anything is loaded, when it is. A volume in use is closed when the last job on it has ended."""
        with self._state:
            if self._held is None:
                self._early.append((request, number))
                return
            if isinstance(request, CloseVolume):
                self._stop_ahead(request.handle)
                if (user := self._last_user(request.handle)) is not None:
                    user.closes.append((request, number))
                    return
            answer: Event = Result()
            try:
                self._do_at_once(request, *self._held)
            except Exception as error:
                answer = error_of(error)
        self.send(answer, number)

    def _do_at_once(self, request: AtOnce, models: Models, volumes: Volumes) -> None:
        if isinstance(request, OpenVolume):
            volumes.open(request.handle, request.volume, request.modality)
        elif isinstance(request, CloseVolume):
            volumes.close(request.handle)
            models.forget(request.handle)
        else:
            volumes.check_slice(request.volume, request.slice)
            self._stop_ahead()
            self._ahead = self._job(request)
            self._state.notify()

    def _last_user(self, handle: str) -> Job | None:
        """The last job, waiting or running, that works with the volume."""
        jobs = [*reversed(self._waiting), *([] if self._running is None else [self._running])]
        return next((job for job in jobs if handle in handles(job.request)), None)

    def _stop_ahead(self, handle: str | None = None) -> None:
        """Encode no more of this volume ahead; None for whichever it is."""
        if self._ahead is not None and handle in (None, *handles(self._ahead.request)):
            self._ahead.cancel()
            self._ahead = None

    def _cancel(self, number: int) -> None:
        with self._state:
            if self._running is not None and self._running.number == number:
                self._cancel_running(self._running)
                return
            job = next((job for job in self._waiting if job.number == number), None)
            if job is not None:
                self._waiting.remove(job)
                self._tell_end(job, error_of(Cancelled()))

    def _cancel_running(self, job: Job) -> None:
        job.cancel()
        if isinstance(job.request, Prompt) and not job.is_answered:
            # It may be loading a large base model, which cannot be stopped and is wanted next.
            job.is_answered = True
            self.send(error_of(Cancelled()), job.number)

    def _tell_end(self, job: Job, answer: Event) -> None:
        if not job.is_answered:
            self.send(answer, job.number)
        for request, number in job.closes:
            self._answer_at_once(request, number)

    def _leave(self) -> None:
        """What waits is not begun any more, what runs is left at once."""
        with self._state:
            job = self._running
            if job is None and self._held is not None:
                self._is_leaving = True
                self._state.notify()
                return
        if job is not None and isinstance(job.request, Fetch):
            # Its files lie in the cache folder, and it removes them as soon as it is told to stop.
            job.cancel()
            time.sleep(LAST_CHANCE_S)
        vanish(self._folder)

    def _work(self, models: Models, volumes: Volumes) -> None:
        while (job := self._next(models)) is not None:
            if _is_ahead(job):
                self._encode_ahead(job, models, volumes)
                continue
            answer = answer_to(job, models, volumes)
            # Nothing may hold the mapped files any more: on Windows they could not be removed.
            gc.collect()
            with self._state:
                self._running, self._idle_since = None, time.monotonic()
                if isinstance(answer, Error) or job.is_answered:
                    for path in job.outputs:
                        path.unlink(missing_ok=True)
                self._tell_end(job, answer)

    def _next(self, models: Models) -> Job | None:
        """The next job, as soon as there is one; None when it is time to leave."""
        with self._state:
            while not self._is_leaving:
                pause_s = self._idle_since + PAUSE_S - time.monotonic()
                if self._waiting:
                    self._running = self._waiting.popleft()
                elif pause_s <= 0:
                    self._running = self._ahead
                if self._running is not None:
                    return self._running
                if not self._state.wait(IDLE_S if self._ahead is None else pause_s) and self._ahead is None:
                    models.release()
            return None

    def _encode_ahead(self, job: Job, models: Models, volumes: Volumes) -> None:
        """One slice; the next one comes when nothing else waits."""
        from SAMedCore.service.ahead import encode_one

        goes_on = encode_one(job, models, volumes)
        with self._state:
            self._running = None
            if not goes_on and self._ahead is job:
                self._ahead = None
            for request, number in job.closes:
                self._answer_at_once(request, number)

    def _first_waiting(self) -> Job | None:
        with self._state:
            return self._waiting[0] if self._waiting else None


def _keeps_waiting(job: Job) -> bool:
    return not (_is_ahead(job) or job.is_answered)


def _is_ahead(job: Job) -> bool:
    return isinstance(job.request, EncodeAhead)
