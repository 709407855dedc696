"""The near end: requests from stdin to the far worker, its events to stdout, as if it ran here."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
import traceback
from collections import deque
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from SAMedCore.checkpoint.exchange import fetch_model
from SAMedCore.checkpoint.folder import find_folder, read_info
from SAMedCore.demo import sample
from SAMedCore.errors import Cancelled, InputError, SAMedError
from SAMedCore.remote.address import Address
from SAMedCore.remote.channel import NEAR_PATIENCE_S, PING_S, ConnectionGone
from SAMedCore.remote.frames import BrokenStream, Frame, Kind
from SAMedCore.remote.places import Places, Trip
from SAMedCore.remote.receiving import Receiver
from SAMedCore.remote.sending import Sender
from SAMedCore.remote.ssh import CannotConnect, Connection
from SAMedCore.service.answers import error_of
from SAMedCore.service.events import Error, Event, Notice, Progress, Ready, Result, Slices, Started
from SAMedCore.service.job import Pace
from SAMedCore.service.messages import Cancel, CloseVolume, Describe, EncodeAhead, Fetch, OpenVolume, Request, Shutdown
from SAMedCore.service.process import vanish
from SAMedCore.service.wire import Lines, ProtocolError, Refused, decode_event, decode_request, encode
from SAMedCore.work import Event as WorkEvent
from SAMedCore.work import Notice as WorkNotice
from SAMedCore.work import Progress as WorkProgress
from SAMedCore.work import Work


AtOnce = OpenVolume | CloseVolume | EncodeAhead
"""What the worker answers without telling how far it is."""


@dataclass
class Asked:
    """A request that has not been answered.

    Attributes:
        is_sent: whether the far worker has it.
        is_cancelled: whether it is to be stopped before that.
    """

    request: Request
    number: int
    trip: Trip
    is_sent: bool = False
    is_cancelled: bool = False
    outputs: set[Path] = field(default_factory=set)
    pace: Pace = field(default_factory=Pace)


class Near:
    """Reads requests in the main thread, brings them there in a second one, and hears the far end in a third.

    Args:
        requests, events: file descriptors to read from and write to.
        folder: the private one, as `service.server.start` has it.
    """

    def __init__(self, address: Address, requests: int, events: int, folder: Path) -> None:
        self._address = address
        self._requests = requests
        self._events = events
        self._folder = folder
        self._state = threading.Condition()
        self._queue: deque[Asked] = deque()
        self._asked: dict[int, Asked] = {}
        self._volumes: dict[str, str] = {}
        self._gone: list[str] = []
        self._telling = threading.Lock()
        self._ordering = threading.Lock()
        self._is_leaving = False
        self._connection: Connection | None = None

    def run(self) -> int:
        """Until stdin ends or `Shutdown` comes; returns the exit code. Where the connection is lost the process ends itself."""
        os.write(self._events, b"\n")
        self._tell(Started(os.getpid()))
        threading.Thread(target=self._work, name="work", daemon=True).start()
        lines = Lines()
        while not self._is_leaving and (piece := os.read(self._requests, 1 << 16)):
            for line in lines.feed(piece):
                self._hear(line)
        self._is_leaving = True
        if self._connection is not None:
            self._connection.close()
        shutil.rmtree(self._folder, ignore_errors=True)
        return 0

    def _tell(self, event: Event, number: int = 0) -> None:
        """To whoever started this; where that is gone, so is this process."""
        line = encode(event, number)
        try:
            with self._telling:
                while line:
                    line = line[os.write(self._events, line) :]
        except OSError:
            vanish(self._folder)

    # From here on: the main thread, which never waits for the far end but to cancel.

    def _hear(self, line: bytes) -> None:
        try:
            request, number = decode_request(line)
        except ProtocolError as error:
            print(error, file=sys.stderr)
            self._tell(Error("The worker was sent a line that is no request; the log says more."))
            return
        except Refused as error:
            self._tell(Error(str(error), "input"), error.number)
            return
        if isinstance(request, Shutdown):
            self._is_leaving = True
        elif isinstance(request, Cancel):
            self._cancel(number)
        else:
            asked = Asked(request, number, Trip(lambda done, size: self._sending(asked, done, size)))
            with self._state:
                self._asked[number] = asked
                self._queue.append(asked)
                self._state.notify()

    def _cancel(self, number: int) -> None:
        with self._ordering:
            asked = self._asked.get(number)
            if asked is None:
                return
            if asked.is_sent:
                try:
                    self._link.channel.send(Kind.LINE, 0, encode(Cancel(), number))
                except ConnectionGone:
                    pass  # the thread that hears the far end tells
                return
            asked.is_cancelled = True
        with self._state:
            if asked not in self._queue:
                return  # whoever brings it there hears of it
            self._queue.remove(asked)
        self._answer(asked, error_of(Cancelled()))

    # The second thread.

    def _work(self) -> None:
        try:
            self._connection = Connection(self._address)
            facts = self._connection.greet()
        except CannotConnect as error:
            self._end(str(error), "failed")
        self._sender = Sender(self._link.channel, self._address.host)
        self._receiver = Receiver(self._folder)
        self._places = Places(self._sender, facts["folder"], facts["cache"], self._address.device)
        for task in (self._receive, self._keep_alive):
            threading.Thread(target=task, name=task.__name__, daemon=True).start()
        while True:
            with self._state:
                self._state.wait_for(lambda: self._queue)
                asked = self._queue.popleft()
            try:
                self._tidy()
                self._bring(asked)
            except ConnectionGone:
                return  # likewise

    @property
    def _link(self) -> Connection:
        assert self._connection is not None
        return self._connection

    def _bring(self, asked: Asked) -> None:
        """Have the request answered, here or there. Raises ConnectionGone."""
        try:
            here = self._answered_here(asked)
            if here is not None:
                self._answer(asked, here)
                return
            moved = self._places.moved(asked.request, asked.trip)
            with self._ordering:
                if asked.is_cancelled:
                    raise Cancelled
                asked.is_sent = True
                if isinstance(moved, OpenVolume):
                    self._volumes[moved.handle] = moved.volume.path
                self._link.channel.send(Kind.LINE, 0, encode(moved, asked.number))
        except ConnectionGone:
            raise
        except Exception as error:
            if not isinstance(error, SAMedError):
                traceback.print_exception(error)
            # What is only meant to save time later goes wrong without a word.
            self._answer(asked, Result() if isinstance(asked.request, EncodeAhead) else error_of(error))

    def _answered_here(self, asked: Asked) -> Result | None:
        """The answer to what is about this computer's own files and needs no network."""
        request = asked.request
        if isinstance(request, Fetch):
            work = Work(lambda event: self._tell_work(asked, event), lambda: asked.is_cancelled)
            work.step("fetching", 0, 0)
            is_sample = request.name == sample.NAME
            return Result({"path": str(sample.fetch_sample_files(work)[0] if is_sample else fetch_model(request.name, work))})
        if isinstance(request, Describe) and not Path(request.checkpoint).is_file():
            return Result({"info": read_info(find_folder(request.checkpoint)).to_json()})
        return None

    def _tell_work(self, asked: Asked, event: WorkEvent) -> None:
        if isinstance(event, WorkNotice):
            self._tell(Notice(event.message), asked.number)
        elif isinstance(event, WorkProgress) and asked.pace.is_due():
            asked.pace.restart()
            self._tell(Progress(event.phase, event.done, event.total), asked.number)

    def _sending(self, asked: Asked, done: int, size: int) -> None:
        """How far a file is; told to all who wait for it, and expect to hear how far they are."""
        if asked.is_cancelled:
            raise Cancelled
        if asked.pace.is_due() or done == size:
            asked.pace.restart()
            with self._state:
                waiting = [asked, *self._queue]
            for each in waiting:
                if not isinstance(each.request, AtOnce):
                    self._tell(Progress("sending", done, size), each.number)

    # The third thread.

    def _receive(self) -> None:
        try:
            for frame in self._link.frames():
                self._take(frame)
        except (BrokenStream, ProtocolError) as error:
            print(f"The far end cannot be understood: {error}", file=sys.stderr)
        except ConnectionGone:
            pass
        if self._is_leaving:
            return
        host = self._address.host
        self._end(f"The connection to {host} was lost: check the network, then try again; it is connected anew by itself.", "lost")

    def _keep_alive(self) -> None:
        while True:
            time.sleep(PING_S)
            if time.monotonic() - self._link.channel.heard > NEAR_PATIENCE_S:
                print(f"Nothing was heard for {NEAR_PATIENCE_S:g} s.", file=sys.stderr)
                self._link.process.kill()
                return
            try:
                self._link.channel.call("ping")
                self._tidy()
            except ConnectionGone:
                return

    def _take(self, frame: Frame) -> None:
        if frame.kind == Kind.LINE:
            self._event(*decode_event(frame.payload))
        elif frame.kind == Kind.DATA:
            self._receiver.data(frame.number, frame.payload)
        elif frame.kind == Kind.TAKEN:
            self._sender.window.taken()
        else:
            self._called(frame.number, frame.call)

    def _called(self, number: int, call: dict[str, Any]) -> None:
        if call["op"] == "answer":
            self._sender.answered(number, call)
        elif call["op"] in ("box", "file"):
            self._receiver.begin(number, call)
        elif call["op"] == "worker ended":
            words = call.get("words") or "it left no message"
            self._end(
                f"The worker on {self._address.host} ended unexpectedly (exit code {call.get('code')}; {words}). Most often memory "
                "ran out there: close other programs or choose another device. Try again; a new worker starts by itself.",
                "failed",
            )

    def _event(self, event: Event, number: int) -> None:
        if isinstance(event, Started):
            return
        if isinstance(event, Ready):
            event = replace(event, pid=os.getpid())
        asked = self._asked.get(number)
        if isinstance(event, Error):
            event = self._of_here(event, asked)
        if asked is None:
            self._tell(event, number)
            return
        if isinstance(event, Slices):
            path = self._folder / Path(event.labelmap).name
            asked.outputs.add(path)
            if number not in self._receiver.failures:
                self._tell(replace(event, labelmap=str(path)), number)
        elif isinstance(event, Result):
            self._answer(asked, self._brought(asked, event))
        elif isinstance(event, Error):
            self._answer(asked, event)
        else:
            self._tell(event, number)

    def _of_here(self, event: Error, asked: Asked | None) -> Error:
        """What went wrong there, with the names of here and the place."""
        if event.kind == "cancelled":
            return event
        words = event.message if asked is None else asked.trip.in_words_of_here(event.message)
        return replace(event, message=f"{self._address.host}: {words}")

    def _brought(self, asked: Asked, result: Result) -> Result | Error:
        """The result with its files here, or why they are not."""
        failure = self._receiver.failures.pop(asked.number, None)
        if failure is not None:
            return error_of(failure)
        values = dict(result.values)
        for name, value in values.items():
            if isinstance(value, dict) and isinstance(value.get("path"), str):
                path = self._folder / Path(value["path"]).name
                asked.outputs.add(path)
                values[name] = {**value, "path": str(path)}
        if asked.trip.out is not None:
            there, here = asked.trip.out
            try:
                self._receiver.place(asked.number, here)
            except (InputError, OSError) as error:
                return error_of(error)
            values["checkpoint"] = str(here)
            if not values.get("cancelled"):
                with self._state:
                    self._gone.append(there)
        return Result(values)

    # Any thread.

    def _answer(self, asked: Asked, answer: Result | Error) -> None:
        """The last that is told of a request; what it needs no more goes."""
        with self._state:
            if self._asked.pop(asked.number, None) is None:
                return
        if isinstance(answer, Error):
            for path in asked.outputs:
                path.unlink(missing_ok=True)
        gone, request = list(asked.trip.inputs), asked.request
        if isinstance(request, CloseVolume) == isinstance(answer, Result) and isinstance(request, OpenVolume | CloseVolume):
            # closed, or not opened
            gone += [self._volumes.pop(request.handle)] if request.handle in self._volumes else []
        self._tell(answer, asked.number)
        with self._state:
            self._gone += gone

    def _tidy(self) -> None:
        """Have what is of no use any more removed there. Not by the thread that hears the far end, which must never wait for it.

        Raises:
            ConnectionGone.
        """
        with self._state:
            gone, self._gone = self._gone, []
        self._sender.remove(gone)

    def _end(self, sentence: str, kind: Any) -> None:
        """The connection is gone: everybody is told, and this process ends. The private folder stays, with the log."""
        if self._connection is not None:
            self._connection.close()
        with self._state:
            asked, self._asked = list(self._asked.values()), {}
        for each in asked:
            for path in each.outputs:
                path.unlink(missing_ok=True)
            self._tell(Error(sentence, kind), each.number)
        self._tell(Error(sentence, kind))
        print(sentence, file=sys.stderr, flush=True)
        time.sleep(0.1)  # the log is passed on by a thread
        os._exit(1)
