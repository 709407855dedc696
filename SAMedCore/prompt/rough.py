"""What a checkpoint drew of a structure, as far as it is believed. All masks are on the session's pixels for drawing.

The base model is asked in the box of each piece of the checkpoint's own mask: where it draws much the same and is sure of it,
both see one thing. Of these slices those are believed that hang together with what a person kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from SAMedCore.evaluate.measures import dice
from SAMedCore.prompt.session import PromptSession
from SAMedCore.prompt.shapes import SHAPE_WEIGHT, box_of, distances, largest_piece, pieces, sharpness, touching, wider
from SAMedCore.prompt.steps import LEAST_LIKENESS, Drawn
from SAMedCore.work import Work

MARGIN = 2.0
"""Input pixels by which the box is wider on each side than the checkpoint's mask."""

VOUCHED = 0.8
"""Likeness of what the base model draws with the checkpoint's mask, times its quality, from which on it vouches for it."""

MOST_PIECES = 8
"""Of a slice that are asked about; a checkpoint's noise has thousands, for which the network would take gigabytes."""

BRIDGED_MM = 15.0
"""Without a believed slice, beyond which the next one belongs to something else."""

LOOKED_FOR_MM = 60.0
"""From a kept slice, within which the part that leads back to it is looked for."""


class Rough:
    """The slices of one structure as a checkpoint left them.

    Args:
        session: of the volume.
        masks: slice from the feet -> (j, i) bool, which hold something.
        work: asked between the network's layers.
    """

    def __init__(self, session: PromptSession, masks: Mapping[int, np.ndarray], work: Work) -> None:
        self._session = session
        self._masks = masks
        self._work = work

    def between(self, low: int, first: np.ndarray, high: int, second: np.ndarray) -> dict[int, Drawn]:
        """The believed slices between two kept ones, `low` and `high` with their masks: they hang together with both."""
        upwards = self.onward(low, first, range(low + 1, high))
        downwards = self.onward(high, second, range(high - 1, low, -1)) if upwards else {}
        return {k: drawn for k, drawn in upwards.items() if k in downwards}

    def onward(self, start: int, mask: np.ndarray, slices: Sequence[int]) -> dict[int, Drawn]:
        """The believed slices, one after the other from the slice `start` with its mask (j, i), while they hang together.

        Args:
            slices: in order, away from it.
        """
        spacing_mm = self._session.volume.grid.spacing_mm[2]
        believed: dict[int, Drawn] = {}
        last, last_k = mask, start
        for k in slices:
            if (abs(k - last_k) - 1) * spacing_mm > BRIDGED_MM:
                break
            drawn = self._vouched(k, touching(self._masks[k], last)) if k in self._masks else None
            if drawn is not None and dice(now := touching(drawn.scores > 0, last), last) >= LEAST_LIKENESS:
                believed[k], last, last_k = drawn, now, k
        return believed

    def towards(self, start: int, mask: np.ndarray, slices: Sequence[int]) -> dict[int, Drawn]:
        """The believed slices of a part that leads back to the slice `start`, where most of one mask lies in the other.

        From the tip of a structure nothing leads onward: it grows too fast. From its middle one gets to the tip.

        Args:
            mask: (j, i) bool of `start`, which holds something.
            slices: in order, away from it.
        """
        spacing_mm = self._session.volume.grid.spacing_mm[2]
        for n, k in enumerate(slices):
            if (abs(k - start) - 1) * spacing_mm > LOOKED_FOR_MM:
                break
            drawn = self._vouched(k, largest_piece(self._masks[k])) if k in self._masks else None
            if drawn is None:
                continue
            part = {k: drawn, **self.onward(k, drawn.scores > 0, slices[:n][::-1])}
            last = min(part, key=lambda one: abs(one - start))
            is_near = (abs(last - start) - 1) * spacing_mm <= BRIDGED_MM
            if is_near and all(_lies_on(each, mask) for each in (part[last].scores > 0, self._masks[last])):
                return part | self.onward(k, drawn.scores > 0, slices[n + 1 :])
        return {}

    def start(self) -> tuple[int, Drawn] | None:
        """Where to begin while nothing is kept: the largest slice of the largest part of the volume that hangs together.

        None where the base model vouches for no slice.
        """
        asked = {k: self._vouched(k, largest_piece(mask)) for k, mask in self._masks.items()}
        drawn = {k: one for k, one in asked.items() if one is not None}
        sizes = {k: int(np.count_nonzero(one.scores > 0)) for k, one in drawn.items()}
        volumes: dict[int, int] = {}
        left = set(drawn)
        while left:
            k = max(left, key=sizes.__getitem__)
            part = {k}
            for away in (range(k + 1, self._session.count), range(k - 1, -1, -1)):
                part |= self.onward(k, drawn[k].scores > 0, away).keys()
            volumes[k] = sum(sizes.get(each, 0) for each in part)
            left -= part
        if not volumes:
            return None
        best = max(volumes, key=volumes.__getitem__)
        return best, drawn[best]

    def _vouched(self, k: int, mask: np.ndarray) -> Drawn | None:
        """What the base model draws where the checkpoint drew `mask`, piece by piece; None where it does not vouch for it."""
        if not mask.any():
            return None
        session, parts = self._session, pieces(mask, MOST_PIECES)
        boxes = np.stack([wider(box_of(piece), MARGIN, session.grids) for piece in parts])
        answers, qualities = session.ask(k, boxes, work=self._work)
        likenesses = [dice(answer > 0, piece) for answer, piece in zip(answers, parts, strict=True)]
        sizes = [np.count_nonzero(piece) for piece in parts]
        # Pieces that nobody asked about count as not vouched for.
        if qualities * likenesses @ sizes / np.count_nonzero(mask) < VOUCHED:
            return None
        quality, likeness = (float(np.average(each, weights=sizes)) for each in (qualities, likenesses))
        shaped = [answer + SHAPE_WEIGHT * distances(piece, session.grids) for answer, piece in zip(answers, parts, strict=True)]
        scores = np.maximum.reduce(shaped)
        return Drawn(scores, quality * sharpness(scores), quality, likeness)


def _lies_on(mask: np.ndarray, other: np.ndarray) -> bool:
    """Whether most of the smaller of the two lies in the other, of the first the pieces that do not lie beside it."""
    found = touching(mask, other)
    fewest = min(np.count_nonzero(found), np.count_nonzero(other))
    return bool(fewest and np.count_nonzero(found & other) >= LEAST_LIKENESS * fewest)
