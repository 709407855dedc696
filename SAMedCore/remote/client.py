"""One job after the other on another computer, for programs that wait for each."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np

import SAMedCore
from SAMedCore.address import Address
from SAMedCore.errors import Cancelled, InputError, SAMedError
from SAMedCore.image.labels import LabelTable
from SAMedCore.image.prompts import StructurePrompts
from SAMedCore.image.segmentation import Prompted, Segmentation
from SAMedCore.image.volume import Image, LabelMap, Volume
from SAMedCore.options import CompleteOptions, FinetuneOptions, ModelOptions, PromptOptions, SegmentOptions
from SAMedCore.service import messages
from SAMedCore.service.carried import LabelFile, VoxelFile
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


class Elsewhere:
    """The worker on another computer. It is started by the first thing that is asked, and again after the connection broke.

    Args:
        device: as `Address` has it.

    Raises:
        InputError: it is no address.

    Example:
        >>> with Elsewhere("ssh://gpu") as elsewhere:
        ...     labelmap = elsewhere.segment(volume, ModelOptions("CHECKPOINT")).labelmap
    """

    def __init__(self, device: str) -> None:
        self.address = Address.parse(device)
        self._process: subprocess.Popen[bytes] | None = None
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        self._events: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._numbers = 0
        self._is_over = False

    def __enter__(self) -> Elsewhere:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def segment(self, volume: Volume, model: ModelOptions, options: SegmentOptions, work: Work = SILENT) -> Segmentation:
        """As `Segmenter.segment_with_probabilities`, which also says what it raises, and as `ask`.

        Raises:
            InputError: the probabilities are asked for.
        """
        if options.probabilities:
            raise InputError("the class probabilities do not come back from another computer: leave them out.")
        with self._opened(volume, work) as handle:
            values = self.ask(messages.Segment(handle, model, options), work)
        uncertainty = None if values["uncertainty"] is None else _taken(values["uncertainty"])
        doubt = values["doubt"] or {"labels": None, "slices": None}
        slices = doubt["slices"] and tuple(np.nan if value is None else value for value in doubt["slices"])
        return Segmentation(_labelmap(values["labelmap"]), None, uncertainty, slices, doubt["labels"])

    def prompt(
        self,
        volume: Volume,
        structures: Sequence[StructurePrompts],
        options: PromptOptions,
        work: Work = SILENT,
        answer: LabelMap | None = None,
    ) -> Prompted:
        """As `prompt_volume`, and as `ask`."""
        with self._opened(volume, work) as handle, self._handed_over(answer) as file:
            values = self.ask(messages.PromptVolume(handle, tuple(structures), options, cast(LabelFile | None, file)), work)
        confidence = {name: {int(k): sure for k, sure in slices} for name, slices in values["confidence"].items()}
        kept = {name: tuple(slices) for name, slices in values["kept"].items()}
        return Prompted(replace(_labelmap(values["labelmap"]), person_drew=True), confidence, kept)

    def complete(
        self, volume: Volume, labelmap: LabelMap, options: CompleteOptions, work: Work = SILENT
    ) -> tuple[LabelMap, dict[str, Any]]:
        """The completed label map and the other values of the result of a `messages.Complete`; as `complete`, and as `ask`."""
        with self._opened(volume, work) as handle, self._handed_over(labelmap) as file:
            values = self.ask(messages.Complete(handle, cast(LabelFile, file), options), work)
        return replace(_labelmap(values.pop("labelmap")), person_drew=True), values

    def finetune(
        self, scans: Sequence[tuple[Volume, LabelMap]], options: FinetuneOptions, work: Work = SILENT
    ) -> dict[str, Any]:
        """Train on annotated scans there and leave the checkpoint here; the values of the result of a `messages.Finetune`.

        As `finetune`, and as `ask`.
        """
        with contextlib.ExitStack() as stack:
            annotated = []
            for volume, labelmap in scans:
                handle = stack.enter_context(self._opened(volume, work))
                file = cast(LabelFile, stack.enter_context(self._handed_over(labelmap)))
                annotated.append(messages.AnnotatedScan(handle, file))
            return self.ask(messages.Finetune(tuple(annotated), options), work)

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

    @property
    def _folder(self) -> Path:
        self._started()
        assert self._scratch is not None
        return Path(self._scratch.name) / "private"

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._scratch = tempfile.TemporaryDirectory(prefix="samed-", ignore_cleanup_errors=True)
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
        with contextlib.suppress(BrokenPipeError):  # why it has ended, its last event says
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
            return (self._folder / LOG_FILE).read_text("utf-8", "replace")[-LOG_BYTES:]
        except OSError:
            return ""

    @contextlib.contextmanager
    def _opened(self, volume: Volume, work: Work) -> Iterator[str]:
        """The volume's handle, while it is open there."""
        with self._handed_over(volume) as file:
            handle = Path(cast(VoxelFile, file).path).stem
            self.ask(messages.OpenVolume(handle, cast(VoxelFile, file), volume.modality), work)
            yield handle
            self.ask(messages.CloseVolume(handle))

    @contextlib.contextmanager
    def _handed_over(self, image: Image | None) -> Iterator[VoxelFile | LabelFile | None]:
        """The image in a file of the private folder."""
        if image is None:
            yield None
            return
        self._numbers += 1
        path = self._folder / f"image-{self._numbers}.npy"
        path.parent.mkdir(mode=0o700, exist_ok=True)
        np.save(path, image.voxels)
        matrix = tuple(tuple(row) for row in image.ijk_to_lps.tolist())
        try:
            yield (
                LabelFile(str(path), matrix, image.labels.to_json())
                if isinstance(image, LabelMap)
                else VoxelFile(str(path), matrix)
            )
        finally:
            path.unlink(missing_ok=True)


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


def _labelmap(row: dict[str, Any]) -> LabelMap:
    return LabelMap(_taken(row), np.array(row["ijk_to_lps"]), LabelTable.from_json(row["labels"]))


def _taken(row: dict[str, Any]) -> np.ndarray:
    """The array of a result, in memory; its file is removed."""
    path = Path(row["path"])
    voxels = np.load(path)
    path.unlink()
    return voxels
