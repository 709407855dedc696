"""Fine-tuning on annotated scans of the scene."""

from dataclasses import dataclass

import numpy as np
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _

from SAMedCore import protocol
from SAMedCore.errors import InputError
from SAMedLib.annotations import annotatedSlices
from SAMedLib.jobs import Job, JobListener
from SAMedLib.segmentations import readLabels
from SAMedLib.voxelFiles import labelFile, voxelFile
from SAMedLib.volumes import readVolume
from SAMedLib.worker import Worker


@dataclass(frozen=True)
class Scan:
    """A volume and its segmentation; `slices` are the annotated ones from the feet, None for those with any segment."""

    volumeNode: vtkMRMLScalarVolumeNode
    segmentationNode: vtkMRMLSegmentationNode
    slices: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Training:
    """How to train; see `SAMedCore.protocol.Finetune`. Either `base` or `checkpoint` is given."""

    output: str
    base: str | None = None
    checkpoint: str | None = None
    preset: str = "few-shot"
    classes: tuple[str, ...] | None = None
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
        self._training = training

    def arrays(self):
        if not self._scans:
            raise InputError(_("No scan is chosen: add a volume with its segmentation."))
        self._sent: list[tuple[np.ndarray, object, tuple[int, ...]]] = []
        arrays = []
        for scan in self._scans:
            voxels, ijkToLPS = readVolume(scan.volumeNode)
            labelVoxels, labels = readLabels(scan.segmentationNode, scan.volumeNode)
            slices = scan.slices if scan.slices is not None else annotatedSlices(labelVoxels, scan.volumeNode)
            self._sent.append((ijkToLPS, labels, slices))
            arrays += [voxels, labelVoxels]
        return arrays

    def message(self, paths):
        scans = tuple(
            protocol.AnnotatedScan(voxelFile(volume, ijkToLPS), labelFile(labelmap, ijkToLPS, labels), slices)
            for (ijkToLPS, labels, slices), volume, labelmap in zip(self._sent, paths[::2], paths[1::2], strict=True)
        )
        training = self._training
        return protocol.Finetune(
            scans,
            training.output,
            base=training.base,
            checkpoint=training.checkpoint,
            preset=training.preset,
            classes=training.classes,
            epochs=training.epochs,
            minutes=training.minutes,
            validation=training.validation,
            device=training.device,
        )

    def conclude(self, values):
        return TrainingOutcome(values["checkpoint"], values["validation_dice"], values["cancelled"])
