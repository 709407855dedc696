"""The near end: requests from stdin to the far worker, its events to stdout, as if it ran here."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Literal

from SAMedCore.address import Address
from SAMedCore.checkpoint.exchange import fetch_model
from SAMedCore.checkpoint.folder import find_folder, read_info
from SAMedCore.demo import sample
from SAMedCore.errors import Cancelled, SAMedError
from SAMedCore.remote.channel import NEAR_PATIENCE_S, PING_S, Channel, ConnectionGone
from SAMedCore.remote.frames import Kind
from SAMedCore.remote.hearing import Hearing
from SAMedCore.remote.open_requests import Asked, OpenRequests
from SAMedCore.remote.places import Places
from SAMedCore.remote.sending import Sender
from SAMedCore.remote.ssh import CannotConnect, Connection
from SAMedCore.service.answers import error_of
from SAMedCore.service.events import Error, Notice, Progress, Result, Started
from SAMedCore.service.messages import Cancel, Describe, EncodeAhead, Fetch, OpenVolume, Shutdown
from SAMedCore.service.process import EventStream
from SAMedCore.service.wire import Lines, ProtocolError, Refused, decode_request, encode
from SAMedCore.work import Event as WorkEvent
from SAMedCore.work import Notice as WorkNotice
from SAMedCore.work import Progress as WorkProgress
from SAMedCore.work import Work

LAST_WORDS_S = 0.1
"""So long the log has to be passed on by a thread of its own."""


class Near:
    """Reads requests in the main thread, brings them there in a second one, and hears the far end in a third.

    Args:
        requests, events: file descriptors to read from and write to.
        folder: the private one, as `service.server.start` has it.
    """

    def __init__(self, address: Address, requests: int, events: int, folder: Path) -> None:
        self._address = address
        self._incoming = requests
        self._folder = folder
        self._events = EventStream(events, folder)
        self._requests = OpenRequests(self._events)
        # A request is sent and marked as sent, or cancelled before that: never something between.
        self._ordering = threading.Lock()
        self._ending = threading.Lock()
        self._connection: Connection | None = None

    def run(self) -> int:
        """Until stdin ends or `Shutdown` comes; returns the exit code. Where the connection is lost the process ends itself."""
        self._events.begin()
        self._requests.tell(Started(os.getpid()))
        threading.Thread(target=self._work, name="work", daemon=True).start()
        lines, goes_on = Lines(), True
        while goes_on and (piece := os.read(self._incoming, 1 << 16)):
            goes_on = all(self._hear(line) for line in lines.feed(piece))
        self._ending.acquire()
        if self._connection is not None:
            self._connection.close()
        shutil.rmtree(self._folder, ignore_errors=True)
        return 0

    def _hear(self, line: bytes) -> bool:
        """Whether it goes on after this line."""
        try:
            request, number = decode_request(line)
        except ProtocolError as error:
            print(error, file=sys.stderr)
            self._requests.tell(Error("The worker was sent a line that is no request; the log says more."))
            return True
        except Refused as error:
            self._requests.tell(Error(str(error), "input"), error.number)
            return True
        if isinstance(request, Cancel):
            self._cancel(number)
        elif not isinstance(request, Shutdown):
            self._requests.add(request, number)
        return not isinstance(request, Shutdown)

    def _cancel(self, number: int) -> None:
        with self._ordering:
            asked = self._requests.of(number)
            if asked is None:
                return
            if asked.is_sent:
                with contextlib.suppress(ConnectionGone):  # the thread that hears the far end tells
                    self._channel.send(Kind.LINE, 0, encode(Cancel(), number))
                return
            asked.is_cancelled = True
        # Whoever brings it there hears of it.
        if self._requests.withdraw(asked):
            self._requests.answer(asked, error_of(Cancelled()))

    def _work(self) -> None:
        """The second thread."""
        try:
            self._connection = Connection(self._address)
            facts = self._connection.greet()
            folder, cache = str(facts["folder"]), str(facts["cache"])
        except CannotConnect as error:
            self._end(str(error), "failed")
            return
        except KeyError as error:
            self._end(f"{self._address.host} answers with something else than SAMed (no {error}): see the log.", "failed")
            return
        sender = Sender(self._channel, self._address.host)
        places = Places(sender, folder, cache, self._address.device)
        hearing = Hearing(self._connection, self._requests, sender, self._folder, self._end)
        threading.Thread(target=hearing.run, name="hearing", daemon=True).start()
        threading.Thread(target=self._keep_alive, args=(sender,), name="alive", daemon=True).start()
        with contextlib.suppress(ConnectionGone):  # likewise
            while True:
                self._bring(self._requests.next(), places)
                sender.remove(self._requests.thrown_away())

    @property
    def _channel(self) -> Channel:
        assert self._connection is not None
        return self._connection.channel

    def _bring(self, asked: Asked, places: Places) -> None:
        """Have the request answered, here or there. Raises ConnectionGone."""
        try:
            here = self._answered_here(asked)
            if here is not None:
                self._requests.answer(asked, here)
                return
            moved = places.moved(asked.request, asked.trip)
            with self._ordering:
                if asked.is_cancelled:
                    raise Cancelled
                asked.is_sent = True
                if isinstance(moved, OpenVolume):
                    self._requests.volume_sent(moved.handle, moved.volume.path)
                self._channel.send(Kind.LINE, 0, encode(moved, asked.number))
        except ConnectionGone:
            raise
        except Exception as error:
            if not isinstance(error, SAMedError):
                traceback.print_exception(error)
            # What is only meant to save time later goes wrong without a word.
            self._requests.answer(asked, Result() if isinstance(asked.request, EncodeAhead) else error_of(error))

    def _answered_here(self, asked: Asked) -> Result | None:
        """The answer to what is about this computer's own files and needs no network."""
        request = asked.request
        if isinstance(request, Fetch):
            work = Work(lambda event: self._tell(asked, event), lambda: asked.is_cancelled)
            work.step("fetching", 0, 0)
            is_sample = request.name == sample.NAME
            return Result({"path": str(sample.fetch_sample_files(work)[0] if is_sample else fetch_model(request.name, work))})
        if isinstance(request, Describe) and not Path(request.checkpoint).is_file():
            return Result({"info": read_info(find_folder(request.checkpoint)).to_json()})
        return None

    def _tell(self, asked: Asked, event: WorkEvent) -> None:
        if isinstance(event, WorkNotice):
            self._requests.tell(Notice(event.message), asked.number)
        elif isinstance(event, WorkProgress) and asked.pace.is_due():
            asked.pace.restart()
            self._requests.tell(Progress(event.phase, event.done, event.total), asked.number)

    def _keep_alive(self, sender: Sender) -> None:
        """Be heard there, and end a connection over which nothing is heard."""
        with contextlib.suppress(ConnectionGone):
            while time.monotonic() - self._channel.heard < NEAR_PATIENCE_S:
                self._channel.call("ping")
                sender.remove(self._requests.thrown_away())
                time.sleep(PING_S)
            print(f"Nothing was heard from {self._address.host} for {NEAR_PATIENCE_S:g} s.", file=sys.stderr)
        if self._connection is not None:
            self._connection.process.kill()

    def _end(self, sentence: str, kind: Literal["failed", "lost"]) -> None:
        """There is no connection (any more): all are told, and this process ends. The private folder stays, with the log."""
        if not self._ending.acquire(blocking=False):
            return  # it is leaving already
        if self._connection is not None:
            self._connection.close()
        self._requests.end(sentence, kind)
        print(sentence, file=sys.stderr, flush=True)
        time.sleep(LAST_WORDS_S)
        os._exit(1)
