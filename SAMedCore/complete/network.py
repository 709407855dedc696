"""Filling in slices by SAM, fine-tuned on the scan's own annotated slices."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from SAMedCore.checkpoint.catalogue import check_base
from SAMedCore.complete.filler import Filler, Fold, PartialScan, Scores
from SAMedCore.complete.shapes import Distances, certain_scores, smooth
from SAMedCore.image.intensities import intensities_of, other_intensities

if TYPE_CHECKING:
    from SAMedCore.complete.tune import Answer, Version
    from SAMedCore.model.pixel_grids import PixelGrids
    from SAMedCore.model.promptable import Promptable

VERSIONS = 10
"""How often an annotated slice is encoded: as it is, then with other contrast, brightness and noise, every other time bent."""

ALL_VERSIONS = 120
"""Of all annotated slices together; where there are many, each is encoded less often."""


class Network(Filler):
    """SAM on one scan: its slices encoded as they are needed and kept, its mask decoder trained on the annotated ones.

    Its model stays as it is: copies of the mask decoder learn. Torch, which takes seconds to load, is imported with the first
    slices.

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
        self._versions: dict[int, list[Version]] = {}
        self._left_out: dict[Fold, dict[int, Answer]] = {}

    def leave_out(self, folds: Sequence[Fold]) -> Generator[tuple[int, Scores], None, None]:
        """As every filler's; a second time with the same folds it costs next to nothing."""
        # Each fold is trained for half as long as the whole: it has half as many slices to learn from.
        steps = max(1, self.scan.options.steps // 2)
        for number, fold in enumerate(folds):
            if fold not in self._left_out:

                def on_step(done: int, before: int = number * steps) -> None:
                    self.scan.work.step("estimating", before + done, len(folds) * steps)

                with self._computing():
                    answers = self._learn(fold.shown, steps, on_step)
                    self._left_out[fold] = {k: answers(k, self.scan.carried.at(k, fold.shown)) for k in fold.left_out}
            for k, answer in self._left_out[fold].items():
                yield k, answer.scores(self._grids)

    def fill(self, missing: Sequence[int]) -> Generator[tuple[int, Scores], None, None]:
        shapes, steps, wanted = self.scan.carried, self.scan.options.steps, sorted(missing)
        with self._computing():
            answers = self._learn(shapes.annotated, steps, lambda done: self.scan.work.step("training", done, steps))
            near: dict[int, Scores] = {}
            for done, k in enumerate(wanted, start=1):
                for there in (k - 1, k, k + 1):
                    if there in near:
                        continue
                    if there in shapes.annotated:
                        near[there] = certain_scores(shapes.own(there))
                    elif there in wanted:
                        near[there] = answers(there, shapes.at(there)).scores(self._grids)
                near = {there: kept for there, kept in near.items() if there >= k - 1}
                yield k, smooth(near, k)
                self.scan.work.step("completing", done, len(wanted))

    @cached_property
    def model(self) -> Promptable:
        """The base model as it was published, its preprocessing fitted to the scan."""
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

        with stopping(self.model.sam, self.scan.work), exact_products():
            yield

    @cached_property
    def _grids(self) -> PixelGrids:
        from SAMedCore.model.pixel_grids import PixelGrids

        sam, shapes = self.model.sam, self.scan.shapes
        return PixelGrids(shapes.labels.shape[1:], shapes.spacing_mm, sam.input_size, sam.low_res_size)

    def _learn(self, shown: Sequence[int], steps: int, on_step: Callable[[int], None]) -> Callable[[int, Distances], Answer]:
        """Learn from the shown slices; gives what answers to a slice by what is expected there."""
        from SAMedCore.complete.tune import Lesson, answer, finetune, tunable

        self._encode()
        sam, parameters = tunable(self.model.sam)
        lesson = Lesson(self.scan.carried, shown, self._versions, self._grids)
        finetune(sam, parameters, lesson, steps, self.scan.options.seed, on_step)

        def answers(k: int, expected: Distances) -> Answer:
            embedding = self._versions[k][0].embedding if k in self._versions else self.model.encode(self._image(k))
            return answer(sam, embedding, expected, self._grids)

        return answers

    def _encode(self) -> None:
        """The annotated slices, in all their versions."""
        import torch

        from SAMedCore.complete.bend import bent, make_bend
        from SAMedCore.complete.tune import Version

        shapes = self.scan.shapes
        wanted = [k for k in shapes.annotated if k not in self._versions]
        others = min(VERSIONS, max(2, ALL_VERSIONS // len(shapes.annotated))) - 1
        for done, k in enumerate(wanted):
            self.scan.work.step("encoding", done, len(wanted))
            draw, image = np.random.default_rng((self.scan.options.seed, k)), self._image(k)
            versions = [Version(self.model.encode(image).half().cpu())]
            for number in range(others):
                seen, bend = other_intensities(image, draw), None
                if number % 2 == 0:
                    bend = make_bend(shapes.labels.shape[1:], shapes.spacing_mm, draw)
                    within = (slice(None), *(slice(length) for length in shapes.labels.shape[1:]))
                    seen[within] = bent(torch.from_numpy(seen[within]), bend).numpy()
                versions.append(Version(self.model.encode(seen).half().cpu(), bend))
            self._versions[k] = versions
        if wanted:
            self.scan.work.step("encoding", len(wanted), len(wanted))

    def _image(self, k: int) -> np.ndarray:
        """(1, H, W), padded."""
        return self.model.preprocessing.images_of(self.scan.volume.voxels[k : k + 1])
