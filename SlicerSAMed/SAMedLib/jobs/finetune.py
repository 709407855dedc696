"""Fine-tuning on annotated scans of the scene."""

from collections.abc import Collection
from dataclasses import dataclass

from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _

from SAMedCore.checkpoint.folder import find_folder, read_info
from SAMedCore.errors import InputError
from SAMedCore.evaluate.before_after import BeforeAfter
from SAMedCore.image.labels import Label, LabelTable
from SAMedCore.options import FinetuneOptions
from SAMedCore.service import messages
from SAMedLib.jobs.job import Job
from SAMedLib.scene.classes import matchSegments
from SAMedLib.scene.provenance import drawnSlices
from SAMedLib.scene.reading import readAnnotation
from SAMedLib.scene.segments import labelsOf
from SAMedLib.scene.volumes import readVolume, stateOf
from SAMedLib.worker.client import Worker
from SAMedLib.worker.voxelFiles import labelFile


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
class TrainingOutcome:
    """What a training left.

    Attributes:
        checkpoint: its folder.
        validationDice: where slices were held out, else None.
        cancelled: whether it was stopped early.
        comparison: on what was held out, of what it started from and what came out; None where nothing was.
    """

    checkpoint: str
    validationDice: float | None
    cancelled: bool
    comparison: BeforeAfter | None


class FinetuneJob(Job):
    """Trains on scans and leaves a checkpoint; the outcome is a `TrainingOutcome`.

    Args:
        leftOut: names of classes that are not learnt.
    """

    def __init__(self, worker: Worker, scans: list[Scan], options: FinetuneOptions, leftOut: Collection[str] = ()) -> None:
        super().__init__(worker)
        self._scans = scans
        self._options = options
        self._leftOut = leftOut
        self._classes = matchSegments([scan.segmentationNode for scan in scans], _known(options))

    def volumes(self):
        if not self._scans:
            raise InputError(_("No scan is chosen: add a volume with its segmentation."))
        return [(readVolume(scan.volumeNode), stateOf(scan.volumeNode)) for scan in self._scans]

    def arrays(self):
        self._labelmaps, self._slices = [], []
        for scan in self._scans:
            labelmap = readAnnotation(scan.segmentationNode, scan.volumeNode, self._chosen(scan)).labelmap
            slices = self._drawnSlices(scan) if scan.slices is None else scan.slices
            if not slices:
                text = _('"{name}": no slice of it is annotated or corrected: draw or correct some, or say which slices count.')
                raise InputError(text.format(name=scan.segmentationNode.GetName()))
            self._labelmaps.append(labelmap)
            self._slices.append(slices)
        return [labelmap.voxels for labelmap in self._labelmaps]

    def _chosen(self, scan: Scan) -> dict[str, Label]:
        """The class of each segment that is learnt from, by its ID."""
        classes = self._classes.ofSegments(scan.segmentationNode)
        return {ID: label for ID, label in classes.items() if label.name not in self._leftOut}

    def _drawnSlices(self, scan: Scan) -> tuple[int, ...]:
        """Those on which a person drew or corrected what is learnt; the other segments may overlap it."""
        segmentation, chosen = scan.segmentationNode.GetSegmentation(), self._chosen(scan)
        labels = labelsOf(segmentation, segmentation.GetSegmentIDs())
        labels = {ID: label for ID, label in labels.items() if ID in chosen}
        labelmap = readAnnotation(scan.segmentationNode, scan.volumeNode, labels).labelmap
        return drawnSlices(scan.segmentationNode, labelmap, labels)

    def message(self, handles, paths):
        files = [labelFile(path, labelmap) for path, labelmap in zip(paths, self._labelmaps, strict=True)]
        return messages.Finetune(tuple(map(messages.AnnotatedScan, handles, files, self._slices)), self._options)

    def conclude(self, values):
        row = values["comparison"]
        comparison = None if row is None else BeforeAfter.from_json(row)
        return TrainingOutcome(values["checkpoint"], values["validation_dice"], values["cancelled"], comparison)


def _known(options: FinetuneOptions) -> LabelTable | None:
    """The labels of the checkpoint to go on from."""
    return None if options.checkpoint is None else read_info(find_folder(options.checkpoint)).labels
