"""The far end once all is imported: the real worker as its child, files for it, and what it fills on the way back."""

from __future__ import annotations

import contextlib
import hashlib
import os
import select
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from SAMedCore.checkpoint.fetch import cache_folder
from SAMedCore.remote.channel import FAR_PATIENCE_S, Channel, ConnectionGone
from SAMedCore.remote.frames import Frame, Frames, Kind, greeting
from SAMedCore.remote.packing import unpack
from SAMedCore.remote.returning import Returning
from SAMedCore.service.process import GRACE_S, LOG_FILE, is_alive
from SAMedCore.service.wire import Lines

WORKER = ("-m", "SAMedCore.service")
PREFIX = "samed-far-"
ABANDONED_S = 24 * 3600
"""After which a file that has come in part counts as given up."""

LAST_BYTES = 4096
"""Of the worker's log, in which its last words are looked for."""


def serve(incoming: int, outgoing: int, facts: Mapping[str, Any]) -> int:
    """Be the far end until the near one has gone; returns the exit code.

    Args:
        incoming, outgoing: file descriptors.
        facts: to greet with.
    """
    remove_abandoned()
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
    try:
        free = shutil.disk_usage(folder).free
        os.write(outgoing, greeting({**facts, "folder": str(folder), "cache": str(cache_folder()), "free_bytes": free}))
        FarEnd(incoming, outgoing, folder).run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def remove_abandoned() -> None:
    """Private folders whose far end was killed together with its worker."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError, ValueError):
            if folder.stat().st_uid == os.getuid() and not is_alive(int(folder.name.split("-")[2])):
                shutil.rmtree(folder, ignore_errors=True)


class FarEnd:
    """Reads frames in the main thread, the worker's events in another one."""

    def __init__(self, incoming: int, outgoing: int, folder: Path) -> None:
        self._incoming = incoming
        self._channel = Channel(incoming, outgoing)
        self._folder = folder
        self._files: dict[int, _Arriving] = {}
        self._is_leaving = False
        # It removes its private folder, where what is sent here lies, when its stdin ends: also if this process is killed.
        command = [sys.executable, *WORKER, "--folder", str(folder)]
        self._worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder, bufsize=0)

    def run(self) -> None:
        """Until the near end has gone or is silent for too long, or the worker has ended."""
        events = threading.Thread(target=self._pass_events_on, name="events", daemon=True)
        events.start()
        frames = Frames()
        try:
            while piece := self._next_piece():
                for frame in frames.feed(piece):
                    self._hear(frame)
        except ConnectionGone:
            pass
        finally:
            self._is_leaving = True
            for arriving in self._files.values():
                arriving.drop()
            self._end_worker()

    def _next_piece(self) -> bytes:
        readable, _, _ = select.select([self._incoming], [], [], FAR_PATIENCE_S)
        return os.read(self._incoming, 1 << 16) if readable else b""

    def _end_worker(self) -> None:
        assert self._worker.stdin is not None
        self._worker.stdin.close()
        try:
            self._worker.wait(3 * GRACE_S)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._worker.pid, 9)
            self._worker.kill()
            self._worker.wait()

    def _hear(self, frame: Frame) -> None:
        if frame.kind == Kind.LINE:
            assert self._worker.stdin is not None
            with contextlib.suppress(BrokenPipeError):  # that it has ended is told by the thread that reads its events
                self._worker.stdin.write(frame.payload)
        elif frame.kind == Kind.DATA:
            if frame.number in self._files:
                self._files[frame.number].add(unpack(frame.payload))
                self._report(frame.number)
            self._channel.send(Kind.TAKEN, frame.number)
        elif frame.kind == Kind.CALL:
            self._do(frame.number, frame.call)

    def _do(self, number: int, call: dict[str, Any]) -> None:
        match call["op"]:
            case "ping":
                self._channel.call("pong", number)
            case "missing":
                self._channel.call("answer", number, paths=[path for path in call["paths"] if not os.path.lexists(path)])
            case "folder":
                self._channel.call("answer", number, error=_made(Path(call["path"])))
            case "remove":
                for path in map(Path, call["paths"]):
                    shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
            case "file":
                self._files[number] = _Arriving(Path(call["path"]), call["sha256"])
                self._report(number)
            case "drop":
                self._files.pop(number).drop()
            case "end":
                arriving = self._files.pop(number)
                if not arriving.is_reported:
                    arriving.finish()
                    self._channel.call("answer", number, error=arriving.error)

    def _report(self, number: int) -> None:
        """That a file cannot be taken is told at once."""
        arriving = self._files[number]
        if arriving.error and not arriving.is_reported:
            arriving.is_reported = True
            self._channel.call("answer", number, error=arriving.error)

    def _pass_events_on(self) -> None:
        assert self._worker.stdout is not None
        returning, lines = Returning(self._channel), Lines()
        with contextlib.suppress(ConnectionGone):
            while piece := self._worker.stdout.read(1 << 16):
                for line in lines.feed(piece):
                    returning.pass_on(line)
            if not self._is_leaving:
                self._channel.call("worker ended", code=self._worker.wait(), words=self._last_words())

    def _last_words(self) -> str:
        try:
            with (self._folder / LOG_FILE).open("rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - LAST_BYTES))
                lines = file.read().decode("utf-8", "replace").splitlines()
        except OSError:
            return ""
        return next((line for line in reversed(lines) if line.strip()), "")


class _Arriving:
    """A file that is being sent here; whole at its place in the end, or not at all.

    Attributes:
        error: why it cannot be taken; "" where it can.
        is_reported: whether the near end knows.
    """

    def __init__(self, path: Path, sha256: str) -> None:
        self.error = ""
        self.is_reported = False
        self._path = path
        self._expected = sha256
        self._hash = hashlib.sha256()
        self._file: Any = None
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            for abandoned in path.parent.glob(f".{path.name}.*"):
                if time.time() - abandoned.stat().st_mtime > ABANDONED_S:
                    abandoned.unlink(missing_ok=True)
            self._partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
            self._file = os.fdopen(os.open(self._partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        except OSError as error:
            self._fail(error)

    def add(self, piece: bytes) -> None:
        if self.error:
            return
        self._hash.update(piece)
        try:
            self._file.write(piece)
        except OSError as error:
            self._fail(error)

    def finish(self) -> None:
        """Put it into its place; `error` says so where that fails."""
        if self.error:
            return
        try:
            self._file.close()
            if self._expected and self._hash.hexdigest() != self._expected:
                raise OSError("it arrived damaged, or was changed meanwhile")
            self._partial.replace(self._path)
        except OSError as error:
            self._fail(error)

    def drop(self) -> None:
        """Leave nothing of it."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
            self._partial.unlink(missing_ok=True)

    def _fail(self, error: OSError) -> None:
        self.error = error.strerror or str(error)
        self.drop()


def _made(folder: Path) -> str:
    """Why the folder cannot be made; "" where it is there."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        return error.strerror or str(error)
    return ""
