"""From a CT to its label map, slice by slice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from SAMedCore.checkpoint.folder import CheckpointInfo, find_folder
from SAMedCore.checkpoint.load import load_merged
from SAMedCore.devices import choose_device, choose_dtype, exact_products
from SAMedCore.errors import Cancelled, SAMedError
from SAMedCore.image.labels import LabelTable
from SAMedCore.image.orientation import restore_orientation, turned_view
from SAMedCore.image.slices import check_slices, from_the_feet, part_of_slices
from SAMedCore.image.volume import Image, LabelMap, Volume
from SAMedCore.model.resizing import resize
from SAMedCore.model.sam import Sam
from SAMedCore.model.stopping import stopping

IN_PLANE_ORIENTATIONS = ("LPS", "RPS", "LAS", "RAS", "PLS", "PRS", "ALS", "ARS")
BATCH_ON_GPU = 16
AUTO_SLICES = 5

Progress = Callable[[dict], None]
Finished = Callable[[tuple[slice, slice, slice]], None]
Answer = tuple[list[int], torch.Tensor, Callable[[], np.ndarray]]


@dataclass(frozen=True)
class Segmentation:
    """A segmentation and, where asked for, its class probabilities.

    Attributes:
        labelmap: on the volume's own grid.
        probabilities: (classes + 1, k, j, i) float16 on the same grid, background first; or None.
    """

    labelmap: LabelMap
    probabilities: np.ndarray | None = None


class Segmenter:
    """A loaded checkpoint on a device.

    Args:
        sam: with LoRA merged.
        info: the checkpoint's description.
        device: "auto", "cpu", "cuda", "cuda:1" or "mps".
        precision: "auto" (bf16 where the GPU has it, else fp32), "fp32", "bf16" or "fp16".

    Example:
        >>> model = load_model("abdomen-demo")
        >>> labelmap = model.segment(read_volume("ct.nii.gz"), progress=print)
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

    def segment(self, volume: Volume, **options) -> LabelMap:
        """The label map alone; options and errors as in `segment_with_probabilities`."""
        return self.segment_with_probabilities(volume, **options).labelmap

    def segment_with_probabilities(
        self,
        volume: Volume,
        labels: Iterable[str] | None = None,
        slices: Sequence[int] | None = None,
        batch_size: int | None = None,
        largest_component: bool = False,
        probabilities: bool = False,
        out: np.ndarray | None = None,
        finished: Finished | None = None,
        progress: Progress | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Segmentation:
        """Segment a CT.

        Args:
            volume: HU, any orientation.
            labels: names to keep; None for all.
            slices: axial slices to segment, counted from the feet; None for all.
            batch_size: slices at a time; None for the device's own. Halved where a GPU runs out of memory.
            largest_component: keep each label's largest 26-connected component only.
            probabilities: also return the softmax over the classes.
            out: zeros of the volume's shape and `label_dtype`, to become the label map's voxels.
            finished: called after each batch with the part of the label map, along the volume's own k, j, i, that it filled.
            progress: called with {"event": "progress", "done": slices, "total": slices}.
            cancelled: asked between the network's layers; True raises Cancelled.

        Raises:
            InputError: an unknown label, slices outside the volume, or numbers where the model's slices are not axial.
            Cancelled: `cancelled` said so.
        """
        kept = self.labels if labels is None else self.labels.subset(labels)
        with stopping(self.sam, cancelled):
            code = self.orientation_for(volume)
        oriented = turned_view(volume, code)
        chosen = _along_k(slices, oriented.voxels.shape[0], code)
        shape = oriented.voxels.shape
        class_values = np.array([0, *self.labels.values], dtype=self.label_dtype)
        class_values[[value not in (0, *kept.values) for value in class_values]] = 0
        stored = np.zeros(volume.voxels.shape, dtype=self.label_dtype) if out is None else out
        voxels = turned_view(Image(stored, volume.ijk_to_lps), code).voxels
        soft = np.zeros((len(self.labels) + 1, *shape), dtype=np.float16) if probabilities else None
        done = 0
        answers = self._answers(self.low_res_logits(oriented.voxels, chosen, batch_size, cancelled))
        for indices, low_res_logits, classes in one_ahead(answers) if self.device.type == "cuda" else answers:
            voxels[indices] = class_values[self.info.preprocessing.restore_labels(classes(), shape[1:])]
            if soft is not None:
                soft[:, indices] = self._softmax(low_res_logits, shape[1:])
            done += len(indices)
            if finished is not None:
                finished(part_of_slices(volume.grid, code, min(indices), max(indices)))
            if progress is not None:
                progress({"event": "progress", "done": done, "total": len(chosen)})
        if largest_component:
            voxels[:] = keep_largest_components(voxels)
        labelmap = LabelMap(stored, volume.ijk_to_lps, kept)
        return Segmentation(labelmap, None if soft is None else _restore_channels(soft, oriented, volume))

    def low_res_logits(
        self,
        voxels: np.ndarray,
        chosen: Sequence[int],
        batch_size: int | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Iterator[tuple[list[int], torch.Tensor]]:
        """The network's answer to the chosen slices of `voxels` (k, j, i), in HU and the orientation of `orientation_for`.

        Yields:
            (slice indices, low_res_logits (B, classes + 1, L, L) float32 on the device).

        Raises:
            Cancelled: `cancelled` said so.
            SAMedError: the GPU has too little memory for one slice.
        """
        size = batch_size or (BATCH_ON_GPU if self.device.type == "cuda" else 1)
        start = 0
        while start < len(chosen):
            if cancelled is not None and cancelled():
                raise Cancelled
            indices = list(chosen[start : start + size])
            with stopping(self.sam, cancelled):
                low_res_logits = self._forward_if_it_fits(voxels[indices])
            if low_res_logits is None:
                size = len(indices) // 2
                torch.cuda.empty_cache()
                continue
            yield indices, low_res_logits
            start += len(indices)

    def _forward_if_it_fits(self, slices: np.ndarray) -> torch.Tensor | None:
        """`_forward`, or None where the GPU has too little memory for so many slices: what it held goes with the error."""
        try:
            return self._forward(slices)
        except torch.cuda.OutOfMemoryError as error:
            if len(slices) == 1:
                raise SAMedError("The GPU has too little memory for one slice: choose --device cpu.") from error
            return None

    @torch.inference_mode()
    def _forward(self, slices: np.ndarray) -> torch.Tensor:
        """Slices (B, H, W) in HU to low_res_logits (B, classes + 1, L, L) float32."""
        preprocessing = self.info.preprocessing
        with exact_products():
            images = resize(self._on_device(preprocessing.images_of(slices)), preprocessing)
            if self.dtype is torch.float32:
                return self.sam(images)
        with torch.autocast(self.device.type, self.dtype):
            return self.sam(images).float()

    def _on_device(self, images: np.ndarray) -> torch.Tensor:
        """From pinned memory a GPU takes them while it still computes and this process goes on."""
        tensor = torch.from_numpy(images)
        return tensor.pin_memory().to(self.device, non_blocking=True) if self.device.type == "cuda" else tensor.to(self.device)

    def _answers(self, batches: Iterable[tuple[list[int], torch.Tensor]]) -> Iterator[Answer]:
        """What `low_res_logits` yields, and a function that waits for the classes of the input pixels, (B, S, S) uint8."""
        for indices, low_res_logits in batches:
            classes = self._classes(low_res_logits)
            if classes.device.type == "cuda":
                # the copy is in line behind this batch, ahead of the next one
                pinned = torch.empty(classes.shape, dtype=classes.dtype, pin_memory=True)
                pinned.copy_(classes, non_blocking=True)
                copied = torch.cuda.Event()
                copied.record(torch.cuda.current_stream(classes.device))
                yield indices, low_res_logits, partial(_wait_for, copied, pinned)
            else:
                yield indices, low_res_logits, classes.cpu().numpy

    @torch.inference_mode()
    def _classes(self, low_res_logits: torch.Tensor) -> torch.Tensor:
        """The winning class of each input pixel, (B, S, S) uint8: argmax needs no softmax, and takes one class at a time."""
        size = (self.sam.input_size, self.sam.input_size)
        best = _upscale(low_res_logits[:, :1], size)
        classes = torch.zeros(best.shape, dtype=torch.uint8, device=best.device)
        for index in range(1, low_res_logits.shape[1]):
            logit = _upscale(low_res_logits[:, index : index + 1], size)
            classes.masked_fill_(logit > best, index)
            best = torch.maximum(best, logit)
        return classes[:, 0]

    @torch.inference_mode()
    def _softmax(self, low_res_logits: torch.Tensor, shape: tuple[int, int]) -> np.ndarray:
        """Probabilities (classes + 1, B, H, W) float16, taken from the input pixel that gave the voxel its label."""
        size = self.sam.input_size
        soft = _upscale(low_res_logits, (size, size)).softmax(1).half().cpu().numpy()
        rows, columns = self.info.preprocessing.sources(shape)
        return soft[:, :, rows[:, None], columns].swapaxes(0, 1)

    def orientation_for(self, volume: Volume) -> str:
        """The checkpoint's orientation, or for "auto" the in-plane one in which the model is surest on a few slices."""
        if self.info.preprocessing.orientation != "auto":
            return self.info.preprocessing.orientation
        return max(IN_PLANE_ORIENTATIONS, key=lambda code: self._confidence(turned_view(volume, code).voxels))

    def _confidence(self, voxels: np.ndarray) -> float:
        """How far the model is from guessing: the mean probability of the foreground it sees, times its extent."""
        middle = np.linspace(0, len(voxels) - 1, AUTO_SLICES + 2).round().astype(int)[1:-1]
        soft = torch.cat([logits for _, logits in self.low_res_logits(voxels, middle.tolist())]).softmax(1)
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


def one_ahead(answers: Iterator[Answer]) -> Iterator[Answer]:
    """Each answer after the next has been asked for: a GPU works on that one meanwhile."""
    waiting = next(answers, None)
    while waiting is not None:
        following = next(answers, None)
        yield waiting
        waiting = following


def keep_largest_components(voxels: np.ndarray) -> np.ndarray:
    """Each label's largest 26-connected component (k, j, i); the smaller ones become background."""
    from scipy.ndimage import find_objects, label

    kept = np.zeros_like(voxels)
    for value, box in enumerate(find_objects(voxels), start=1):
        if box is not None:
            components, _ = label(voxels[box] == value, structure=np.ones((3, 3, 3)))
            largest = np.bincount(components.ravel())[1:].argmax() + 1
            kept[box][components == largest] = value
    return kept


def _wait_for(copied: torch.cuda.Event, pinned: torch.Tensor) -> np.ndarray:
    copied.synchronize()
    return pinned.numpy()


def _upscale(logits: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    if tuple(logits.shape[-2:]) == size:
        return logits
    return F.interpolate(logits, size, mode="bilinear", align_corners=False)


def _along_k(slices: Sequence[int] | None, count: int, code: str) -> Sequence[int]:
    """Slices from the feet as they are counted along k in the orientation `code`."""
    if slices is None:
        return range(count)
    numbers = from_the_feet(slices, count, code)
    check_slices(slices, count)
    return numbers


def _restore_channels(soft: np.ndarray, oriented: Volume, volume: Volume) -> np.ndarray:
    channels = [restore_orientation(replace(oriented, voxels=channel), like=volume.grid).voxels for channel in soft]
    return np.stack(channels)
