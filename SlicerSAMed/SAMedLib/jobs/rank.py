"""Which slices to correct next: those that the model is least sure of."""

from dataclasses import dataclass

from slicer import vtkMRMLScalarVolumeNode

from SAMedCore.options import ModelOptions, RankOptions
from SAMedCore.service import messages
from SAMedLib.jobs.job import Job
from SAMedLib.scene.volumes import readVolume, stateOf
from SAMedLib.worker.client import Worker


@dataclass(frozen=True)
class DoubtfulSlice:
    """An axial slice, counted from the feet, and how unsure the model is of it; None where no model was asked."""

    number: int
    uncertainty: float | None = None


class RankJob(Job):
    """Ranks the slices that are not annotated; the outcome is a list of `DoubtfulSlice`, least sure first."""

    def __init__(self, worker: Worker, volumeNode: vtkMRMLScalarVolumeNode, model: ModelOptions, options: RankOptions) -> None:
        super().__init__(worker)
        self.volumeNode = volumeNode
        self._model = model
        self._options = options

    def volumes(self):
        return [(readVolume(self.volumeNode), stateOf(self.volumeNode))]

    def message(self, handles, paths):
        return messages.RankSlices(handles[0], self._model, self._options)

    def conclude(self, values):
        return [DoubtfulSlice(row["slice"], row["uncertainty"]) for row in values["slices"]]
