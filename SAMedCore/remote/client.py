"""One job after the other on another computer, for programs that wait for each."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from SAMedCore.address import Address
from SAMedCore.errors import InputError
from SAMedCore.image.labels import LabelTable
from SAMedCore.image.prompts import StructurePrompts
from SAMedCore.image.segmentation import Prompted, Segmentation
from SAMedCore.image.volume import Image, LabelMap, Volume
from SAMedCore.options import CompleteOptions, FinetuneOptions, ModelOptions, PromptOptions, SegmentOptions
from SAMedCore.remote.near_process import NearProcess
from SAMedCore.service import messages
from SAMedCore.service.carried import LabelFile, VoxelFile, label_file, voxel_file
from SAMedCore.work import SILENT, Work


class Elsewhere:
    """The worker on another computer. It is started by the first thing that is asked, and again after the connection broke.

    Args:
        device: as `Address` has it.

    Raises:
        InputError: it is no address.

    Example:
        >>> with Elsewhere("ssh://gpu") as elsewhere:
        ...     labelmap = elsewhere.segment(volume, ModelOptions("CHECKPOINT")).labelmap
    """

    def __init__(self, device: str) -> None:
        self._near = NearProcess(Address.parse(device))
        self._files = 0

    def __enter__(self) -> Elsewhere:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def segment(self, volume: Volume, model: ModelOptions, options: SegmentOptions, work: Work = SILENT) -> Segmentation:
        """As `Segmenter.segment_with_probabilities`, which also says what it raises, and as `NearProcess.ask`.

        Raises:
            InputError: the probabilities are asked for.
        """
        if options.probabilities:
            raise InputError("the class probabilities do not come back from another computer: leave them out.")
        with self._opened(volume, work) as handle:
            values = self._near.ask(messages.Segment(handle, model, options), work)
        uncertainty = None if values["uncertainty"] is None else _taken(values["uncertainty"])
        doubt = values["doubt"] or {"labels": None, "slices": None}
        slices = doubt["slices"] and tuple(np.nan if value is None else value for value in doubt["slices"])
        return Segmentation(_labelmap(values["labelmap"]), None, uncertainty, slices, doubt["labels"])

    def segmenter(self, model: ModelOptions) -> SegmenterElsewhere:
        """A checkpoint for one scan after the other, as `load_segmenter` gives one here."""
        return SegmenterElsewhere(self, model)

    def prompt(
        self,
        volume: Volume,
        structures: Sequence[StructurePrompts],
        options: PromptOptions,
        work: Work = SILENT,
        answer: LabelMap | None = None,
    ) -> Prompted:
        """As `prompt_volume`, and as `NearProcess.ask`."""
        with self._opened(volume, work) as handle, self._handed_over(answer) as file:
            values = self._near.ask(
                messages.PromptVolume(handle, tuple(structures), options, cast(LabelFile | None, file)), work
            )
        confidence = {name: {int(k): sure for k, sure in slices} for name, slices in values["confidence"].items()}
        kept = {name: tuple(slices) for name, slices in values["kept"].items()}
        return Prompted(replace(_labelmap(values["labelmap"]), person_drew=True), confidence, kept)

    def complete(
        self, volume: Volume, labelmap: LabelMap, options: CompleteOptions, work: Work = SILENT
    ) -> tuple[LabelMap, dict[str, Any]]:
        """The completed label map, and the other values of the result of a `messages.Complete`.

        As `complete`, and as `NearProcess.ask`.
        """
        with self._opened(volume, work) as handle, self._handed_over(labelmap) as file:
            values = self._near.ask(messages.Complete(handle, cast(LabelFile, file), options), work)
        return replace(_labelmap(values.pop("labelmap")), person_drew=True), values

    def finetune(
        self,
        scans: Sequence[tuple[Volume, LabelMap, tuple[int, ...] | None]],
        options: FinetuneOptions,
        work: Work = SILENT,
    ) -> dict[str, Any]:
        """Train on annotated scans there and leave the checkpoint here; the values of the result of a `messages.Finetune`.

        Args:
            scans: each with the slices that are learnt from, counted from the feet; None for what the options say.

        As `finetune`, and as `NearProcess.ask`.
        """
        with contextlib.ExitStack() as stack:
            annotated = []
            for volume, labelmap, slices in scans:
                handle = stack.enter_context(self._opened(volume, work))
                file = cast(LabelFile, stack.enter_context(self._handed_over(labelmap)))
                annotated.append(messages.AnnotatedScan(handle, file, slices))
            return self._near.ask(messages.Finetune(tuple(annotated), options), work)

    def close(self) -> None:
        """End the connection, and what was asked over it."""
        self._near.close()

    @contextlib.contextmanager
    def _opened(self, volume: Volume, work: Work) -> Iterator[str]:
        """The volume's handle, while it is open there."""
        with self._handed_over(volume) as file:
            handle = Path(cast(VoxelFile, file).path).stem
            self._near.ask(messages.OpenVolume(handle, cast(VoxelFile, file), volume.modality), work)
            try:
                yield handle
            finally:
                if self._near.is_running:
                    self._near.ask(messages.CloseVolume(handle))

    @contextlib.contextmanager
    def _handed_over(self, image: Image | None) -> Iterator[VoxelFile | LabelFile | None]:
        """The image in a file of the private folder."""
        if image is None:
            yield None
            return
        self._files += 1
        path = self._near.folder / f"image-{self._files}.npy"
        path.parent.mkdir(mode=0o700, exist_ok=True)
        np.save(path, image.voxels)
        try:
            yield (
                label_file(path, image.ijk_to_lps, image.labels)
                if isinstance(image, LabelMap)
                else voxel_file(path, image.ijk_to_lps)
            )
        finally:
            path.unlink(missing_ok=True)


class SegmenterElsewhere:
    """What of a `Segmenter` works elsewhere.

    Attributes:
        device: the address, for a report.
    """

    def __init__(self, elsewhere: Elsewhere, model: ModelOptions) -> None:
        self.device = model.device
        self._elsewhere = elsewhere
        self._model = model

    def segment_with_probabilities(self, volume: Volume, options: SegmentOptions, work: Work = SILENT) -> Segmentation:
        """As `Elsewhere.segment`."""
        return self._elsewhere.segment(volume, self._model, options, work)


def _labelmap(row: dict[str, Any]) -> LabelMap:
    return LabelMap(_taken(row), np.array(row["ijk_to_lps"]), LabelTable.from_json(row["labels"]))


def _taken(row: dict[str, Any]) -> np.ndarray:
    """The array of a result, in memory; its file is removed."""
    path = Path(row["path"])
    voxels = np.load(path)
    path.unlink()
    return voxels
