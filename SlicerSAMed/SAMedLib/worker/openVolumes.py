"""The volumes that the worker holds: each is copied and sent once, and named by its handle from then on."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import slicer

from SAMedCore.image.volume import Volume
from SAMedCore.service.events import Error
from SAMedCore.service.messages import CloseVolume, OpenVolume
from SAMedLib.scene.volumes import VolumeState, isUnchanged
from SAMedLib.worker.voxelFiles import VoxelWriter, notHandedOver, remove, voxelFile

MOST_VOLUMES = 4
MOST_BYTES = 2 * 2**30
"""Of voxels. So much is kept of what no job reads at the moment, in files of the private folder."""


class Reader(Protocol):
    """Who reads a volume: a job."""

    def volumeSent(self) -> None:
        """The worker was told of a volume: requests may name it."""

    def volumeFailed(self, error: Error) -> None:
        """A volume could not be copied, or the worker cannot open it."""


class HeldVolume:
    """A volume that the worker holds, or that is being copied for it.

    Attributes:
        handle: by which requests name it.
        path: of its file, from the time that the worker is told of it; None while it is being copied.
        readers: the jobs that read it.
    """

    def __init__(self, handle: str, volume: Volume, state: VolumeState | None) -> None:
        self.handle = handle
        self.state = state
        self.bytes = volume.voxels.nbytes
        self.path: Path | None = None
        self.writer: VoxelWriter | None = None
        self.readers: list[Reader] = []

    @property
    def isSent(self) -> bool:
        """Whether requests may name it."""
        return self.path is not None


class OpenVolumes:
    """What one worker process holds; another process begins with another one of these.

    A volume is copied once for all jobs that ask for it; the copying stops where none of them is left. It is closed, and its
    file removed, when its node has changed or left the scene (looked at when a job begins or ends, and when a node is
    removed), or when there are more than `MOST_VOLUMES` or `MOST_BYTES`, the least recently used first; never while a job
    reads it.

    Args:
        request: `Worker.request`.
        folder: the private folder.
    """

    def __init__(self, request: Callable, folder: Path) -> None:
        self._request = request
        self._folder = folder
        self._held: list[HeldVolume] = []  # the least recently used first
        self._count = 0
        self._observed = slicer.mrmlScene
        self._tag = self._observed.AddObserver(slicer.vtkMRMLScene.NodeRemovedEvent, self._onNodeRemoved)

    def take(self, volume: Volume, state: VolumeState | None, reader: Reader) -> HeldVolume:
        """For a job that reads this volume: the one that is held already, or being copied, or a new one.

        Args:
            state: of the volume's node; None for one that has none, which is closed with its job.
            reader: the job, told when the volume is sent unless it is so already.
        """
        held = next((each for each in self._held if state is not None and each.state == state), None)
        if held is None:
            self._count += 1
            held = HeldVolume(f"volume-{self._count}", volume, state)
            self._copy(held, volume)
        else:
            self._held.remove(held)
        self._held.append(held)
        held.readers.append(reader)
        self._tidy()
        return held

    def release(self, held: HeldVolume, reader: Reader) -> None:
        """The job has ended."""
        held.readers.remove(reader)
        self._tidy()

    def workerEnded(self) -> None:
        """Nothing is open any more, and the folder with the files goes."""
        for held in self._held:
            if held.writer is not None:
                held.writer.stop()
        self._held.clear()
        self._observed.RemoveObserver(self._tag)

    def _copy(self, held: HeldVolume, volume: Volume) -> None:
        def onCopied(paths: list[Path]) -> None:
            held.writer, held.path = None, paths[0]
            message = OpenVolume(held.handle, voxelFile(held.path, volume), volume.modality)
            self._request(message, lambda event: self._onOpened(held, event))
            for reader in list(held.readers):
                reader.volumeSent()

        def onNotCopied(error: OSError) -> None:
            self._fail(held, Error(str(notHandedOver(error))))

        held.writer = VoxelWriter([volume.voxels], self._folder, onCopied, onNotCopied)
        held.writer.start()

    def _onOpened(self, held: HeldVolume, event) -> None:
        if isinstance(event, Error):
            remove([held.path])
            self._fail(held, event)

    def _fail(self, held: HeldVolume, error: Error) -> None:
        if held in self._held:
            self._held.remove(held)
        for reader in list(held.readers):
            reader.volumeFailed(error)

    def _onNodeRemoved(self, caller, event) -> None:
        self._tidy()

    def _tidy(self) -> None:
        """Close what is not worth keeping, or too much."""
        idle = [held for held in self._held if not held.readers]
        for held in idle:
            if not held.isSent or held.state is None or not isUnchanged(held.state) or self._isTooMuch():
                self._close(held)

    def _isTooMuch(self) -> bool:
        return len(self._held) > MOST_VOLUMES or sum(held.bytes for held in self._held) > MOST_BYTES

    def _close(self, held: HeldVolume) -> None:
        self._held.remove(held)
        if held.writer is not None:
            held.writer.stop()
        elif held.isSent:
            # Windows removes no file that the worker still maps.
            self._request(CloseVolume(held.handle), lambda event: remove([held.path]))
