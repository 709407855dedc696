"""The worker as a process: the group that it leads, its log, and how it goes without leaving anything behind."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

LOG_FILE = "worker.log"
PAUSE_S = 0.05
GUARD_MSEC = 100
GRACE_S = 1.0
"""So long the worker has to leave by itself when stdin ends, before its guard kills it."""

LONGEST_SOCKET_FOLDER = 70
"""Bytes. multiprocessing puts Unix sockets, whose names are at most 107 bytes long, into the folder for temporary files."""


def take_streams() -> tuple[int, int]:
    """Descriptors of stdin and stdout for this process alone.

    Whatever a library prints or a C function writes to stdout ends in the log, and nothing that is started reads stdin.
    """
    incoming, outgoing = os.dup(0), os.dup(1)
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return incoming, outgoing


def lead_group() -> None:
    """Make this process the leader of its own process group, so that it can be ended with its children."""
    if hasattr(os, "setpgid") and os.getpgrp() != os.getpid():
        os.setpgid(0, 0)


def keep_temporary_files_in(folder: Path) -> None:
    """What libraries leave in temporary files goes with the folder."""
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(folder / "torch"))
    if len(os.fsencode(folder)) <= LONGEST_SOCKET_FOLDER:
        os.environ.update(TMPDIR=str(folder), TEMP=str(folder), TMP=str(folder))


class Log:
    """Everything written to stdout and stderr, in a file of the private folder and from there on to the real stderr.

    Nobody may be reading stderr: a thread of its own waits there, while whoever logs writes to a file and never waits.
    """

    def __init__(self, folder: Path) -> None:
        self._stderr = os.dup(2)
        path = folder / LOG_FILE
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(file, 1)
        os.dup2(file, 2)
        os.close(file)
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)  # type: ignore[union-attr]
        self._path = path
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._pass_on, name="log", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Pass on what is there, unless nobody takes it."""
        self._closing.set()
        self._thread.join(timeout=GRACE_S / 2)

    def _pass_on(self) -> None:
        with contextlib.suppress(OSError), self._path.open("rb", buffering=0) as file:
            while True:
                closing = self._closing.is_set()
                piece = file.read(65536)
                while piece:
                    piece = piece[os.write(self._stderr, piece) :] or file.read(65536)
                if closing:
                    return
                time.sleep(PAUSE_S)


def start_guard(requests: int, events: int, folder: Path | None) -> None:
    """Fork a small process that ends this one's group and removes the folder, if it has one, once stdin has ended.

    The thread that reads stdin does so too, but waits while another thread keeps the interpreter to itself, for example
    loading a library. If this process dies first, its guard ends its children; the folder is then the other side's.
    On Windows there is no such thing: there the other side ends the process tree.
    """
    if not hasattr(os, "fork"):
        return
    worker = os.getpid()
    if os.fork():
        return
    try:
        os.setsid()
        os.close(events)
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nothing, descriptor)
        _guard(worker, requests, folder)
    finally:
        os._exit(0)


def vanish(folder: Path) -> None:
    """End this process and its children at once and leave no file."""
    shutil.rmtree(folder, ignore_errors=True)
    if sys.platform == "win32":
        # Without the flag a console window flashes up over Slicer.
        command = ["taskkill", "/T", "/F", "/PID", str(os.getpid())]
        nowhere = subprocess.DEVNULL
        subprocess.Popen(command, stdout=nowhere, stderr=nowhere, creationflags=subprocess.CREATE_NO_WINDOW)
    else:
        os.killpg(os.getpgrp(), signal.SIGKILL)


def is_alive(pid: int) -> bool:
    """Whether a process of this number runs."""
    if sys.platform == "win32":
        import ctypes

        synchronize = 0x00100000
        handle = ctypes.windll.kernel32.OpenProcess(synchronize, False, pid)
        if handle:
            ctypes.windll.kernel32.CloseHandle(handle)
        return bool(handle)
    with contextlib.suppress(PermissionError):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
    return True


class EventStream:
    """Where the other side listens; used by all threads. Where it is gone, so is this process.

    Args:
        events: the file descriptor.
        folder: the private one.
    """

    def __init__(self, events: int, folder: Path) -> None:
        self._events = events
        self._folder = folder
        self._writing = threading.Lock()

    def begin(self) -> None:
        """Whatever the interpreter's own start printed, the first message stands on a line of its own."""
        self.write(b"\n")

    def write(self, line: bytes) -> None:
        """A line, whole, in one piece with no other."""
        try:
            with self._writing:
                while line:
                    line = line[os.write(self._events, line) :]
        except OSError:
            vanish(self._folder)


def _guard(worker: int, requests: int, folder: Path | None) -> None:
    import select

    poller = select.poll()
    poller.register(requests, 0)  # no event but the hang-up, so that nothing is read
    while os.getppid() == worker and not poller.poll(GUARD_MSEC):
        pass
    hung_up = os.getppid() == worker
    patience = time.monotonic() + GRACE_S
    while os.getppid() == worker and time.monotonic() < patience:
        time.sleep(PAUSE_S)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(worker, signal.SIGKILL)
    while os.getppid() == worker:
        time.sleep(PAUSE_S)
    if hung_up and folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
