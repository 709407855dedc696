"""A structure from the slices that a person kept on through the volume."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from SAMedCore.errors import InputError
from SAMedCore.image.prompts import NO_LIMITS, Limits
from SAMedCore.prompt.session import PromptSession
from SAMedCore.prompt.shapes import LOGIT_LIMIT
from SAMedCore.prompt.steps import Drawn, between, onward
from SAMedCore.work import SILENT, Work


@dataclass(frozen=True, eq=False)
class Carried:
    """What was drawn anew of a structure.

    Attributes:
        masks: slice from the feet -> (j, i) bool in the orientation LPS, of those drawn slices that hold the structure.
        confidence: of the same slices, 0 to 1.
        scores: of the same slices, the mask's pixels alone, as `SliceMask` has them.
        span: all slices that this is about, kept ones not among them, in order. Those without a mask hold nothing of the
            structure now: a client that shows what was drawn before empties them.
    """

    masks: dict[int, np.ndarray]
    confidence: dict[int, float]
    scores: dict[int, np.ndarray]
    span: tuple[int, ...]


@dataclass(frozen=True)
class _Gap:
    """The slices between two kept ones, or from the outermost kept one to the end (None) of what may be drawn."""

    below: int | None
    above: int | None
    slices: range

    def touches(self, k: int) -> bool:
        return (self.below is None or self.below <= k) and (self.above is None or k <= self.above)


def carry_on(
    session: PromptSession,
    kept: Mapping[int, np.ndarray],
    changed: Collection[int] | None = None,
    limits: Limits = NO_LIMITS,
    work: Work = SILENT,
) -> Carried:
    """Draw a structure between its kept slices, and beyond the outermost until it ends.

    Between two kept slices the answer depends on these two alone, and beyond the outermost on that one.

    Args:
        session: of the volume.
        kept: slice from the feet -> (j, i) bool in the orientation LPS, masks that a person accepted or drew; an empty one says
            that the structure is not on that slice.
        changed: slices kept anew, changed, or kept no longer: only what lies between these and the next kept slice on either
            side, or the end, is drawn again; the rest would come out as it did. None for all.
        limits: no slice outside is drawn, and masks are cut to the box; kept ones stay as they are.
        work: told of the phase "propagating" after each slice; asked between the network's layers.

    Raises:
        InputError: no kept mask holds anything, or a kept slice is not in the volume.
        Cancelled: the user stopped the work.
    """
    _check(kept, session)
    gaps = [gap for gap in _gaps(sorted(kept), session.count, limits) if changed is None or any(map(gap.touches, changed))]
    inside = _inside(limits, session)
    done, total = 0, sum(len(gap.slices) for gap in gaps)
    carried = Carried({}, {}, {}, tuple(k for gap in gaps for k in gap.slices))
    work.step("propagating", 0, total)
    for gap in gaps:
        drawn: dict[int, Drawn] = {}
        for n, (k, one) in enumerate(_fill(session, kept, gap, work), start=1):
            drawn[k] = replace(one, scores=session.pixels.to_own(one.scores))
            work.step("propagating", done + n, total)
        done += len(gap.slices)
        work.step("propagating", done, total)
        _smooth(drawn, kept, gap, inside, carried)
    return carried


def _fill(session: PromptSession, kept: Mapping[int, np.ndarray], gap: _Gap, work: Work) -> Iterator[tuple[int, Drawn]]:
    masks = {k: kept[k] for k in (gap.below, gap.above) if k is not None and kept[k].any()}
    ends = {k: session.pixels.to_drawing(mask) for k, mask in masks.items()}
    if len(ends) == 2:
        yield from between(session, ends, gap.slices, work)
    elif ends:
        (start, mask), away = next(iter(ends.items())), list(gap.slices)
        yield from onward(session, start, mask, away if start == gap.below else away[::-1], work)


def _smooth(drawn: dict[int, Drawn], kept: Mapping[int, np.ndarray], gap: _Gap, inside: np.ndarray, carried: Carried) -> None:
    """Masks from scores, averaged with those of the slices above and below: a quarter, a half, a quarter.

    Slices of the gap that were not drawn do not hold the structure; those beyond what may be drawn have no say.
    """
    scores = {k: one.scores for k, one in drawn.items()}
    for k in (gap.below, gap.above):
        if k is not None:
            scores[k] = np.where(kept[k], LOGIT_LIMIT, -LOGIT_LIMIT).astype(np.float32)
    absent = np.float32(-LOGIT_LIMIT)
    for k, one in drawn.items():
        below, above = (scores.get(n, absent) if n in scores or n in gap.slices else one.scores for n in (k - 1, k + 1))
        average = 0.5 * one.scores + 0.25 * below + 0.25 * above
        mask = (average > 0) & inside
        if mask.any():
            carried.masks[k], carried.scores[k], carried.confidence[k] = mask, average[mask], one.confidence


def _gaps(anchors: Sequence[int], count: int, limits: Limits) -> list[_Gap]:
    first, last = (0, count - 1) if limits.slices is None else limits.slices
    first, last = max(0, first), min(count - 1, last)
    pairs = [(None, anchors[0]), *pairwise(anchors), (anchors[-1], None)]
    return [_Gap(below, above, _slices(below, above, first, last)) for below, above in pairs]


def _slices(below: int | None, above: int | None, first: int, last: int) -> range:
    return range(first if below is None else max(first, below + 1), last + 1 if above is None else min(last + 1, above))


def _inside(limits: Limits, session: PromptSession) -> np.ndarray:
    """(j, i) bool: the pixels within the limits' box."""
    shape = session.pixels.shape
    if limits.box is None:
        return np.ones(shape, bool)
    corners = session.to_ijk(limits.box)[:, :2]
    (left, top), (right, bottom) = corners.min(axis=0), corners.max(axis=0)
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return (rows >= top) & (rows <= bottom) & (columns >= left) & (columns <= right)


def _check(kept: Mapping[int, np.ndarray], session: PromptSession) -> None:
    outside = [k for k in kept if not 0 <= k < session.count]
    if outside:
        raise InputError(f"the kept slice {outside[0]} is outside the volume's axial slices 0 to {session.count - 1}.")
    if not any(mask.any() for mask in kept.values()):
        raise InputError("no kept slice holds the structure: draw or prompt it on at least one slice.")
