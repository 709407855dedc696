"""The worker from the other side of its pipes, as the panel has it."""

import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from SAMedCore.image.volume import LabelMap, Volume
from SAMedCore.service.carried import LabelFile, VoxelFile
from SAMedCore.service.events import Error, Event, Result
from SAMedCore.service.messages import Cancel, CloseVolume, OpenVolume, Request
from SAMedCore.service.wire import Lines, decode_event, encode

REAL = ("-m", "SAMedCore.service")
SMALL = (str(Path(__file__).with_name("small_worker.py")),)
PATIENCE_S = 120
"""After so long a test that waits has failed, however busy the machine: how fast things are is for `make stalls` to say."""


class WorkerProcess:
    """A worker and everything it says; nobody reads its stderr.

    Args:
        folder: its private folder.
        program: what Python runs.
        path: folders to put before all others on which Python looks for packages.
        python: the interpreter.
    """

    def __init__(
        self, folder: Path, program: Sequence[str] = REAL, path: str = "", python: str | Path = sys.executable
    ) -> None:
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        environment = {"OMP_NUM_THREADS": "2", **os.environ, "PYTHONPATH": path}
        command = [str(python), *program, "--folder", str(folder)]
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        self.process = subprocess.Popen(command, env=environment, cwd=folder, **pipes)
        self.numbers = self.volumes = 0
        self._events: queue.SimpleQueue = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        lines = Lines()
        while piece := os.read(self.process.stdout.fileno(), 65536):
            for line in lines.feed(piece):
                self._events.put(line)
        self._events.put(None)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def log(self) -> str:
        return (self.folder / "worker.log").read_text(encoding="utf-8")

    def write(self, piece: bytes) -> None:
        self.process.stdin.write(piece)
        self.process.stdin.flush()

    def send(self, request: Request, number: int | None = None) -> int:
        """Returns the request's number, a new one unless it is given."""
        if number is None:
            self.numbers += 1
            number = self.numbers
        self.write(encode(request, number))
        return number

    def next(self) -> tuple[Event, int]:
        """The next event and its number; fails on anything that is none, and where the process has ended."""
        line = self._events.get(timeout=PATIENCE_S)
        assert line is not None, f"the worker ended:\n{self.log[-3000:]}"
        return decode_event(line)

    def wait_for(self, kind: type) -> list[Event]:
        """The events up to the first one of that kind."""
        events = [self.next()[0]]
        while not isinstance(events[-1], kind):
            events.append(self.next()[0])
        return events

    def ask(self, request: Request) -> list[Event]:
        """Send it and return all its events; the last one is its `Result` or `Error`."""
        number, events = self.send(request), []
        while not events or not isinstance(events[-1], Result | Error):
            event, of_request = self.next()
            assert of_request == number
            events.append(event)
        return events

    def open(self, volume: Volume) -> str:
        """Hand the volume over; returns its handle."""
        self.volumes += 1
        handle = f"volume-{self.volumes}"
        assert self.ask(OpenVolume(handle, written(self.folder, handle, volume), volume.modality)) == [Result()]
        return handle

    def close(self, handle: str) -> None:
        """Have it let go of the volume, and remove its file."""
        assert self.ask(CloseVolume(handle)) == [Result()]
        (self.folder / f"{handle}.npy").unlink()

    def processes(self) -> list[str]:
        """What runs of the worker: its process group, and whatever was started with its folder as an argument."""
        listed = subprocess.run(
            ["ps", "-wweo", "pid=,pgid=,stat=,args="], capture_output=True, check=True, encoding="utf-8", errors="replace"
        ).stdout
        rows = [line.split(None, 3) for line in listed.splitlines()]
        return [row[3] for row in rows if row[2][0] != "Z" and (int(row[1]) == self.pid or str(self.folder) in row[3])]

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, f"still running: {self.processes()}"
            self.process.poll()
            time.sleep(0.02)

    def wait_until_gone(self) -> None:
        """Wait until nothing of it runs."""
        self.wait_until(lambda: not self.processes())


def written(folder: Path, name: str, image: Volume | LabelMap) -> VoxelFile | LabelFile:
    """The image as the panel hands it over."""
    path = folder / f"{name}.npy"
    np.save(path, image.voxels)
    matrix = tuple(tuple(row) for row in image.ijk_to_lps.tolist())
    if isinstance(image, LabelMap):
        return LabelFile(str(path), matrix, image.labels.to_json())
    return VoxelFile(str(path), matrix)


def segmented(events: list[Event]) -> np.ndarray:
    """The voxels of a segmentation's label map, whose file is removed as the panel does."""
    path = Path(events[-1].values["labelmap"]["path"])
    voxels = np.load(path)
    path.unlink()
    return voxels


def only_inputs(worker) -> bool:
    names = {path.name for path in worker.folder.iterdir() if path.is_file()}
    return all(name in ("labels.npy", "worker.log") or name.startswith("volume-") for name in names)


def cancelled(worker, request, after) -> Result | Error:
    """Cancel it as soon as `after` holds for an event; the answer."""
    number = worker.send(request)
    while not after(worker.next()[0]):
        pass
    worker.send(Cancel(), number)
    while not isinstance(event := worker.next()[0], Result | Error):
        pass
    return event
