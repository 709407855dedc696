"""Completing a partly annotated scan, in its own segmentation node."""

from dataclasses import dataclass

from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode

from SAMedCore.service import messages
from SAMedLib.jobs.job import Job, JobListener
from SAMedLib.jobs.segment import checkInScene, writeModelSlices
from SAMedLib.scene.annotations import readAnnotation
from SAMedLib.scene.provenance import drawnSlices
from SAMedLib.scene.segmentations import checkOutput
from SAMedLib.scene.volumes import readVolume
from SAMedLib.worker.client import Worker
from SAMedLib.worker.voxelFiles import labelFile, readLabelFile, voxelFile


@dataclass(frozen=True)
class CompletionOutcome:
    """What was filled in, and how good that is.

    Attributes:
        segmentationNode: the completed one.
        summary: for the person, in a sentence or two.
        method: "network", "interpolation" or "copy".
        estimates: method -> mean Dice on annotated slices that were left out.
        annotated, completed: slices from the feet.
    """

    segmentationNode: vtkMRMLSegmentationNode
    summary: str
    method: str
    estimates: dict[str, float]
    annotated: tuple[int, ...]
    completed: tuple[int, ...]


class CompleteJob(Job):
    """Fills in the slices between the annotated ones; the outcome is a `CompletionOutcome`.

    Args:
        annotatedSlices: from the feet; None for those that a person drew.
        base: a base model of the catalogue, or a weights file.
    """

    def __init__(
        self,
        worker: Worker,
        volumeNode: vtkMRMLScalarVolumeNode,
        segmentationNode: vtkMRMLSegmentationNode,
        annotatedSlices: tuple[int, ...] | None = None,
        base: str = "lite",
        device: str = "auto",
        listener: JobListener | None = None,
    ) -> None:
        super().__init__(worker, listener)
        self.volumeNode = volumeNode
        self.segmentationNode = segmentationNode
        self._annotatedSlices = annotatedSlices
        self._base = base
        self._device = device

    def arrays(self):
        self._volume = readVolume(self.volumeNode)
        checkOutput(self.segmentationNode, self.volumeNode)
        self._labelmap = readAnnotation(self.segmentationNode, self.volumeNode).labelmap
        if self._annotatedSlices is None:
            self._annotatedSlices = drawnSlices(self.segmentationNode, self._labelmap)
        return [self._volume.voxels, self._labelmap.voxels]

    def message(self, paths):
        return messages.Complete(
            voxelFile(paths[0], self._volume),
            labelFile(paths[1], self._labelmap),
            annotated_slices=self._annotatedSlices,
            base=self._base,
            device=self._device,
        )

    def conclude(self, values):
        labelmap = readLabelFile(values["labelmap"])
        completed = tuple(values["completed"])
        checkInScene(self.volumeNode)
        checkInScene(self.segmentationNode)
        # What the person drew is not even written again.
        writeModelSlices(self.segmentationNode, labelmap, self.volumeNode, completed)
        return CompletionOutcome(
            self.segmentationNode,
            values["summary"],
            values["method"],
            values["estimates"],
            tuple(values["annotated"]),
            completed,
        )
