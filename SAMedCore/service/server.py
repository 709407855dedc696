"""One request at a time from stdin to its `Result` or `Error`; the next one is refused and `Cancel` heard while it runs."""

from __future__ import annotations

import argparse
import errno
import gc
import os
import queue
import shutil
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from SAMedCore import __version__
from SAMedCore.errors import Cancelled, SAMedError
from SAMedCore.runtime import prepare_process
from SAMedCore.service.events import Device, Error, Event, Ready, Result, Started
from SAMedCore.service.job import Job
from SAMedCore.service.messages import Cancel, CloseVolume, Fetch, OpenVolume, Request, Shutdown, handles
from SAMedCore.service.process import Log, keep_temporary_files_in, lead_group, start_guard, vanish
from SAMedCore.service.wire import Lines, ProtocolError, Refused, decode_request, encode

if TYPE_CHECKING:
    from SAMedCore.service.models import Models
    from SAMedCore.service.volumes import Volumes

IDLE_S = 600
"""After so long without a request the networks are let go."""

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
    lead_group()
    start_guard(requests, events, folder)
    keep_temporary_files_in(folder)
    prepare_process()
    log = Log(folder)
    # PEFT asks the Hub about models unless told otherwise; what is not here is fetched when the user asks for it.
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        return Server(requests, events, folder).run()
    finally:
        log.close()


class Server:
    """Reads in a thread of its own, works in the main one."""

    def __init__(self, requests: int, events: int, folder: Path) -> None:
        self._requests = requests
        self._events = events
        self._folder = folder
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._job: Job | None = None
        self._held: tuple[Models, Volumes] | None = None
        self._early: list[tuple[OpenVolume | CloseVolume, int]] = []
        self._state = threading.RLock()
        self._sending = threading.Lock()

    def run(self) -> int:
        """Until stdin ends or `Shutdown` comes; returns the exit code."""
        # Whatever the interpreter's own start printed, the first message stands on a line of its own.
        os.write(self._events, b"\n")
        self.send(Started(os.getpid()))
        threading.Thread(target=self._read, name="requests", daemon=True).start()
        try:
            held = _load()
        except _CannotLoad as error:
            traceback.print_exception(error)
            self.send(Error(str(error), "failed"))
            return 1
        # What is loaded by now stays: collecting garbage need not look at it after every job.
        gc.freeze()
        with self._state:
            self._held = held
            for request, number in self._early:
                self._open_or_close(request, number)
        self.send(_ready())
        self._work(*held)
        shutil.rmtree(self._folder, ignore_errors=True)
        return 0

    def send(self, event: Event, number: int = 0) -> None:
        """One event to the other side; where that is gone, so is this process."""
        line = encode(event, number)
        try:
            with self._sending:
                while line:
                    line = line[os.write(self._events, line) :]
        except OSError:
            vanish(self._folder)

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
            self.send(Error(str(error), "input"), error.number)
            return
        if isinstance(request, Shutdown):
            self._leave()
        elif isinstance(request, Cancel):
            self._cancel(number)
        elif isinstance(request, OpenVolume | CloseVolume):
            self._open_or_close(request, number)
        else:
            self._take(request, number)

    def _take(self, request: Request, number: int) -> None:
        with self._state:
            is_free = self._job is None
            if is_free:
                self._job = Job(request, number, self._folder, lambda event: self.send(event, number))
                self._jobs.put(self._job)
        if not is_free:
            self.send(Error("The worker is busy with another job: wait until that is done, or cancel it.", "failed"), number)

    def _open_or_close(self, request: OpenVolume | CloseVolume, number: int) -> None:
        """At once, whatever runs; before anything is loaded, when it is. A volume in use is closed when its job has ended."""
        with self._state:
            if self._held is None:
                self._early.append((request, number))
                return
            if isinstance(request, CloseVolume) and self._job is not None and request.handle in handles(self._job.request):
                self._job.closes.append((request, number))
                return
            models, volumes = self._held
            answer: Event = Result()
            try:
                if isinstance(request, OpenVolume):
                    volumes.open(request.handle, request.volume)
                else:
                    volumes.close(request.handle)
                    models.embeddings.forget(request.handle)
            except Exception as error:
                answer = _error(error)
        self.send(answer, number)

    def _cancel(self, number: int) -> None:
        with self._state:
            job = self._job
            if job is None or job.number != number:
                return
            job.cancel()
            if not job.started:
                self._end(job, _error(Cancelled()))

    def _end(self, job: Job, answer: Event) -> None:
        with self._state:
            self._job = None
        self.send(answer, job.number)
        for request, number in job.closes:
            self._open_or_close(request, number)

    def _leave(self) -> None:
        with self._state:
            job = self._job
            if job is None and self._held is not None:
                self._jobs.put(None)
                return
        if job is not None and isinstance(job.request, Fetch):
            # Its files lie in the cache folder, and it removes them as soon as it is told to stop.
            job.cancel()
            time.sleep(LAST_CHANCE_S)
        vanish(self._folder)

    def _work(self, models: Models, volumes: Volumes) -> None:
        while True:
            try:
                job = self._jobs.get(timeout=IDLE_S)
            except queue.Empty:
                models.release()
                continue
            if job is None:
                return
            with self._state:
                if self._job is not job:
                    continue
                job.started = True
            answer = _answer(job, models, volumes)
            # Nothing may hold the mapped files any more: on Windows they could not be removed.
            gc.collect()
            if isinstance(answer, Error):
                for path in job.outputs:
                    path.unlink(missing_ok=True)
            self._end(job, answer)


