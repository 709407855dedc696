"""Filling in slices by SAM, fine-tuned on the scan's own annotated slices."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from torch import Tensor

from SAMedCore.complete.choose import Fold
from SAMedCore.complete.prompts import PixelGrids
from SAMedCore.complete.shapes import Distances, SliceShapes, smooth, to_labels
from SAMedCore.complete.tune import LOGIT_LIMIT, finetune, slice_scores, tunable
from SAMedCore.model.promptable import Promptable
from SAMedCore.train.augment import other_intensities

OTHER_VERSIONS = 3
"""How often an annotated slice is encoded with other contrast, brightness and noise: on the sample 0.006 more Dice."""

Report = Callable[[str, int, int], None]
"""Called with phase, done and total; raises Cancelled where the user stopped the work."""


class NetworkCompletion:
    """SAM on one scan: its slices encoded as they are needed and kept, its mask decoder trained on the annotated ones.

    Args:
        model: its network comes back from each method as it was.
        voxels: (k, j, i) HU, in the orientation of `shapes`.
        shapes: the annotated slices.
        steps: of training; see `complete`.
        seed: of the training.
        report: told how far the work is; may raise to stop it.
    """

    def __init__(
        self, model: Promptable, voxels: np.ndarray, shapes: SliceShapes, steps: int, seed: int, report: Report
    ) -> None:
        self.model = model
        self.sam = sam = model.sam
        self.voxels = voxels
        self.shapes = shapes
        self.steps = steps
        self.seed = seed
        self.report = report
        self.grids = PixelGrids(voxels.shape[1:], shapes.spacing_mm, sam.input_size, sam.low_res_size)
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
        self.report("encoding", 0, len(wanted))
        for done, k in enumerate(wanted, start=1):
            image = self.model.preprocessing.images_of(self.voxels[k : k + 1])
            draw = np.random.default_rng((self.seed, k))
            others = OTHER_VERSIONS if k in self.shapes.annotated else 0
            versions = [image, *(other_intensities(image, draw) for _ in range(others))]
            self.embeddings[k] = [self.model.encode(version).half().cpu() for version in versions]
            self.report("encoding", done, len(wanted))
