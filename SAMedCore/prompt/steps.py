"""A structure on one more slice, from what is expected there. All masks and scores are on the session's pixels for drawing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from SAMedCore.evaluate.measures import dice
from SAMedCore.prompt.lesions import Lesion
from SAMedCore.prompt.session import PromptSession
from SAMedCore.prompt.shapes import LOGIT_LIMIT, SHAPE_WEIGHT, alone, box_of, distances, sharpness, touching, wider
from SAMedCore.work import Work

WIDER = 4.0
"""Input pixels by which a box is made wider on each side than what is expected on a slice."""

OTHER_TISSUE = 0.1
"""In [0, 1] of the window: medians that differ by more are not the same structure."""

LEAST_LIKENESS = 0.6
"""Dice of one slice's mask with the last one's below which it is not the same structure."""

LEAST_QUALITY = 0.8
"""Of the best quality so far: where the model is less sure than that, the structure has ended."""

SEEN = 0.7
"""Likeness of what the model draws on a kept slice with its mask, from which on it is the model that carries it on."""

UNVOUCHED = 0.5
"""Times the likeness of a lesion's outline with the last one is its confidence: no model's quality speaks for it."""

FADING_MM = 300.0
"""From a kept slice, where confidence has fallen to a third."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """A structure on one slice, before its neighbours have had their say.

    Attributes:
        scores: (j, i) float32, above 0 inside.
        confidence: 0 to 1: quality times sharpness of the outline, less with each mm from the next kept slice.
        quality: as the model says, 0 to 1.
        likeness: Dice of what the model itself drew with what was expected, 0 to 1.
    """

    scores: np.ndarray
    confidence: float
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
    session: PromptSession, kept: Mapping[int, np.ndarray], slices: Sequence[int], work: Work
) -> Iterator[tuple[int, Drawn]]:
    """The slices between two kept ones, each expected half-way between both, from the larger one to the smaller.

    Few structures grow evenly from one slice to the other: a box is wide enough for what was drawn on the slice before, too.

    Args:
        kept: exactly two slices and their masks (j, i) bool, which hold something.
        slices: those wanted between them, upwards.
    """
    (low, first), (high, second) = sorted(kept.items())
    tissue = Tissue.of([session.image(low), session.image(high)], [first, second])
    is_first_larger = np.count_nonzero(first) >= np.count_nonzero(second)
    last = first if is_first_larger else second
    for k in slices if is_first_larger else reversed(slices):
        share = (k - low) / (high - low)
        expected = distances(first, session.grids, second, share)
        box = _around_both((1 - share) * box_of(first) + share * box_of(second), box_of(last))
        drawn = _draw(session, k, box, expected, tissue, work)
        yield k, _fading(drawn, session, min(k - low, high - k))
        now = touching(drawn.scores > 0, last)
        last = now if now.any() else last


def onward(
    session: PromptSession, start: int, mask: np.ndarray, slices: Sequence[int], work: Work
) -> Iterator[tuple[int, Drawn]]:
    """The slices one after the other from a kept one, each expected as the last one was, until the structure ends.

    It ends where nothing of it touches the last mask, or what is drawn has another shape or is another tissue than before, or
    the model is much less sure of it. A small lesion of which the model makes little is carried on by what the image shows, if
    that shows it on the next slice.

    Args:
        start: the kept slice.
        mask: (j, i) bool of it, which holds something.
        slices: in order, away from it.
    """
    tissue = Tissue.of([session.image(start)], [mask])
    first = _draw(session, start, box_of(mask), distances(mask, session.grids), tissue, work)
    lesion = Lesion.of(session, start, mask) if first.likeness < SEEN else None
    if lesion is not None:
        is_seen = False
        for k, outline, likeness in lesion.onward(session, mask, slices):
            work.stop_if_cancelled()
            scores = np.where(outline, LOGIT_LIMIT, -LOGIT_LIMIT).astype(np.float32)
            yield k, _fading(Drawn(scores, UNVOUCHED * likeness, likeness, likeness), session, abs(k - start))
            is_seen = True
        if is_seen:
            return
    last, best = mask, first.quality
    for k in slices:
        drawn = _draw(session, k, box_of(last), distances(last, session.grids), tissue, work)
        now = touching(drawn.scores > 0, last)
        ended = not now.any() or drawn.likeness < LEAST_LIKENESS or drawn.quality < LEAST_QUALITY * best
        if ended or tissue.is_other(session.image(k), now):
            return
        yield k, _fading(replace(drawn, scores=alone(drawn.scores, last)), session, abs(k - start))
        last, best = now, max(best, drawn.quality)


def _draw(session: PromptSession, k: int, box: np.ndarray, expected: np.ndarray, tissue: Tissue, work: Work) -> Drawn:
    answers, qualities = session.ask(k, wider(box, WIDER, session.grids)[None], work=work)
    scores = answers[0] + SHAPE_WEIGHT * expected - tissue.strangeness(session.image(k))
    quality, likeness = float(qualities[0]), float(dice(answers[0] > 0, expected > 0))
    return Drawn(scores, quality * sharpness(scores), quality, likeness)


def _fading(drawn: Drawn, session: PromptSession, slices: int) -> Drawn:
    """So many slices from the next kept one."""
    far_mm = slices * session.volume.grid.spacing_mm[2]
    return replace(drawn, confidence=drawn.confidence * math.exp(-far_mm / FADING_MM))


def _around_both(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.concatenate([np.minimum(first[:2], second[:2]), np.maximum(first[2:], second[2:])])