class _CannotLoad(SAMedError):
    """A package is missing or damaged."""


def _load() -> tuple[Models, Volumes]:
    """Import what the jobs import, and nothing that they do not, so that the first one starts at once."""
    try:
        from SAMedCore.service import jobs  # noqa: F401
        from SAMedCore.service.models import Models
        from SAMedCore.service.volumes import Volumes
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise _CannotLoad(
            f'The package "{_broken_package(error)}" cannot be loaded ({reason}): reinstall the packages in SAMed\'s settings.'
        ) from error
    return Models(), Volumes()


def _broken_package(error: Exception) -> str:
    """Which package an import failed in: the missing one, or the last one outside Python's own that was being imported."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        return error.name.partition(".")[0]
    modules = (frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__))
    packages = [module.partition(".")[0] for module in modules]
    return [package for package in packages if package not in sys.stdlib_module_names][-1]


def _ready() -> Ready:
    from SAMedCore.devices import found_devices

    return Ready(os.getpid(), __version__, tuple(Device(*device) for device in found_devices()))


def _answer(job: Job, models: Models, volumes: Volumes) -> Event:
    from SAMedCore.service.jobs import do

    try:
        answer = Result(do(job, models, volumes))
        encode(answer)
        return answer
    except Exception as error:
        if not isinstance(error, SAMedError):
            traceback.print_exception(error)
        if _is_out_of_memory(error):
            models.release()
        return _error(error)


def _error(error: Exception) -> Error:
    if isinstance(error, SAMedError):
        return Error(" ".join(str(error).split()), error.kind)
    if _is_out_of_memory(error):
        return Error("The memory ran out: close other programs, or choose another device or a smaller model.", "failed")
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return Error("The disk is full: free some space and try again.", "failed")
    reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    return Error(f"SAMed failed unexpectedly ({reason}); the log has the details.", "internal")


def _is_out_of_memory(error: Exception) -> bool:
    """Python's own, a GPU's (torch.OutOfMemoryError is a RuntimeError) and that of torch on a CPU or Apple GPU."""
    said = str(error).lower()
    signs = ("out of memory", "can't allocate memory", "not enough memory")
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and any(sign in said for sign in signs))
