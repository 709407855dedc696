"""Completing a partly annotated scan, in its own segmentation node."""

from dataclasses import dataclass

from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode

from SAMedCore import protocol
from SAMedCore.labels import LabelTable
from SAMedLib.jobs import Job, JobListener
from SAMedLib.segmentations import readLabels, writeSegmentation
from SAMedLib.segmenting import checkInScene
from SAMedLib.voxelFiles import labelFile, readAndRemove, voxelFile
from SAMedLib.volumes import readVolume
from SAMedLib.worker import Worker


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
        annotatedSlices: from the feet; None for those with any segment.
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
        voxels, self._ijkToLPS = readVolume(self.volumeNode)
        labelVoxels, self._labels = readLabels(self.segmentationNode, self.volumeNode)
        return [voxels, labelVoxels]

    def message(self, paths):
        return protocol.Complete(
            voxelFile(paths[0], self._ijkToLPS),
            labelFile(paths[1], self._ijkToLPS, self._labels),
            annotated_slices=self._annotatedSlices,
            base=self._base,
            device=self._device,
        )

    def conclude(self, values):
        labelmap = values["labelmap"]
        voxels, labels = readAndRemove(labelmap["path"]), LabelTable.from_json(labelmap["labels"])
        completed = tuple(values["completed"])
        checkInScene(self.volumeNode)
        checkInScene(self.segmentationNode)
        # What the person drew is not even written again.
        writeSegmentation(self.segmentationNode, voxels, labels, self.volumeNode, slices=completed)
        return CompletionOutcome(
            self.segmentationNode,
            values["summary"],
            values["method"],
            values["estimates"],
            tuple(values["annotated"]),
            completed,
        )
