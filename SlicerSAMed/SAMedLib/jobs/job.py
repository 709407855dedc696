"""Work that the worker does for this panel, from the copying of the voxels to the answer."""

import logging
import time
from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np
from slicer.i18n import tr as _

from SAMedCore.errors import Cancelled, InputError, SAMedError
from SAMedCore.image.volume import Volume
from SAMedCore.service.events import Error, Metrics, Notice, Progress, Result, Slices
from SAMedLib.scene.volumes import VolumeState
from SAMedLib.worker.client import Worker
from SAMedLib.worker.openVolumes import HeldVolume, OpenVolumes
from SAMedLib.worker.voxelFiles import SLAB_BYTES, VoxelWriter, notHandedOver

PUMP_MSEC = 20


class JobListener:
    """Told what becomes of a job; whoever wants to know overrides what they want to know."""

    def jobProgressed(self, phase: str, done: int, total: int, secondsLeft: float | None) -> None:
        """`secondsLeft` of this phase, or None while it cannot be told."""

    def jobMeasured(self, metrics: Metrics) -> None:
        """Training goes on like this."""

    def jobNoted(self, message: str) -> None:
        """Something that the person should read although the job goes on."""

    def jobSucceeded(self, outcome) -> None:
        """`outcome` as the job's class says."""

    def jobFailed(self, error: SAMedError) -> None:
        """`error` carries the user's sentence; a `Cancelled` is one, too."""


class Job(ABC):
    """One request to the worker, with the voxels that it needs; ends exactly once, with an outcome or an error.

    A subclass says what to send (`volumes`, `arrays`, `message`) and what the answer means (`conclude`). A volume that the
    worker still holds from an earlier job is not copied again.

    Attributes:
        listener: to be set before the start.
        finished: whether it has ended.
        wasCancelled: whether it was told to stop; it may have been done by then, and end with an outcome all the same.
        outcome: what `conclude` gave, or None.
        error: why it failed, or None.
    """

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.listener = JobListener()
        self.finished = self.wasCancelled = False
        self.outcome = None
        self.error: SAMedError | None = None
        self._writer: VoxelWriter | None = None
        self._number = 0
        self._isWritten = self._isSent = False
        self._openVolumes: OpenVolumes | None = None
        self._held: list[HeldVolume] = []
        self._phase: tuple[str, float] | None = None

    def volumes(self) -> list[tuple[Volume, VolumeState | None]]:
        """What the worker is to hold, with the states of the nodes; None for a volume that is no node's.

        Asked before `arrays`. Raises InputError where the user's choice is of no use.
        """
        return []

    def arrays(self) -> list[np.ndarray]:
        """What else is copied for the worker, each (k, j, i). Raises as `volumes`."""
        return []

    @abstractmethod
    def message(self, handles: list[str], paths: list[Path]):
        """The request; `handles` name the `volumes`, `paths` are the files of `arrays`."""

    def conclude(self, values: dict):
        """What becomes of the worker's answer. Returns the outcome; raises SAMedError."""
        return values

    def slicesFinished(self, event: Slices) -> None:  # noqa: B027 - most jobs have none
        """Finished slices can be shown."""

    def ended(self) -> None:  # noqa: B027 - most jobs have nothing to tidy
        """Called at the end, however it came, before the listener hears of it."""

    def start(self) -> "Job":
        """Raises InputError where `volumes` or `arrays` does; everything later comes through the listener."""
        volumes, arrays = self.volumes(), self.arrays()
        # Known to the worker before the voxels are: where it ends while they are copied, this job does too.
        self._number = self.worker.announce(self._onEvent)
        self._openVolumes = self.worker.volumes
        self._held = [self._openVolumes.take(volume, state, self) for volume, state in volumes]
        self._writer = VoxelWriter(arrays, self.worker.folder, self._onWritten, self._onNotWritten)
        if sum(array.nbytes for array in arrays) <= SLAB_BYTES:
            self._writer.finish()
        else:
            self._writer.start()
        if not (self._isSent and self.worker.ready):
            self.listener.jobProgressed("preparing", 0, 0, None)
        return self

    def cancel(self) -> None:
        """Stop; the listener hears of it within two seconds."""
        if self.finished:
            return
        self.wasCancelled = True
        if self._isSent:
            self.worker.cancel(self._number)
        else:
            self._fail(Cancelled())

    def wait(self):
        """The outcome, when it is there; events keep coming meanwhile. Raises what made it fail."""
        while not self.finished:
            self.worker.pump(PUMP_MSEC)
        if self.error is not None:
            raise self.error
        return self.outcome

    def volumeSent(self) -> None:
        """One of `volumes` was copied."""
        self._sendWhenAllIsThere()

    def volumeFailed(self, error: Error) -> None:
        """The worker cannot have one of `volumes`; what it answers to a request that names it comes too late to be heard."""
        if not self.finished:
            self._onEvent(error)

    def _onWritten(self, paths: list[Path]) -> None:
        self._isWritten = True
        self._sendWhenAllIsThere()

    def _sendWhenAllIsThere(self) -> None:
        if self._isWritten and not self._isSent and all(held.isSent for held in self._held):
            self._isSent = True
            self.worker.send(self.message([held.handle for held in self._held], self._writer.paths), self._number)

    def _onNotWritten(self, error: OSError) -> None:
        if not self.finished:
            self._fail(notHandedOver(error))

    def _onEvent(self, event) -> None:
        if isinstance(event, Progress):
            self.listener.jobProgressed(event.phase, event.done, event.total, self._secondsLeft(event))
        elif isinstance(event, Slices):
            self.slicesFinished(event)
        elif isinstance(event, Metrics):
            self.listener.jobMeasured(event)
        elif isinstance(event, Notice):
            self.listener.jobNoted(event.message)
        elif isinstance(event, Error):
            self._fail(_ERRORS.get(event.kind, SAMedError)(event.message))
        elif isinstance(event, Result):
            self._succeed(event.values)

    def _succeed(self, values: dict) -> None:
        try:
            self.outcome = self.conclude(values)
        except SAMedError as error:
            self._fail(error)
            return
        except Exception as error:
            logging.exception("SAMed: the worker's answer could not be used")
            text = _("The answer could not be used ({reason}); the traceback is in Slicer's log.")
            self._fail(SAMedError(text.format(reason=error)))
            return
        self._finish()
        self.listener.jobSucceeded(self.outcome)

    def _fail(self, error: SAMedError) -> None:
        self.error = error
        self._finish()
        self.listener.jobFailed(error)

    def _finish(self) -> None:
        self.finished = True
        self.worker.withdraw(self._number)
        self._writer.stop()
        for held in self._held:
            self._openVolumes.release(held, self)
        self.ended()

    def _secondsLeft(self, event: Progress) -> float | None:
        now = time.monotonic()
        if self._phase is None or self._phase[0] != event.phase:
            self._phase = event.phase, now
            return None
        elapsed = now - self._phase[1]
        return elapsed / event.done * (event.total - event.done) if 0 < event.done <= event.total else None


class PlainJob(Job):
    """A request that takes no voxels; its outcome is the worker's answer as it came (dict)."""

    def __init__(self, worker: Worker, message) -> None:
        super().__init__(worker)
        self._message = message

    def message(self, handles, paths):
        return self._message


_ERRORS = {"input": InputError, "cancelled": Cancelled}
