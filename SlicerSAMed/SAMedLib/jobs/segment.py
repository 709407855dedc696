"""Segmenting a volume: from the volume node to the segmentation node."""

from dataclasses import dataclass
from pathlib import Path

from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _

from SAMedCore.errors import InputError
from SAMedCore.image.labels import LabelTable
from SAMedCore.image.volume import LabelMap, Volume
from SAMedCore.service import messages
from SAMedLib.jobs.job import Job, JobListener
from SAMedLib.scene.overlay import Overlay
from SAMedLib.scene.provenance import recordModelSlices
from SAMedLib.scene.segmentations import checkOutput, writeSegmentation
from SAMedLib.scene.volumes import readVolume
from SAMedLib.worker.client import Worker
from SAMedLib.worker.voxelFiles import readBox, readLabelFile, voxelFile


@dataclass(frozen=True)
class ModelChoice:
    """Which model, and where it runs.

    Attributes:
        model: a checkpoint folder or a name of the catalogue.
        base: the base model's weights file; None for the one in the cache folder.
        device: "auto", or a name that the worker gave.
    """

    model: str
    base: str | None = None
    device: str = "auto"

    def segment(
        self, path: Path, volume: Volume, organs: tuple[str, ...] | None, slices: tuple[int, ...] | None = None
    ) -> messages.Segment:
        """The request to segment a volume whose voxels are in the file `path`; None stands for all."""
        file = voxelFile(path, volume)
        return messages.Segment(file, self.model, base=self.base, device=self.device, labels=organs, slices=slices)


class SegmentJob(Job):
    """Segments a volume; the outcome is the segmentation node.

    Args:
        segmentationNode: takes the result; None makes a new one at the end, so that a cancelled job leaves none.
        organs: names to segment; None for all.
        slices: from the feet; None for all.
        shown: the model's labels, to show finished slices as they come; None shows nothing before the end.
    """

    def __init__(
        self,
        worker: Worker,
        volumeNode: vtkMRMLScalarVolumeNode,
        segmentationNode: vtkMRMLSegmentationNode | None,
        choice: ModelChoice,
        organs: tuple[str, ...] | None = None,
        slices: tuple[int, ...] | None = None,
        shown: LabelTable | None = None,
        listener: JobListener | None = None,
    ) -> None:
        super().__init__(worker, listener)
        self.volumeNode = volumeNode
        self.segmentationNode = segmentationNode
        self._choice = choice
        self._organs = organs
        self._slices = slices
        self._shown = shown
        self._overlay: Overlay | None = None

    def arrays(self):
        self._volume = readVolume(self.volumeNode)
        if self._organs is not None and not self._organs:
            raise InputError(_("No organ is ticked: choose at least one."))
        if self.segmentationNode is not None:
            checkOutput(self.segmentationNode, self.volumeNode)
        return [self._volume.voxels]

    def message(self, paths):
        return self._choice.segment(paths[0], self._volume, self._organs, self._slices)

    def slicesFinished(self, event) -> None:
        if self._shown is None or self.volumeNode.GetScene() is None:
            return
        if self._overlay is None:
            self._overlay = Overlay(self.volumeNode, self._shown)
        self._overlay.update(readBox(event.labelmap, event.box), event.box)

    def conclude(self, values):
        labelmap = readLabelFile(values["labelmap"])
        checkInScene(self.volumeNode)
        if self.segmentationNode is None:
            self.segmentationNode = newSegmentationNode(self.volumeNode)
        checkInScene(self.segmentationNode)
        writeModelSlices(self.segmentationNode, labelmap, self.volumeNode, self._slices)
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
) -> None:
    """Put what the model drew into the segmentation and remember that it is the model's.

    Args:
        slices: those to replace, from the feet; None for all.
    """
    writeSegmentation(segmentationNode, labelmap, volumeNode, slices)
    recordModelSlices(segmentationNode, labelmap, slices)


def checkInScene(node) -> None:
    """Raises InputError where the node was removed while the worker was at it."""
    if node.GetScene() is None:
        text = _('"{name}" was removed from the scene meanwhile: nothing was changed.')
        raise InputError(text.format(name=node.GetName()))
