"""What Slicer's Python console and scripts call: blocking, with progress on the console, without any widget."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode

from SAMedCore.image.prompts import StructurePrompts
from SAMedCore.options import (
    DEFAULT_BASE,
    CompleteOptions,
    FinetuneOptions,
    ModelOptions,
    PromptOptions,
    RankOptions,
    SegmentOptions,
)
from SAMedCore.service import messages
from SAMedLib.jobs.cohort import SegmentCohortJob
from SAMedLib.jobs.complete import CompleteJob, CompletionOutcome
from SAMedLib.jobs.consoleListener import ConsoleListener
from SAMedLib.jobs.finetune import FinetuneJob, Scan, TrainingOutcome
from SAMedLib.jobs.job import Job
from SAMedLib.jobs.rank import DoubtfulSlice, RankJob
from SAMedLib.jobs.segment import SegmentJob, newSegmentationNode, writeModelSlices
from SAMedLib.jobs.structures import promptedStructures
from SAMedLib.scene.nextSlices import slicesByGap
from SAMedLib.scene.provenance import drawnSlices
from SAMedLib.scene.reading import readAnnotation
from SAMedLib.scene.segments import holdsAnything
from SAMedLib.scene.uncertainty import doubtInWords
from SAMedLib.scene.volumes import readVolume
from SAMedLib.scene.writing import checkOutput
from SAMedLib.setup.install import requirePackages
from SAMedLib.worker.client import Worker
from SAMedLib.worker.elsewhere import workerFor


class ConsoleApi:
    """Methods of `SAMedLogic`; each waits for the worker while Slicer goes on answering.

    Slices are axial ones, counted from the feet. Every method raises SAMedError with a sentence for the person: packages or a
    model are missing, a node is of no use, the worker failed.
    """

    worker: Worker

    def segment(
        self,
        volumeNode: vtkMRMLScalarVolumeNode,
        checkpoint: str | Path,
        segmentationNode: vtkMRMLSegmentationNode | None = None,
        organs: Sequence[str] | None = None,
        slices: Sequence[int] | None = None,
        base: str | Path | None = None,
        device: str = "auto",
        **more,
    ) -> vtkMRMLSegmentationNode:
        """Segment a volume.

        Args:
            checkpoint: a folder, or a name of the catalogue, for example "abdomen-demo".
            segmentationNode: takes the result; None makes a new one.
            organs: names to segment; None for all.
            slices: None for all.
            base: the base model's weights file; None for the one in the cache folder.
            device: "auto", "cpu", "cuda:0" or "mps"; "ssh://host" is another computer (see Docs/remote.md).
            more: uncertainty, largest_component and so on; see `SegmentOptions`. With `uncertainty=True` the scene gets the
                volume "<volume> uncertainty" too, and the console says of which structures the model is least sure.
        """
        model, options = _model(checkpoint, base, device), SegmentOptions(_tuple(organs), _tuple(slices), **more)
        job = SegmentJob(self.workerFor(device), volumeNode, segmentationNode, model, options)
        outcome = self._wait(job, volumeNode.GetName())
        if job.doubt is not None:
            print(f"{volumeNode.GetName()}: doubt (0 none, 1 as good as guessed) {doubtInWords(job.doubt['labels'])}")
        return outcome

    def segmentFolder(
        self,
        inputFolder: str | Path,
        outputFolder: str | Path,
        checkpoint: str | Path,
        organs: Sequence[str] | None = None,
        base: str | Path | None = None,
        device: str = "auto",
    ) -> list[Path]:
        """Segment every scan of a folder (files that SimpleITK reads, or DICOM series in subfolders) into .seg.nrrd files.

        A scan that fails is named on the console and the others go on; the failures are raised at the end. Called again, it
        does what is missing. `report.html` in the output folder shows all scans, the unusual ones first.

        Args:
            inputFolder: or a CSV file with a column "image", or a dataset.

        Returns:
            the segmentations.
        """
        model, options = _model(checkpoint, base, device), SegmentOptions(_tuple(organs))
        message = messages.SegmentCohort(_absolute(inputFolder), _absolute(outputFolder), model, options)
        outcome = self._wait(SegmentCohortJob(self.worker, message), Path(inputFolder).name)
        outcome.raiseFailures()
        return outcome.written

    def prompt(
        self,
        volumeNode: vtkMRMLScalarVolumeNode,
        structures: Sequence[StructurePrompts],
        segmentationNode: vtkMRMLSegmentationNode | None = None,
        base: str | Path = DEFAULT_BASE,
        device: str = "auto",
        intensities: str = "auto",
    ) -> vtkMRMLSegmentationNode:
        """Draw structures from boxes and points on some slices, and carry them on through the volume.

        Args:
            structures: of `SAMedCore.image.prompts`, their points in the LPS of the volume's own grid, its parent transform
                left aside. Several prompts on one slice correct each other in turn.
            segmentationNode: takes the result; None makes a new one.
            base: a base model of the catalogue, or a weights file.
            intensities: "ct" (HU) or "other" (percentiles); "auto" goes by DICOM, and where that says nothing by the values.

        Example:
            >>> liver = StructurePrompts("liver", (SlicePrompt(box=((-20, 40, 87), (60, 110, 87))),))
            >>> segmentationNode = logic.prompt(volumeNode, [liver])
        """
        if segmentationNode is not None:
            readVolume(volumeNode)
            checkOutput(segmentationNode, volumeNode)
        options, name = PromptOptions(str(base), device, intensities), volumeNode.GetName()
        wait = partial(self._wait, subject=name)
        labelmap = promptedStructures(self.workerFor(device), volumeNode, structures, options, wait)
        if segmentationNode is None:
            segmentationNode = newSegmentationNode(volumeNode)
        writeModelSlices(segmentationNode, labelmap, volumeNode, None)
        return segmentationNode

    def complete(
        self,
        volumeNode: vtkMRMLScalarVolumeNode,
        segmentationNode: vtkMRMLSegmentationNode,
        annotatedSlices: Sequence[int] | None = None,
        base: str | Path = DEFAULT_BASE,
        device: str = "auto",
        intensities: str = "auto",
    ) -> CompletionOutcome:
        """Fill in the slices between the annotated ones, in the segmentation itself; the annotated ones stay as they are.

        Args:
            annotatedSlices: None for those that a person drew.
            base: a base model of the catalogue, or a weights file.
            intensities: as in `prompt`.
        """
        options = CompleteOptions(_tuple(annotatedSlices), str(base), device, intensities=intensities)
        return self._wait(CompleteJob(self.workerFor(device), volumeNode, segmentationNode, options), volumeNode.GetName())

    def finetune(
        self,
        scans: Sequence[tuple],
        output: str | Path,
        base: str | Path | None = None,
        checkpoint: str | Path | None = None,
        leftOut: Sequence[str] = (),
        **training,
    ) -> TrainingOutcome:
        """Train on annotated scans and leave a checkpoint; whether it came out better or worse is said on the console.

        Args:
            scans: (volumeNode, segmentationNode), or with the annotated slices as a third; None for those that a person drew.
            output: the new checkpoint's folder.
            base: a base model to start from, or
            checkpoint: one to go on from.
            leftOut: names of classes that are not learnt.
            training: preset, epochs, minutes, validation, intensities, device and so on; see `FinetuneOptions`.
        """
        rows = [Scan(*row[:2], _tuple(row[2]) if len(row) > 2 else None) for row in scans]
        options = FinetuneOptions(str(output), _text(base), _text(checkpoint), **{"resume": None, **training})
        outcome = self._wait(FinetuneJob(self.workerFor(options.device), rows, options, leftOut), Path(output).name)
        if outcome.comparison is not None:
            print(outcome.comparison.summary())
        return outcome

    def rankSlices(
        self,
        volumeNode: vtkMRMLScalarVolumeNode,
        checkpoint: str | Path | None = None,
        segmentationNode: vtkMRMLSegmentationNode | None = None,
        base: str | Path | None = None,
        device: str = "auto",
    ) -> list[DoubtfulSlice]:
        """Which slices to draw or correct next; those that a person drew in `segmentationNode` are left out.

        Args:
            checkpoint: those that it is least sure of come first; with None the middle of the widest gap between drawn ones,
                at once.
        """
        if checkpoint is None:
            return [DoubtfulSlice(k) for k in slicesByGap(volumeNode, segmentationNode)]
        model, options = _model(checkpoint, base, device), RankOptions(self.annotatedSlices(volumeNode, segmentationNode))
        return self._wait(RankJob(self.workerFor(device), volumeNode, model, options), volumeNode.GetName())

    def annotatedSlices(
        self, volumeNode: vtkMRMLScalarVolumeNode, segmentationNode: vtkMRMLSegmentationNode | None
    ) -> tuple[int, ...]:
        """The slices that a person drew or corrected."""
        if segmentationNode is None or not holdsAnything(segmentationNode.GetSegmentation()):
            return ()
        return drawnSlices(segmentationNode, readAnnotation(segmentationNode, volumeNode).labelmap)

    def workerFor(self, device: str) -> Worker:
        """The worker of this computer, or that of another one ("ssh://host"), which its first job connects to."""
        return workerFor(device)

    def _wait(self, job: Job, subject: str):
        requirePackages()
        job.listener = ConsoleListener(subject)
        return job.start().wait()


def _model(checkpoint: str | Path, base: str | Path | None, device: str) -> ModelOptions:
    return ModelOptions(str(checkpoint), _text(base), device)


def _absolute(path: str | Path) -> str:
    """The worker has a current folder of its own."""
    return str(Path(path).absolute())


def _text(path: str | Path | None) -> str | None:
    return None if path is None else str(path)


def _tuple(values: Sequence | None) -> tuple | None:
    return None if values is None else tuple(values)
