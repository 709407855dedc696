"""A structure on one more slice, from what is expected there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from SAMedCore.evaluate.measures import dice
from SAMedCore.prompt.session import PromptSession
from SAMedCore.prompt.shapes import SHAPE_WEIGHT, box_of, distances, wider
from SAMedCore.work import Work

WIDER = 4.0
"""Input pixels by which a box is made wider on each side than what is expected on a slice."""

OTHER_TISSUE = 0.1
"""In [0, 1] of the window: medians that differ by more are not the same structure."""

LEAST_LIKENESS = 0.6
"""Dice of one slice's mask with the last one's below which it is not the same structure."""

LEAST_QUALITY = 0.8
"""Of the best quality so far: where the model is less sure than that, the structure has ended."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """A structure on one slice, before its neighbours have had their say.

    Attributes:
        scores: (j, i) float32, above 0 inside.
        quality: as the model says, 0 to 1.
        likeness: Dice of what the model itself drew with what was expected, 0 to 1.
    """

    scores: np.ndarray
    quality: float
    likeness: float


@dataclass(frozen=True)
class Tissue:
    """What a structure looks like on its kept slices: median and spread of its intensities, in [0, 1] of the window."""

    median: float
    spread: float

    @classmethod
    def of(cls, images: Sequence[np.ndarray], masks: Sequence[np.ndarray]) -> Tissue:
        """Of slices (j, i) and the structure's masks on them, which hold something."""
        values = np.concatenate([image[mask] for image, mask in zip(images, masks, strict=True)])
        median = float(np.median(values))
        return cls(median, float(1.4826 * np.median(np.abs(values - median))))

    def strangeness(self, image: np.ndarray) -> np.ndarray:
        """(j, i) float32, 0 for pixels within twice the spread of the median, up to 1 for others."""
        spread = max(self.spread, 0.4 * OTHER_TISSUE)
        return np.clip(np.abs(image - self.median) / spread - 2, 0, 2) / 2

    def is_other(self, image: np.ndarray, mask: np.ndarray) -> bool:
        """Whether what the mask, which holds something, covers on the image is another tissue."""
        return abs(float(np.median(image[mask])) - self.median) > max(OTHER_TISSUE, self.spread)


def between(
    session: PromptSession, kept: dict[int, np.ndarray], slices: Sequence[int], work: Work
) -> Iterator[tuple[int, Drawn]]:
    """The slices between two kept ones, expected half-way between both.

    Args:
        kept: exactly two slices and their masks (j, i) bool, which hold something.
        slices: those wanted between them.
    """
    (low, first), (high, second) = sorted(kept.items())
    tissue = Tissue.of([session.image(low), session.image(high)], [first, second])
    for k in slices:
        share = (k - low) / (high - low)
        box = (1 - share) * box_of(first) + share * box_of(second)
        yield k, _draw(session, k, box, distances(first, session.grids, second, share), tissue, work)


def onward(
    session: PromptSession, start: int, mask: np.ndarray, slices: Sequence[int], work: Work
) -> Iterator[tuple[int, Drawn]]:
    """The slices one after the other from a kept one, each expected as the last one was, until the structure ends.

    It ends where nothing of it touches the last mask, or what is drawn has another shape or is another tissue than before, or
    the model is much less sure of it.

    Args:
        start: the kept slice.
        mask: (j, i) bool of it, which holds something.
        slices: in order, away from it.
    """
    tissue = Tissue.of([session.image(start)], [mask])
    last = mask
    best = _draw(session, start, box_of(mask), distances(mask, session.grids), tissue, work).quality
    for k in slices:
        drawn = _draw(session, k, box_of(last), distances(last, session.grids), tissue, work)
        now = _touching(drawn.scores > 0, last)
        ended = not now.any() or drawn.likeness < LEAST_LIKENESS or drawn.quality < LEAST_QUALITY * best
        if ended or tissue.is_other(session.image(k), now):
            return
        yield k, Drawn(np.where(now, drawn.scores, np.minimum(drawn.scores, -1)), drawn.quality, drawn.likeness)
        last, best = now, max(best, drawn.quality)


def _draw(session: PromptSession, k: int, box: np.ndarray, expected: np.ndarray, tissue: Tissue, work: Work) -> Drawn:
    answers, qualities = session.ask(k, wider(box, WIDER, session.grids)[None], work=work)
    scores = answers[0] + SHAPE_WEIGHT * expected - tissue.strangeness(session.image(k))
    return Drawn(scores, float(qualities[0]), float(dice(answers[0] > 0, expected > 0)))


def _touching(mask: np.ndarray, last: np.ndarray) -> np.ndarray:
    """The pieces of the mask that cover something of the last slice's."""
    from scipy.ndimage import label

    pieces, count = label(mask)
    touches = np.zeros(count + 1, bool)
    touches[np.unique(pieces[last])] = True
    touches[0] = False
    return touches[pieces]
