"""The volumes that the worker holds: each is sent once, and named by its handle from then on."""

from collections.abc import Callable
from pathlib import Path

import slicer

from SAMedCore.image.volume import Volume
from SAMedCore.service.events import Error, Result
from SAMedCore.service.messages import CloseVolume, OpenVolume
from SAMedLib.scene.volumes import VolumeState, isUnchanged
from SAMedLib.worker.voxelFiles import remove, voxelFile

MOST_VOLUMES = 4
MOST_BYTES = 2 * 2**30
"""Of voxels. So much is kept of what no job reads at the moment, in files of the private folder."""


class HeldVolume:
    """A volume that the worker holds, or that is being copied for it.

    Attributes:
        handle: by which requests name it.
        isOpen: whether the worker has said that it holds it; before that nobody but its first job uses it.
        path: of its file, from the time that the worker is told of it.
    """

    def __init__(self, handle: str, volume: Volume, state: VolumeState | None) -> None:
        self.handle = handle
        self.state = state
        self.bytes = volume.voxels.nbytes
        self.isOpen = False
        self.path: Path | None = None
        self.users = 0


class OpenVolumes:
    """What one worker process holds; another process begins with another one of these.

    A volume is closed, and its file removed, when its node has changed or left the scene (looked at when a job begins or ends,
    and when a node is removed), or when there are more than `MOST_VOLUMES` or `MOST_BYTES`, the least recently used first;
    never while a job reads it.

    Args:
        request: `Worker.request`.
    """

    def __init__(self, request: Callable) -> None:
        self._request = request
        self._held: list[HeldVolume] = []  # the least recently used first
        self._count = 0
        self._observed = slicer.mrmlScene
        self._tag = self._observed.AddObserver(slicer.vtkMRMLScene.NodeRemovedEvent, self._onNodeRemoved)

    def take(self, volume: Volume, state: VolumeState | None) -> HeldVolume:
        """For a job that reads this volume: the one that is open, or a new one, to be copied and given to `open`.

        Args:
            state: of the volume's node; None for one that has none, which is closed with its job.
        """
        held = next((each for each in self._held if each.isOpen and state is not None and each.state == state), None)
        if held is None:
            self._count += 1
            held = HeldVolume(f"volume-{self._count}", volume, state)
        else:
            self._held.remove(held)
        self._held.append(held)
        held.users += 1
        self._tidy()
        return held

    def open(self, held: HeldVolume, volume: Volume, path: Path, onRefused: Callable[[Error], None]) -> None:
        """Tell the worker of the volume's file, which is this one's to remove now. `onRefused`: it cannot read it."""
        held.path = path

        def onAnswer(event) -> None:
            if isinstance(event, Result):
                held.isOpen = True
            elif isinstance(event, Error):
                self._forget(held)
                onRefused(event)

        self._request(OpenVolume(held.handle, voxelFile(path, volume)), onAnswer)

    def release(self, held: HeldVolume) -> None:
        """The job has ended."""
        held.users -= 1
        self._tidy()

    def workerEnded(self) -> None:
        """Nothing is open any more, and the folder with the files goes."""
        self._held.clear()
        self._observed.RemoveObserver(self._tag)

    def _onNodeRemoved(self, caller, event) -> None:
        self._tidy()

    def _tidy(self) -> None:
        """Close what is not worth keeping, or too much."""
        idle = [held for held in self._held if held.users == 0]
        for held in idle:
            if held.path is None or held.state is None or not isUnchanged(held.state) or self._isTooMuch():
                self._close(held)

    def _isTooMuch(self) -> bool:
        return len(self._held) > MOST_VOLUMES or sum(held.bytes for held in self._held) > MOST_BYTES

    def _close(self, held: HeldVolume) -> None:
        self._held.remove(held)
        if held.path is not None:
            # Windows removes no file that the worker still maps.
            self._request(CloseVolume(held.handle), lambda event: remove([held.path]))

    def _forget(self, held: HeldVolume) -> None:
        if held in self._held:
            self._held.remove(held)
        remove([held.path])
