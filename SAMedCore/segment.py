"""From a scan to its label map, slice by slice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from SAMedCore.checkpoint.folder import CheckpointInfo, find_folder
from SAMedCore.checkpoint.load import load_merged
from SAMedCore.devices import choose_device, choose_dtype, exact_products
from SAMedCore.errors import SAMedError
from SAMedCore.image.components import keep_largest_components
from SAMedCore.image.labels import LabelTable
from SAMedCore.image.orientation import orientation_of, turned_view
from SAMedCore.image.segmentation import Segmentation
from SAMedCore.image.slices import chosen_along_k, part_of_slices
from SAMedCore.image.volume import Image, LabelMap, Volume
from SAMedCore.model.answers import one_ahead, softmax, with_classes
from SAMedCore.model.embeddings import Embeddings
from SAMedCore.model.preprocessing import Preprocessing
from SAMedCore.model.resizing import resize
from SAMedCore.model.sam import Sam
from SAMedCore.model.stopping import stopping
from SAMedCore.model.uncertainty import Uncertainty
from SAMedCore.options import ModelOptions, SegmentOptions
from SAMedCore.work import SILENT, Event, FinishedSlices, Work

IN_PLANE_ORIENTATIONS = ("LPS", "RPS", "LAS", "RAS", "PLS", "PRS", "ALS", "ARS")
BATCH_ON_GPU = 16
AUTO_SLICES = 5


class Segmenter:
    """A loaded checkpoint on a device.

    Args:
        sam: with LoRA merged.
        info: the checkpoint's description.
        device: "auto", "cpu", "cuda", "cuda:1" or "mps".
        precision: "auto" (bf16 where the GPU has it, else fp32), "fp32", "bf16" or "fp16".

    Example:
        >>> model = load_model("abdomen-demo")
        >>> labelmap = model.segment(read_volume("ct.nii.gz"), labels=["liver"], progress=print)
    """

    def __init__(self, sam: Sam, info: CheckpointInfo, device: str = "auto", precision: str = "auto") -> None:
        self.info = info
        self.device = choose_device(device)
        self.dtype = choose_dtype(precision, self.device)
        self.sam = sam.eval().to(self.device)

    @property
    def labels(self) -> LabelTable:
        return self.info.labels

    @property
    def label_dtype(self) -> np.dtype:
        """Of the label maps: uint8 unless a label's value is larger."""
        return np.dtype(np.uint16 if max(self.labels.values) > 255 else np.uint8)

    def segment(
        self,
        volume: Volume,
        options: SegmentOptions | None = None,
        work: Work = SILENT,
        *,
        progress: Callable[[Event], None] | None = None,
        **fields: Any,
    ) -> LabelMap:
        """The label map alone, as `segment_with_probabilities`.

        Args:
            progress: told each event, where that is all that is wanted of a `Work`.
            fields: those of `SegmentOptions`, by name, in place of or over `options`.
        """
        if progress is not None:
            work = Work(progress, work.is_cancelled)
        return self.segment_with_probabilities(volume, replace(options or SegmentOptions(), **fields), work).labelmap

    def segment_with_probabilities(
        self,
        volume: Volume,
        options: SegmentOptions,
        work: Work = SILENT,
        *,
        out: np.ndarray | None = None,
        uncertainty_out: np.ndarray | None = None,
        embeddings: Embeddings | None = None,
    ) -> Segmentation:
        """Segment a scan.

        Args:
            volume: in any orientation.
            options: which labels and slices, and how.
            work: told "segmenting", in slices, and the part of the label map that each batch has filled, and before that
                where the checkpoint is for other scans; asked between the network's layers.
            out: zeros of the volume's shape and `label_dtype`, to become the label map's voxels.
            uncertainty_out: zeros of the volume's shape, float16, to become the uncertainty where the options ask for it.
            embeddings: of this volume by this model: those that are there are not encoded again, the others are added.

        Raises:
            InputError: an unknown label, slices outside the volume, or numbers where the model's slices are not axial.
            Cancelled: the user stopped the work.
            SAMedError: the GPU has too little memory for one slice.
        """
        kept = self.labels if options.labels is None else self.labels.subset(options.labels)
        self.info.note_misfit(volume, work)
        code = self.orientation_for(volume, work, embeddings)
        oriented = turned_view(volume, code)
        shape = oriented.voxels.shape
        chosen = chosen_along_k(options.slices, shape[0], code)
        class_values = np.array([0, *self.labels.values], dtype=self.label_dtype)
        class_values[[value not in (0, *kept.values) for value in class_values]] = 0
        stored = np.zeros(volume.voxels.shape, dtype=self.label_dtype) if out is None else out
        voxels = _turned(stored, volume, code)
        soft = np.zeros((len(class_values), *volume.voxels.shape), dtype=np.float16) if options.probabilities else None
        channels = [] if soft is None else [_turned(channel, volume, code) for channel in soft]
        preprocessing, size = self.info.preprocessing, self.sam.input_size
        unsure = Uncertainty(volume, code, preprocessing, uncertainty_out) if options.uncertainty else None
        done = 0
        batches = self.low_res_logits(oriented, chosen, work, batch_size=options.batch_size, embeddings=embeddings)
        answers = with_classes(batches, size)
        for indices, low_res_logits, classes in one_ahead(answers) if self.device.type == "cuda" else answers:
            voxels[indices] = class_values[preprocessing.restore_labels(classes(), shape[1:])]
            if soft is not None:
                restored = preprocessing.restore_labels(softmax(low_res_logits, size), shape[1:])
                for channel, probabilities in zip(channels, restored.swapaxes(0, 1), strict=True):
                    channel[indices] = probabilities
            if unsure is not None:
                unsure.add(indices, low_res_logits)
            done += len(indices)
            work.tell(FinishedSlices(part_of_slices(volume.grid, code, min(indices), max(indices))))
            work.step("segmenting", done, len(chosen))
        if options.largest_component:
            voxels[:] = keep_largest_components(voxels)
        labelmap = LabelMap(stored, volume.ijk_to_lps, kept)
        if unsure is None:
            return Segmentation(labelmap, soft)
        doubts = dict(zip(self.labels.names, unsure.structures(), strict=True))
        return Segmentation(labelmap, soft, unsure.voxels, unsure.axial_slices(), {name: doubts[name] for name in kept.names})

    def low_res_logits(
        self,
        oriented: Volume,
        chosen: Sequence[int],
        work: Work = SILENT,
        *,
        batch_size: int | None = None,
        embeddings: Embeddings | None = None,
    ) -> Iterator[tuple[list[int], torch.Tensor]]:
        """The network's answer to chosen slices along k of a volume in the orientation of `orientation_for`.

        Args:
            batch_size, embeddings: as in `segment_with_probabilities`.

        Yields:
            (slice indices, low_res_logits (B, classes + 1, L, L) float32 on the device).

        Raises:
            Cancelled: the user stopped the work.
            SAMedError: the GPU has too little memory for one slice.
        """
        size = batch_size or (BATCH_ON_GPU if self.device.type == "cuda" else 1)
        start, preprocessing = 0, self.info.preprocessing.fit(oriented)
        while start < len(chosen):
            work.stop_if_cancelled()
            indices = list(chosen[start : start + size])
            with stopping(self.sam, work):
                low_res_logits = self._forward_if_it_fits(oriented, indices, preprocessing, embeddings)
            if low_res_logits is None:
                size = max(1, len(indices) // 2)
                if embeddings is not None:
                    embeddings.clear()
                    embeddings = None
                torch.cuda.empty_cache()
                continue
            yield indices, low_res_logits
            start += len(indices)

    def _forward_if_it_fits(
        self, oriented: Volume, indices: list[int], preprocessing: Preprocessing, embeddings: Embeddings | None
    ) -> torch.Tensor | None:
        """`_forward`, or None where the GPU has too little memory for so much: what it held goes with the error."""
        try:
            return self._forward(oriented, indices, preprocessing, embeddings)
        except torch.cuda.OutOfMemoryError as error:
            if len(indices) == 1 and embeddings is None:
                raise SAMedError("the GPU has too little memory for one slice: choose the CPU as the device.") from error
            return None

    @torch.inference_mode()
    def _forward(
        self, oriented: Volume, indices: list[int], preprocessing: Preprocessing, embeddings: Embeddings | None
    ) -> torch.Tensor:
        """Slices along k to low_res_logits (B, classes + 1, L, L) float32."""
        image_embedding = self._encoded(oriented, indices, preprocessing, embeddings)
        with self._numbers():
            return self.sam.decode(image_embedding).float()

    def _encoded(
        self, oriented: Volume, indices: list[int], preprocessing: Preprocessing, embeddings: Embeddings | None
    ) -> torch.Tensor:
        """Slices along k to image_embedding (B, 256, E, E); only those that are not among `embeddings` are computed."""
        if embeddings is None:
            return self._encode(oriented.voxels[indices], preprocessing)
        code = orientation_of(oriented.grid)
        kept = {index: embeddings.get((code, index)) for index in indices}
        missing = [index for index, embedding in kept.items() if embedding is None]
        if missing:
            for index, embedding in zip(missing, self._encode(oriented.voxels[missing], preprocessing).split(1), strict=True):
                # a copy: a part of the batch would hold all of it
                kept[index] = embeddings[code, index] = embedding.clone()
        return torch.cat([kept[index] for index in indices])  # type: ignore[misc]

    def _encode(self, slices: np.ndarray, preprocessing: Preprocessing) -> torch.Tensor:
        """Slices (B, H, W) to image_embedding (B, 256, E, E); the preprocessing is fitted to their volume."""
        with exact_products():
            images = resize(self._on_device(preprocessing.images_of(slices)), preprocessing)
        with self._numbers():
            return self.sam.encode(images)

    def _on_device(self, images: np.ndarray) -> torch.Tensor:
        """From pinned memory a GPU takes them while it still computes and this process goes on."""
        tensor = torch.from_numpy(images)
        return tensor.pin_memory().to(self.device, non_blocking=True) if self.device.type == "cuda" else tensor.to(self.device)

    def _numbers(self) -> AbstractContextManager[Any]:
        """Inside the block the network computes in this model's precision."""
        return exact_products() if self.dtype is torch.float32 else torch.autocast(self.device.type, self.dtype)

    def orientation_for(self, volume: Volume, work: Work = SILENT, embeddings: Embeddings | None = None) -> str:
        """The checkpoint's orientation, or for "auto" the in-plane one in which the model is surest on a few slices.

        Raises:
            Cancelled, SAMedError: as `low_res_logits`.
        """
        if self.info.preprocessing.orientation != "auto":
            return self.info.preprocessing.orientation
        turned = {code: turned_view(volume, code) for code in IN_PLANE_ORIENTATIONS}
        return max(turned, key=lambda code: self._confidence(turned[code], work, embeddings))

    def _confidence(self, oriented: Volume, work: Work, embeddings: Embeddings | None) -> float:
        """How far the model is from guessing: the mean probability of the foreground it sees, times its extent."""
        middle = np.linspace(0, len(oriented.voxels) - 1, AUTO_SLICES + 2).round().astype(int)[1:-1].tolist()
        batches = self.low_res_logits(oriented, middle, work, embeddings=embeddings)
        soft = torch.cat([low_res_logits for _, low_res_logits in batches]).softmax(1)
        probability, winner = soft.max(1)
        return float((probability * (winner > 0)).mean())


def load_model(
    checkpoint: str | Path, device: str = "auto", precision: str = "auto", base_weights: Path | None = None
) -> Segmenter:
    """A checkpoint ready to segment.

    Args:
        checkpoint: a checkpoint folder, or a name from the catalogue.
        device, precision: as in `Segmenter`.
        base_weights: the base model's weights file; None for the one in the cache folder.

    Raises:
        InputError: it is missing or damaged, or its base model is missing or wrong.
    """
    return Segmenter(*load_merged(find_folder(checkpoint), base_weights), device, precision)


def load_segmenter(options: ModelOptions) -> Segmenter:
    """`load_model`, as it was asked for in `options`."""
    return load_model(options.checkpoint, options.device, options.precision, options.weights)


def _turned(stored: np.ndarray, volume: Volume, code: str) -> np.ndarray:
    """A view of voxels on the volume's grid, as they lie in the orientation `code`."""
    return turned_view(Image(stored, volume.ijk_to_lps), code).voxels
