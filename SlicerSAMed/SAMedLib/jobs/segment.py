"""Segmenting a volume: from the volume node to the segmentation node."""

from typing import Any

from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _

from SAMedCore.errors import InputError
from SAMedCore.image.labels import LabelTable
from SAMedCore.image.volume import LabelMap
from SAMedCore.options import ModelOptions, SegmentOptions
from SAMedCore.service import messages
from SAMedLib.jobs.job import Job
from SAMedLib.scene.overlay import Overlay
from SAMedLib.scene.provenance import recordModelSlices
from SAMedLib.scene.uncertainty import writeUncertainty
from SAMedLib.scene.volumes import readVolume, stateOf
from SAMedLib.scene.writing import checkOutput, writeSegmentation
from SAMedLib.worker.client import Worker
from SAMedLib.worker.voxelFiles import readBox, readLabelFile, readVoxelFile


class SegmentJob(Job):
    """Segments a volume; the outcome is the segmentation node.

    Args:
        segmentationNode: takes the result; None makes a new one at the end, so that a cancelled job leaves none.
        shown: the model's labels, to show finished slices as they come; None shows nothing before the end.

    Attributes:
        doubt: as `messages.Segment` has it, once the job is done and the options asked for uncertainty; the scene has the
            volume's uncertainty then. Else None.
    """

    def __init__(
        self,
        worker: Worker,
        volumeNode: vtkMRMLScalarVolumeNode,
        segmentationNode: vtkMRMLSegmentationNode | None,
        model: ModelOptions,
        options: SegmentOptions,
        shown: LabelTable | None = None,
    ) -> None:
        super().__init__(worker)
        self.volumeNode = volumeNode
        self.segmentationNode = segmentationNode
        self._model = model
        self._options = options
        self._shown = shown
        self.doubt: dict[str, Any] | None = None
        self._overlay: Overlay | None = None

    def volumes(self):
        volume = readVolume(self.volumeNode)
        if self.segmentationNode is not None:
            checkOutput(self.segmentationNode, self.volumeNode)
        return [(volume, stateOf(self.volumeNode))]

    def message(self, handles, paths):
        return messages.Segment(handles[0], self._model, self._options)

    def slicesFinished(self, event) -> None:
        if self._shown is None or self.volumeNode.GetScene() is None:
            return
        if self._overlay is None:
            self._overlay = Overlay(self.volumeNode, self._shown)
        self._overlay.update(readBox(event.labelmap, event.box), event.box)

    def conclude(self, values):
        labelmap = readLabelFile(values["labelmap"])
        unsure = readVoxelFile(values["uncertainty"]) if self._options.uncertainty else None
        checkInScene(self.volumeNode)
        if self.segmentationNode is None:
            self.segmentationNode = newSegmentationNode(self.volumeNode)
        checkInScene(self.segmentationNode)
        writeModelSlices(self.segmentationNode, labelmap, self.volumeNode, self._options.slices, byCheckpoint=True)
        if unsure is not None:
            writeUncertainty(unsure, self.volumeNode)
            self.doubt = values["doubt"]
        return self.segmentationNode

    def ended(self) -> None:
        if self._overlay is not None:
            self._overlay.remove()


def newSegmentationNode(volumeNode: vtkMRMLScalarVolumeNode) -> vtkMRMLSegmentationNode:
    """An empty segmentation, named after the volume."""
    name = _("{volume} segmentation").format(volume=volumeNode.GetName())
    scene = volumeNode.GetScene()
    return scene.AddNewNodeByClass("vtkMRMLSegmentationNode", scene.GenerateUniqueName(name))


def writeModelSlices(
    segmentationNode: vtkMRMLSegmentationNode,
    labelmap: LabelMap,
    volumeNode: vtkMRMLScalarVolumeNode,
    slices: tuple[int, ...] | None,
    byCheckpoint: bool = False,
) -> None:
    """Put what the model drew into the segmentation and remember that it is the model's.

    Args:
        slices: those to replace, from the feet; None for all.
        byCheckpoint: a checkpoint drew them, and they may serve as its answer to be corrected.
    """
    writeSegmentation(segmentationNode, labelmap, volumeNode, slices)
    recordModelSlices(segmentationNode, labelmap, slices, byCheckpoint)


def checkInScene(node) -> None:
    """Raises InputError where the node was removed while the worker was at it."""
    if node.GetScene() is None:
        text = _('"{name}" was removed from the scene meanwhile: nothing was changed.')
        raise InputError(text.format(name=node.GetName()))
