"""Filling in slices by two that err differently: the network that learnt the scan, and the one that did not learn."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from SAMedCore.complete.filler import Filler, Fold, PartialScan, Scores
from SAMedCore.complete.network import Network
from SAMedCore.complete.shapes import SCORE_LIMIT
from SAMedCore.work import Work

if TYPE_CHECKING:
    from SAMedCore.prompt.session import PromptSession


class Together(Filler):
    """The mean of the network's scores and of those of boxes carried through the volume from the annotated slices.

    The boxes' answers do not depend on interpolated shapes, and know better where a structure ends; the network knows better
    what its outline is like. Where nothing was drawn by boxes the network alone counts.

    Encoded slices are kept, as float16 image_embedding (1, 256, E, E), and the scores of the slices between two annotated ones.
    """

    name = "together"
    title = "the network together with boxes through the volume"
    worth_it_by = 0.002
    parts = (Network,)

    def __init__(self, scan: PartialScan, network: Network) -> None:
        super().__init__(scan)
        self._network = network

    def leave_out(self, folds: Sequence[Fold]) -> Generator[tuple[int, Scores], None, None]:
        gaps, done = sum(len(_gaps(fold.shown, fold.left_out)) for fold in folds), 0

        def by_boxes() -> Generator[tuple[int, Scores], None, None]:
            nonlocal done
            for fold in folds:
                for slices in _gaps(fold.shown, fold.left_out):
                    self.scan.work.step("propagating", done, gaps)
                    drawn = self._draw(fold.shown, slices)
                    yield from ((k, drawn[k]) for k in slices if k in fold.left_out)
                    done += 1
            self.scan.work.step("propagating", done, gaps)

        yield from _means(self._network.leave_out(folds), by_boxes())

    def fill(self, missing: Sequence[int]) -> Generator[tuple[int, Scores], None, None]:
        annotated = self.scan.shapes.annotated

        def by_boxes() -> Generator[tuple[int, Scores], None, None]:
            for slices in _gaps(annotated, missing):
                drawn = self._draw(annotated, slices)
                yield from ((k, drawn[k]) for k in slices if k in missing)

        yield from _means(self._network.fill(missing), by_boxes())

    def _draw(self, shown: Sequence[int], slices: range) -> dict[int, Scores]:
        """Scores, as float16, of all slices of a gap between shown ones, structure by structure."""
        from SAMedCore.prompt.through import scores_between

        shapes, work = self.scan.shapes, Work(is_cancelled=self.scan.work.is_cancelled)
        drawn = {k: Scores() for k in slices}
        ends = [k for k in (slices[0] - 1, slices[-1] + 1) if k in shown]
        for value in sorted(set().union(*(shapes.own(k) for k in ends))):
            kept = {k: shapes.labels[k] == value for k in ends}
            for k, scores in scores_between(self._session, kept, slices, work).items():
                drawn[k][value] = np.clip(scores, -SCORE_LIMIT, SCORE_LIMIT).astype(np.float16)
        return drawn

    @cached_property
    def _session(self) -> PromptSession:
        from SAMedCore.prompt.session import PromptSession

        return PromptSession(self.scan.volume, self._network.model)


def _means(
    by_network: Generator[tuple[int, Scores], None, None], by_boxes: Generator[tuple[int, Scores], None, None]
) -> Generator[tuple[int, Scores], None, None]:
    with closing(by_network), closing(by_boxes):
        for (k, trained), (_, drawn) in zip(by_network, by_boxes, strict=True):
            yield k, {value: (scores + drawn[value]) / 2 if value in drawn else scores for value, scores in trained.items()}


def _gaps(shown: Sequence[int], wanted: Sequence[int]) -> list[range]:
    """The slices between shown ones, of each gap that holds a wanted one; beyond the outermost up to the last wanted one."""
    around = [min(*wanted, shown[0]) - 1, *shown, max(*wanted, shown[-1]) + 1]
    gaps = [range(low + 1, high) for low, high in pairwise(around)]
    return [gap for gap in gaps if any(k in gap for k in wanted)]
