"""Filling in slices by SAM, fine-tuned on the scan's own annotated slices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from SAMedCore.catalogue import BASE_MODELS
from SAMedCore.checkpoint import find_base_model, read_base
from SAMedCore.completion.estimate import Fold
from SAMedCore.completion.finetune import LOGIT_LIMIT, finetune, slice_scores, tunable
from SAMedCore.completion.interpolation import Distances, SliceShapes, smooth, to_labels
from SAMedCore.completion.prompts import SliceGrids
from SAMedCore.inference import choose_device
from SAMedCore.model.sam import Sam, build_sam
from SAMedCore.model.weights import load_base_weights
from SAMedCore.preprocessing import LITE_MEDSAM_INPUT, Preprocessing
from SAMedCore.training.augmentation import other_intensities

STEPS_PER_MINUTE = 200
"""Training steps in a minute with LiteMedSAM and eight labels on two CPU cores."""

OTHER_VERSIONS = 3
"""How often an annotated slice is encoded with other contrast, brightness and noise: on the sample 0.006 more Dice."""

SAM_CLASSES = 3
"""SAM's own mask decoder has the single-mask token and three more."""

Report = Callable[[str, int, int], None]
"""Called with phase, done and total; raises Cancelled where the user stopped the work."""


SAM_PIXEL_MEAN, SAM_PIXEL_STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
"""Of RGB images in 0..255: how SAM's own encoder was trained (segment_anything.modeling.Sam)."""


@dataclass(frozen=True, eq=False)
class Promptable:
    """A base model as it was published, prompts and all, and how it wants its slices.

    Attributes:
        sam: with SAM's own mask tokens.
        preprocessing: padded to a square, as every SAM is trained.
        pixel_mean, pixel_std: of the three channels, for slices in [0, 1].
    """

    sam: Sam
    preprocessing: Preprocessing
    pixel_mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    pixel_std: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def encode(self, images: np.ndarray) -> Tensor:
        """Images (B, H, W) as the preprocessing has them to image_embedding (B, 256, E, E) on the network's device."""
        device = self.sam.device
        resized = self.preprocessing.resize(torch.from_numpy(images).to(device))
        mean, std = (torch.tensor(three, device=device)[:, None, None] for three in (self.pixel_mean, self.pixel_std))
        with torch.no_grad():
            return self.sam.image_encoder((resized[:, None] - mean) / std)


def load_promptable(base: str | Path, device: str) -> Promptable:
    """A base model as it was published, in eval mode on the device.

    SAM's own weights want its pixel mean and standard deviation; LiteMedSAM and other files (MedSAM's) want [0, 1].

    Raises:
        InputError: the base is unknown or its weights are not here, or there is no such device.
    """
    described, weights = find_base_model(base)
    sam = build_sam(described.architecture, SAM_CLASSES)
    load_base_weights(sam, read_base(described, weights), str(base))
    sam = sam.eval().to(choose_device(device))
    if described.architecture == "lite":
        return Promptable(sam, LITE_MEDSAM_INPUT)
    preprocessing = replace(LITE_MEDSAM_INPUT, sizes=(sam.input_size,))
    if described.sha256 not in {known.sha256 for known in BASE_MODELS}:
        return Promptable(sam, preprocessing)
    mean, std = (tuple(value / 255 for value in three) for three in (SAM_PIXEL_MEAN, SAM_PIXEL_STD))
    return Promptable(sam, preprocessing, mean, std)  # type: ignore[arg-type]


class NetworkCompletion:
    """SAM on one scan: its slices encoded as they are needed and kept, its mask decoder trained on the annotated ones.

    Args:
        model: its network comes back from each method as it was.
        voxels: (k, j, i) HU, in the orientation of `shapes`.
        shapes: the annotated slices.
        minutes: of training, at `STEPS_PER_MINUTE`.
        seed: of the training.
        report: told how far the work is; may raise to stop it.
    """

    def __init__(
        self, model: Promptable, voxels: np.ndarray, shapes: SliceShapes, minutes: float, seed: int, report: Report
    ) -> None:
        self.model = model
        self.sam = sam = model.sam
        self.voxels = voxels
        self.shapes = shapes
        self.steps = max(1, round(minutes * STEPS_PER_MINUTE))
        self.seed = seed
        self.report = report
        self.grids = SliceGrids(voxels.shape[1:], shapes.spacing_mm, sam.input_size, sam.low_res_size)
        self.embeddings: dict[int, list[Tensor]] = {}

    def leave_out(self, folds: Sequence[Fold]) -> dict[int, np.ndarray]:
        """Slice -> (j, i) labels of each left-out slice, predicted from its fold's shown ones.

        Each fold is trained for half as long as the whole: it has half as many slices to learn from.
        """
        self._encode(self.shapes.annotated)
        steps = max(1, self.steps // 2)
        predictions: dict[int, np.ndarray] = {}
        for number, fold in enumerate(folds):

            def on_step(done: int, before: int = number * steps) -> None:
                self.report("estimating", before + done, len(folds) * steps)

            predictions |= self._learn_and_predict(fold.shown, fold.left_out, steps, on_step)
        return predictions

    def fill(self, missing: Sequence[int]) -> dict[int, np.ndarray]:
        """Slice -> (j, i) labels of each missing slice, predicted from all annotated ones."""
        self._encode((*self.shapes.annotated, *missing))

        def on_step(done: int) -> None:
            self.report("training", done, self.steps)

        return self._learn_and_predict(self.shapes.annotated, missing, self.steps, on_step)

    def _learn_and_predict(
        self, shown: Sequence[int], wanted: Sequence[int], steps: int, on_step: Callable[[int], None]
    ) -> dict[int, np.ndarray]:
        with tunable(self.sam) as parameters:
            finetune(self.sam, parameters, self.embeddings, self.shapes, shown, self.grids, steps, self.seed, on_step)
            scores = {}
            for done, k in enumerate(wanted, start=1):
                scores[k] = slice_scores(self.sam, self.embeddings[k][0], self.shapes.at(k, shown), self.grids)
                self.report("completing", done, len(wanted))
        certain = {k: self._certain(k) for k in shown}
        shape, dtype = self.grids.slice_shape, self.shapes.labels.dtype
        return {k: to_labels(smooth({**certain, **scores}, k, -LOGIT_LIMIT), shape, dtype) for k in wanted}

    def _certain(self, k: int) -> Distances:
        """Scores of an annotated slice: nothing can outvote what a person drew."""
        return {value: np.where(distance > 0, LOGIT_LIMIT, -LOGIT_LIMIT) for value, distance in self.shapes.own(k).items()}

    def _encode(self, slices: Sequence[int]) -> None:
        """Each slice as it is, and the annotated ones in `OTHER_VERSIONS` more, for training."""
        wanted = [k for k in slices if k not in self.embeddings]
        for done, k in enumerate(wanted, start=1):
            image = self.model.preprocessing.images_of(self.voxels[k : k + 1])
            draw = np.random.default_rng((self.seed, k))
            others = OTHER_VERSIONS if k in self.shapes.annotated else 0
            versions = [image, *(other_intensities(image, draw) for _ in range(others))]
            self.embeddings[k] = [self.model.encode(version).half().cpu() for version in versions]
            self.report("encoding", done, len(wanted))
