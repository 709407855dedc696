"""Completing a partly annotated scan, in its own segmentation node."""

from dataclasses import dataclass, replace

from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode

from SAMedCore.options import CompleteOptions
from SAMedCore.service import messages
from SAMedLib.jobs.job import Job
from SAMedLib.jobs.segment import checkInScene, writeModelSlices
from SAMedLib.scene.provenance import drawnSlices
from SAMedLib.scene.reading import readAnnotation
from SAMedLib.scene.volumes import readVolume, stateOf
from SAMedLib.scene.writing import checkOutput
from SAMedLib.worker.client import Worker
from SAMedLib.worker.voxelFiles import labelFile, readLabelFile


@dataclass(frozen=True)
class CompletionOutcome:
    """What was filled in, and how good that is.

    Attributes:
        segmentationNode: the completed one.
        summary: for the person, in a sentence or two.
        method: "together", "network", "carrying", "interpolation" or "copy": the one that filled in most structures.
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
        options: where they name no annotated slices, those that a person drew are.
    """

    def __init__(
        self,
        worker: Worker,
        volumeNode: vtkMRMLScalarVolumeNode,
        segmentationNode: vtkMRMLSegmentationNode,
        options: CompleteOptions,
    ) -> None:
        super().__init__(worker)
        self.volumeNode = volumeNode
        self.segmentationNode = segmentationNode
        self._options = options

    def volumes(self):
        volume = readVolume(self.volumeNode)
        checkOutput(self.segmentationNode, self.volumeNode)
        return [(volume, stateOf(self.volumeNode))]

    def arrays(self):
        self._labelmap = readAnnotation(self.segmentationNode, self.volumeNode).labelmap
        if self._options.annotated_slices is None:
            drawn = drawnSlices(self.segmentationNode, self._labelmap)
            self._options = replace(self._options, annotated_slices=drawn)
        return [self._labelmap.voxels]

    def message(self, handles, paths):
        return messages.Complete(handles[0], labelFile(paths[0], self._labelmap), self._options)

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
