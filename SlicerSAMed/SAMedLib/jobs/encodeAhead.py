"""The slices that a person is about to prompt, encoded while the mouse is still on its way."""

from __future__ import annotations

from slicer import vtkMRMLScalarVolumeNode

from SAMedCore.errors import SAMedError
from SAMedCore.options import PromptOptions
from SAMedCore.service import messages
from SAMedLib.jobs.job import Job
from SAMedLib.scene.volumes import readVolume, stateOf
from SAMedLib.worker.client import Worker


class EncodeAheadJob(Job):
    """Hands the volume to the worker and has it encode slices whenever it is idle; its outcome says nothing.

    It starts the worker where none runs: whoever asks for it knows that the person is about to prompt, and that the packages
    are there. Nothing is shown where it fails; the first prompt says what is wrong.

    Args:
        k: the slice that is shown, from the feet; the others follow outwards.
    """

    def __init__(self, worker: Worker, volumeNode: vtkMRMLScalarVolumeNode, k: int, options: PromptOptions) -> None:
        super().__init__(worker)
        self.volumeNode = volumeNode
        self._k = k
        self._options = options

    def start(self) -> EncodeAheadJob:
        """Never raises: a volume that cannot be prompted is not encoded either."""
        try:
            super().start()
        except SAMedError as error:
            self.finished, self.error = True, error
        return self

    def volumes(self):
        return [(readVolume(self.volumeNode), stateOf(self.volumeNode))]

    def message(self, handles, paths):
        return messages.EncodeAhead(handles[0], self._k, self._options)
