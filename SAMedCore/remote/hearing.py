"""What comes from the far end, as if it came from a worker here."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from SAMedCore.errors import InputError
from SAMedCore.remote.frames import BrokenStream, Frame, Kind
from SAMedCore.remote.open_requests import Asked, OpenRequests
from SAMedCore.remote.receiving import Receiver, plain_name
from SAMedCore.remote.sending import Sender
from SAMedCore.remote.ssh import Connection
from SAMedCore.service.answers import error_of
from SAMedCore.service.events import Error, Event, Ready, Result, Slices, Started
from SAMedCore.service.wire import ProtocolError, decode_event

EndWith = Callable[[str, Literal["failed", "lost"]], None]


class Hearing:
    """A thread of its own, which never waits for the far end to take something.

    Args:
        folder: the private one.
        end: called with a sentence once nothing more will come.
    """

    def __init__(self, connection: Connection, requests: OpenRequests, sender: Sender, folder: Path, end: EndWith) -> None:
        self._connection = connection
        self._requests = requests
        self._sender = sender
        self._receiver = Receiver(folder)
        self._folder = folder
        self._host = connection.address.host
        self._end = end
        self._complaint = ""  # why the worker there cannot start

    def run(self) -> None:
        """Until the connection ends."""
        try:
            for frame in self._connection.frames():
                self._take(frame)
        except Exception as error:
            # Whatever is wrong with what comes, whoever asked is to hear of it.
            if not isinstance(error, BrokenStream | ProtocolError):
                traceback.print_exception(error)
            print(f"The far end cannot be understood: {error}", file=sys.stderr)
        self._sender.close()
        self._end(
            f"The connection to {self._host} was lost: check the network, then try again; it is made anew by itself.", "lost"
        )

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
        match call["op"]:
            case "answer":
                self._sender.answered(number, call)
            case "box" | "file":
                self._receiver.begin(number, call)
            case "worker ended":
                words = call.get("words") or "it left no message"
                if self._complaint:
                    self._end(self._complaint, "failed")
                self._end(
                    f"The worker on {self._host} ended unexpectedly (exit code {call.get('code')}; {words}). Most often memory "
                    "ran out there: close other programs or choose another device. Try again; a new worker starts by itself.",
                    "failed",
                )

    def _event(self, event: Event, number: int) -> None:
        if isinstance(event, Started):
            return
        if isinstance(event, Ready):
            # By this number the process that speaks is ended.
            event = replace(event, pid=os.getpid())
            self._complaint = ""
        asked = self._requests.of(number)
        if isinstance(event, Error):
            event = self._of_here(event, asked)
            self._complaint = event.message if number == 0 else ""
        if asked is None:
            self._requests.tell(event, number)
        elif isinstance(event, Slices):
            path = self._folder / plain_name(event.labelmap)
            asked.outputs.add(path)
            if number not in self._receiver.failures:
                self._requests.tell(replace(event, labelmap=str(path)), number)
        elif isinstance(event, Result):
            self._requests.answer(asked, self._brought(asked, event))
        elif isinstance(event, Error):
            self._requests.answer(asked, event)
        else:
            self._requests.tell(event, number)

    def _of_here(self, event: Error, asked: Asked | None) -> Error:
        """What went wrong there, with the names of here and the place."""
        if event.kind == "cancelled":
            return event
        words = event.message if asked is None else asked.trip.in_words_of_here(event.message)
        return replace(event, message=f"{self._host}: {words}")

    def _brought(self, asked: Asked, result: Result) -> Result | Error:
        """The result with its files here, or why they are not."""
        failure = self._receiver.failures.pop(asked.number, None)
        if failure is not None:
            return error_of(failure)
        values = dict(result.values)
        for name, value in values.items():
            if isinstance(value, dict) and isinstance(value.get("path"), str):
                path = self._folder / plain_name(value["path"])
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
                self._requests.throw_away(there)
        return Result(values)
