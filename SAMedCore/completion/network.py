"""Filling in slices by SAM, fine-tuned on the scan's own annotated slices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from SAMedCore.checkpoint import find_base_model, read_base
from SAMedCore.completion.estimate import Fold
from SAMedCore.completion.finetune import finetune, slice_scores, tunable
from SAMedCore.completion.interpolation import SliceShapes, to_labels
from SAMedCore.completion.prompts import SliceGrids
from SAMedCore.inference import choose_device
from SAMedCore.model.sam import Sam, build_sam
from SAMedCore.model.weights import load_base_weights
from SAMedCore.preprocessing import Preprocessing, resize_images, window

STEPS_PER_MINUTE = 50
"""Training steps in a minute with LiteMedSAM and eight labels on two CPU cores."""

SAM_CLASSES = 3
"""SAM's own mask decoder has the single-mask token and three more."""

Report = Callable[[str, int, int], None]
"""Called with phase, done and total; raises Cancelled where the user stopped the work."""


def load_promptable(base: str | Path, device: str) -> Sam:
    """A base model as it was published, prompts and all, in eval mode on the device.

    Raises:
        InputError: the base is unknown or its weights are not here, or there is no such device.
    """
    described, weights = find_base_model(base)
    sam = build_sam(described.architecture, SAM_CLASSES)
    load_base_weights(sam, read_base(described, weights), str(base))
    return sam.eval().to(choose_device(device))


class NetworkCompletion:
    """SAM on one scan: its slices encoded as they are needed and kept, its mask decoder trained on the annotated ones.

    Args:
        sam: prompts and weights as published; it comes back from each method as it was.
        voxels: (k, j, i) HU, in the orientation of `shapes`.
        shapes: the annotated slices.
        minutes: of training, at `STEPS_PER_MINUTE`.
        seed: of the training.
        report: told how far the work is; may raise to stop it.
    """

    def __init__(self, sam: Sam, voxels: np.ndarray, shapes: SliceShapes, minutes: float, seed: int, report: Report) -> None:
        self.sam = sam
        self.voxels = voxels
        self.shapes = shapes
        self.steps = max(1, round(minutes * STEPS_PER_MINUTE))
        self.seed = seed
        self.report = report
        self.grids = SliceGrids(voxels.shape[1:], shapes.spacing_mm, sam.input_size, sam.low_res_size)
        self.embeddings: dict[int, Tensor] = {}

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
            predictions = {}
            for done, k in enumerate(wanted, start=1):
                predictions[k] = self._predict(k, shown)
                self.report("completing", done, len(wanted))
            return predictions

    def _predict(self, k: int, shown: Sequence[int]) -> np.ndarray:
        scores = slice_scores(self.sam, self.embeddings[k], self.shapes.at(k, shown), self.grids)
        return to_labels(scores, self.grids.slice_shape, self.shapes.labels.dtype)

    def _encode(self, slices: Sequence[int]) -> None:
        preprocessing = Preprocessing(sizes=(self.sam.input_size,))
        wanted = [k for k in slices if k not in self.embeddings]
        for done, k in enumerate(wanted, start=1):
            image = torch.from_numpy(window(self.voxels[k : k + 1], preprocessing.window_hu)).to(self.sam.device)
            with torch.no_grad():
                self.embeddings[k] = self.sam.encode(resize_images(image, preprocessing.sizes)).half().cpu()
            self.report("encoding", done, len(wanted))
