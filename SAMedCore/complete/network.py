"""Filling in slices by SAM, fine-tuned on the scan's own annotated slices."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from SAMedCore.checkpoint.catalogue import check_base
from SAMedCore.complete.filler import Filler, Fold, PartialScan
from SAMedCore.complete.shapes import smooth, to_labels
from SAMedCore.image.intensities import intensities_of, other_intensities

if TYPE_CHECKING:
    from torch import Tensor

    from SAMedCore.model.promptable import Promptable

OTHER_VERSIONS = 3
"""How often an annotated slice is encoded with other contrast, brightness and noise: on the sample 0.006 more Dice."""


class Network(Filler):
    """SAM on one scan: its slices encoded as they are needed and kept, its mask decoder trained on the annotated ones.

    Its model comes back from each method as it was. Torch, which takes seconds to load, is imported with the first of them.

    Raises:
        InputError: there is no such base model, or its weights are not here.
    """

    name = "network"
    title = "the network"
    worth_it_by = 0.01
    """Less than that is within the estimate's error."""

    def __init__(self, scan: PartialScan) -> None:
        super().__init__(scan)
        if scan.model is None:
            check_base(scan.options.base)
        self._embeddings: dict[int, list[Tensor]] = {}

    def leave_out(self, folds: Sequence[Fold]) -> dict[int, np.ndarray]:
        # Each fold is trained for half as long as the whole: it has half as many slices to learn from.
        steps = max(1, self.scan.options.steps // 2)
        predictions: dict[int, np.ndarray] = {}
        with self._computing():
            self._encode(self.scan.shapes.annotated)
            for number, fold in enumerate(folds):

                def on_step(done: int, before: int = number * steps) -> None:
                    self.scan.work.step("estimating", before + done, len(folds) * steps)

                predictions |= self._learn_and_predict(fold.shown, fold.left_out, steps, on_step)
        return predictions

    def fill(self, missing: Sequence[int]) -> dict[int, np.ndarray]:
        annotated, steps = self.scan.shapes.annotated, self.scan.options.steps
        with self._computing():
            self._encode((*annotated, *missing))
            return self._learn_and_predict(annotated, missing, steps, lambda done: self.scan.work.step("training", done, steps))

    @cached_property
    def _model(self) -> Promptable:
        from SAMedCore.checkpoint.load import load_promptable

        model = self.scan.model
        if model is None:
            model = load_promptable(self.scan.options.base, self.scan.options.device)
        elif callable(model):
            model = model()
        preprocessing = model.preprocessing.suited(intensities_of(self.scan.volume, self.scan.options.intensities))
        return replace(model, preprocessing=preprocessing.fit(self.scan.volume))

    @contextmanager
    def _computing(self) -> Iterator[None]:
        from SAMedCore.devices import exact_products
        from SAMedCore.model.stopping import stopping

        with stopping(self._model.sam, self.scan.work), exact_products():
            yield

    def _learn_and_predict(
        self, shown: Sequence[int], wanted: Sequence[int], steps: int, on_step: Callable[[int], None]
    ) -> dict[int, np.ndarray]:
        from SAMedCore.complete.tune import LOGIT_LIMIT, Lesson, certain_scores, finetune, slice_scores, tunable
        from SAMedCore.model.pixel_grids import PixelGrids

        sam, shapes = self._model.sam, self.scan.shapes
        shape = shapes.labels.shape[1:]
        grids = PixelGrids(shape, shapes.spacing_mm, sam.input_size, sam.low_res_size)
        with tunable(sam) as parameters:
            finetune(sam, parameters, Lesson(shapes, shown, self._embeddings, grids), steps, self.scan.options.seed, on_step)
            scores = {}
            for done, k in enumerate(wanted, start=1):
                scores[k] = slice_scores(sam, self._embeddings[k][0], shapes.at(k, shown), grids)
                self.scan.work.step("completing", done, len(wanted))
        scores |= {k: certain_scores(shapes.own(k)) for k in shown}
        return {k: to_labels(smooth(scores, k, -LOGIT_LIMIT), shape, shapes.labels.dtype) for k in wanted}

    def _encode(self, slices: Sequence[int]) -> None:
        """Each slice as it is, and the annotated ones in `OTHER_VERSIONS` more, for training."""
        wanted = [k for k in slices if k not in self._embeddings]
        self.scan.work.step("encoding", 0, len(wanted))
        for done, k in enumerate(wanted, start=1):
            image = self._model.preprocessing.images_of(self.scan.volume.voxels[k : k + 1])
            draw = np.random.default_rng((self.scan.options.seed, k))
            others = OTHER_VERSIONS if k in self.scan.shapes.annotated else 0
            versions = [image, *(other_intensities(image, draw) for _ in range(others))]
            self._embeddings[k] = [self._model.encode(version).half().cpu() for version in versions]
            self.scan.work.step("encoding", done, len(wanted))
