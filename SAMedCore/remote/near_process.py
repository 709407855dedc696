"""The near end as a process, asked for one thing after the other."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, cast

import SAMedCore
from SAMedCore.address import Address
from SAMedCore.errors import Cancelled, InputError, SAMedError
from SAMedCore.service import messages
from SAMedCore.service.events import Error, Event, Metrics, Notice, Progress, Result, Slices
from SAMedCore.service.process import LOG_FILE
from SAMedCore.service.wire import Lines, ProtocolError, decode_event, encode
from SAMedCore.work import SILENT, FinishedSlices, TrainingProgress, Work
from SAMedCore.work import Progress as WorkProgress

POLL_S = 0.1
CANCEL_S = 20.0
"""So long a cancelled job may take to end there, and a checkpoint so far to come back."""

LOG_BYTES = 4000


class ConnectionLost(SAMedError):
    """The connection broke in the middle; asked again, it is made anew."""


class NearProcess:
    """Started by the first thing that is asked, and again after the connection broke.

    Attributes:
        address: of the other computer.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self._process: subprocess.Popen[bytes] | None = None
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        self._events: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._numbers = 0
        self._is_over = False

    @property
    def is_running(self) -> bool:
        """Whether there is a connection, as far as is known."""
        return self._process is not None

    @property
    def folder(self) -> Path:
        """The private one, for voxels."""
        self._started()
        assert self._scratch is not None
        return Path(self._scratch.name) / "private"

    def ask(self, request: messages.Request, work: Work = SILENT) -> dict[str, Any]:
        """The values of the request's result.

        Raises:
            InputError, Cancelled, SAMedError: as the worker says; the log's end is their cause.
            ConnectionLost: asked again, it may well work.
        """
        self._numbers += 1
        number, deadline = self._numbers, None
        self._send(request, number)
        while True:
            try:
                if deadline is None and work.is_cancelled():
                    raise KeyboardInterrupt
                event = self._next(number, POLL_S)
            except KeyboardInterrupt:
                if deadline is not None:
                    raise
                self._send(messages.Cancel(), number)
                deadline = time.monotonic() + CANCEL_S
                continue
            if deadline is not None and time.monotonic() > deadline and event is None:
                self.close()
                raise Cancelled
            if isinstance(event, Error):
                self._fail(event)
            if isinstance(event, Result):
                return event.values
            if event is not None:
                _tell(work, event)

    def close(self) -> None:
        """End the connection, and what was asked over it."""
        if self._process is not None and self._scratch is not None:
            assert self._process.stdin is not None
            with contextlib.suppress(OSError):
                self._process.stdin.close()
            self._process.wait()
            self._scratch.cleanup()
        self._process = self._scratch = None
        self._is_over = False

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._scratch = tempfile.TemporaryDirectory(prefix="samed-near-", ignore_cleanup_errors=True)
            self._events = queue.SimpleQueue()
            paths = [str(Path(SAMedCore.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
            command = [sys.executable, "-m", "SAMedCore.remote", str(self.address)]
            # In a group of its own: Ctrl-C is for this process, which then cancels.
            group = {} if os.name == "nt" else {"process_group": 0}
            self._process = subprocess.Popen(
                [*command, "--folder", str(Path(self._scratch.name) / "private")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
                bufsize=0,
                **group,  # type: ignore[call-overload]
            )
            threading.Thread(target=_read, args=(self._process, self._events), daemon=True).start()
        return self._process

    def _send(self, request: messages.Request, number: int) -> None:
        process = self._started()
        assert process.stdin is not None
        with contextlib.suppress(OSError):  # why it has ended, its last event says
            process.stdin.write(encode(request, number))

    def _next(self, number: int, timeout_s: float) -> Event | None:
        """The next event of the request, or of the worker itself where it has failed; None where none comes in time."""
        try:
            line = self._events.get(timeout=timeout_s)
        except queue.Empty:
            return None
        if line is None:
            self._is_over = True
            return Error(f"The connection to {self.address.host} broke.", "lost")
        try:
            event, of_request = decode_event(line)
        except ProtocolError:
            return None
        if of_request == 0 and isinstance(event, Error):
            self._is_over = True
            return event
        return event if of_request == number else None

    def _fail(self, error: Error) -> None:
        kinds = {"input": InputError, "cancelled": Cancelled, "lost": ConnectionLost}
        log = SAMedError(f"the log's end:\n{self._log()}")
        if self._is_over:
            self.close()
        raise kinds.get(error.kind, SAMedError)(error.message) from log

    def _log(self) -> str:
        try:
            return (self.folder / LOG_FILE).read_text("utf-8", "replace")[-LOG_BYTES:]
        except OSError:
            return ""


def _read(process: subprocess.Popen[bytes], events: queue.SimpleQueue[bytes | None]) -> None:
    assert process.stdout is not None
    lines = Lines()
    while piece := process.stdout.read(1 << 16):
        for line in lines.feed(piece):
            events.put(line)
    events.put(None)


def _tell(work: Work, event: Event) -> None:
    """An event of the worker to whoever is told by the library."""
    if isinstance(event, Progress) and event.phase != "training":
        work.tell(WorkProgress(event.phase, event.done, event.total))
    elif isinstance(event, Metrics):
        # What of a step's progress travels, under the same names.
        work.tell(cast(TrainingProgress, event))
    elif isinstance(event, Notice):
        work.note(event.message)
    elif isinstance(event, Slices):
        k, j, i = (slice(*each) for each in event.box)
        work.tell(FinishedSlices((k, j, i)))
