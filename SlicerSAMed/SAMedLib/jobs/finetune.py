"""Fine-tuning on annotated scans of the scene."""

from dataclasses import dataclass

from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _

from SAMedCore.checkpoint.folder import find_folder, read_info
from SAMedCore.errors import InputError
from SAMedCore.image.labels import Label, LabelTable
from SAMedCore.image.volume import LabelMap, Volume
from SAMedCore.service import messages
from SAMedLib.jobs.job import Job, JobListener
from SAMedLib.scene.annotations import readAnnotation
from SAMedLib.scene.classes import matchSegments
from SAMedLib.scene.provenance import drawnSlices
from SAMedLib.scene.segments import labelsOf
from SAMedLib.scene.volumes import readVolume
from SAMedLib.worker.client import Worker
from SAMedLib.worker.voxelFiles import labelFile, voxelFile


@dataclass(frozen=True)
class Scan:
    """An annotated scan.

    Attributes:
        volumeNode, segmentationNode: what it is.
        slices: the annotated ones from the feet; None for those that a person drew or corrected.
    """

    volumeNode: vtkMRMLScalarVolumeNode
    segmentationNode: vtkMRMLSegmentationNode
    slices: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Training:
    """How to train; see `messages.Finetune`. Either `base` or `checkpoint` is given; `leftOut` names classes."""

    output: str
    base: str | None = None
    checkpoint: str | None = None
    preset: str = "few-shot"
    leftOut: tuple[str, ...] = ()
    epochs: int | None = None
    minutes: float | None = None
    validation: float = 0.2
    device: str = "auto"


@dataclass(frozen=True)
class TrainingOutcome:
    """The new checkpoint's folder, its validation Dice where slices were held out, and whether it was stopped early."""

    checkpoint: str
    validationDice: float | None
    cancelled: bool


class FinetuneJob(Job):
    """Trains on scans and leaves a checkpoint; the outcome is a `TrainingOutcome`."""

    def __init__(self, worker: Worker, scans: list[Scan], training: Training, listener: JobListener | None = None) -> None:
        super().__init__(worker, listener)
        self._scans = scans
        self._classes = matchSegments([scan.segmentationNode for scan in scans], _known(training))
        self._training = training

    def arrays(self):
        if not self._scans:
            raise InputError(_("No scan is chosen: add a volume with its segmentation."))
        self._sent: list[tuple[Volume, LabelMap, tuple[int, ...]]] = []
        for scan in self._scans:
            volume, labelmap = readVolume(scan.volumeNode), self._labelmap(scan)
            slices = self._drawnSlices(scan) if scan.slices is None else scan.slices
            if not slices:
                text = _('"{name}": no slice of it is annotated or corrected: draw or correct some, or say which slices count.')
                raise InputError(text.format(name=scan.segmentationNode.GetName()))
            self._sent.append((volume, labelmap, slices))
        return [grid.voxels for volume, labelmap, slices in self._sent for grid in (volume, labelmap)]

    def _labelmap(self, scan: Scan) -> LabelMap:
        return readAnnotation(scan.segmentationNode, scan.volumeNode, self._chosen(scan)).labelmap

    def _chosen(self, scan: Scan) -> dict[str, Label]:
        """The class of each segment that is learnt from, by its ID."""
        classes = self._classes.ofSegments(scan.segmentationNode)
        return {ID: label for ID, label in classes.items() if label.name not in self._training.leftOut}

    def _drawnSlices(self, scan: Scan) -> tuple[int, ...]:
        """Those on which a person drew or corrected what is learnt; the other segments may overlap it."""
        segmentation, chosen = scan.segmentationNode.GetSegmentation(), self._chosen(scan)
        labels = labelsOf(segmentation, segmentation.GetSegmentIDs())
        labels = {ID: label for ID, label in labels.items() if ID in chosen}
        labelmap = readAnnotation(scan.segmentationNode, scan.volumeNode, labels).labelmap
        return drawnSlices(scan.segmentationNode, labelmap, labels)

    def message(self, paths):
        scans = tuple(
            messages.AnnotatedScan(voxelFile(volumePath, volume), labelFile(labelPath, labelmap), slices)
            for (volume, labelmap, slices), volumePath, labelPath in zip(self._sent, paths[::2], paths[1::2], strict=True)
        )
        training = self._training
        return messages.Finetune(
            scans,
            training.output,
            base=training.base,
            checkpoint=training.checkpoint,
            preset=training.preset,
            epochs=training.epochs,
            minutes=training.minutes,
            validation=training.validation,
            device=training.device,
        )

    def conclude(self, values):
        return TrainingOutcome(values["checkpoint"], values["validation_dice"], values["cancelled"])


def _known(training: Training) -> LabelTable | None:
    """The labels of the checkpoint to go on from."""
    return None if training.checkpoint is None else read_info(find_folder(training.checkpoint)).labels
