"""Which slices to correct next: those that the model is least sure of."""

from dataclasses import dataclass

from slicer import vtkMRMLScalarVolumeNode

from SAMedCore.service import messages
from SAMedLib.jobs.job import Job, JobListener
from SAMedLib.jobs.segment import ModelChoice
from SAMedLib.scene.volumes import readVolume
from SAMedLib.worker.client import Worker
from SAMedLib.worker.voxelFiles import voxelFile


@dataclass(frozen=True)
class DoubtfulSlice:
    """An axial slice, counted from the feet, and how unsure the model is of it."""

    number: int
    uncertainty: float


class RankJob(Job):
    """Ranks the slices that are not annotated; the outcome is a list of `DoubtfulSlice`, least sure first."""

    def __init__(
        self,
        worker: Worker,
        volumeNode: vtkMRMLScalarVolumeNode,
        choice: ModelChoice,
        annotated: tuple[int, ...] = (),
        listener: JobListener | None = None,
    ) -> None:
        super().__init__(worker, listener)
        self.volumeNode = volumeNode
        self._choice = choice
        self._annotated = annotated

    def arrays(self):
        self._volume = readVolume(self.volumeNode)
        return [self._volume.voxels]

    def message(self, paths):
        return messages.RankSlices(
            voxelFile(paths[0], self._volume),
            self._choice.model,
            base=self._choice.base,
            device=self._choice.device,
            annotated=self._annotated,
        )

    def conclude(self, values):
        return [DoubtfulSlice(row["slice"], row["uncertainty"]) for row in values["slices"]]
