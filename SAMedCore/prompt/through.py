"""A structure from the slices that a person kept on through the volume."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, pairwise

import numpy as np

from SAMedCore.errors import InputError
from SAMedCore.image.prompts import NO_LIMITS, Limits
from SAMedCore.prompt.rough import Rough
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
        believed: of the same slices, those on which the checkpoint was believed, in order.
        span: all slices that this is about, kept ones not among them, in order. Those without a mask hold nothing of the
            structure now: a client that shows what was drawn before empties them.
    """

    masks: dict[int, np.ndarray]
    confidence: dict[int, float]
    scores: dict[int, np.ndarray]
    believed: tuple[int, ...]
    span: tuple[int, ...]


@dataclass(frozen=True)
class _Gap:
    """The slices between two kept ones, or from the outermost kept one to the end (None) of what may be drawn."""

    below: int | None
    above: int | None
    slices: range

    def away_from(self, end: int) -> Sequence[int]:
        return self.slices if end == self.below else self.slices[::-1]

    def parts(self, held: Sequence[int]) -> list[_Gap]:
        """What is left of it where these slices, upwards, are held too."""
        return [
            _Gap(below, above, _slices(below, above, self.slices.start, self.slices.stop - 1))
            for below, above in pairwise([self.below, *held, self.above])
        ]

    def touches(self, k: int) -> bool:
        return (self.below is None or self.below <= k) and (self.above is None or k <= self.above)


def carry_on(
    session: PromptSession,
    kept: Mapping[int, np.ndarray],
    changed: Collection[int] | None = None,
    limits: Limits = NO_LIMITS,
    work: Work = SILENT,
    rough: Mapping[int, np.ndarray] | None = None,
) -> Carried:
    """Draw a structure between its kept slices, and beyond the outermost until it ends.

    Between two kept slices the answer depends on these two and on what is rough between them, and beyond the outermost on that
    one and on what is rough beyond it.

    Args:
        session: of the volume.
        kept: slice from the feet -> (j, i) bool in the orientation LPS, masks that a person accepted or drew; an empty one says
            that the structure is not on that slice.
        changed: slices kept anew, changed, or kept no longer: only what lies between these and the next kept slice on either
            side, or the end, is drawn again; the rest would come out as it did. None for all.
        limits: no slice outside is drawn, and masks are cut to the box; kept ones stay as they are.
        work: told of the phase "propagating" after each slice; asked between the network's layers.
        rough: likewise masks, of what a checkpoint drew on slices that are not kept: each is drawn anew where it is believed,
            and then as good as kept for the others. Where no kept one holds anything it alone says where the structure is; if
            nothing of it is believed either, nothing is drawn, and the span is empty.

    Raises:
        InputError: no mask holds anything, or a slice is not in the volume.
        Cancelled: the user stopped the work.
    """
    rough = {k: mask for k, mask in (rough or {}).items() if mask.any()}
    _check(kept, rough, session)
    first, last = _within(limits, session.count)
    answer = Rough(session, {k: session.pixels.to_drawing(rough[k]) for k in rough if first <= k <= last}, work)
    inside = _inside(limits, session)
    carried, held = Carried({}, {}, {}, (), ()), dict(kept)
    believed: set[int] = set()

    def believe(found: Mapping[int, Drawn]) -> None:
        for k, one in found.items():
            scores = session.pixels.to_own(one.scores)
            held[k] = scores > 0
            _put(carried, k, scores, one.confidence, inside)
        believed.update(found)

    if not any(mask.any() for mask in kept.values()):
        start = answer.start()
        if start is None:
            return carried
        believe(dict([start]))
        changed = None
    gaps = [gap for gap in _gaps(sorted(held), first, last) if changed is None or any(map(gap.touches, changed))]
    span = sorted({k for gap in gaps for k in gap.slices} | believed)
    done, total = 0, sum(len(gap.slices) for gap in gaps)
    work.step("propagating", 0, total)
    for gap in gaps:
        found = _believed(session, held, gap, answer)
        believe(found)
        done += len(found)
        for part in gap.parts(sorted(found)):
            drawn: dict[int, Drawn] = {}
            for n, (k, one) in enumerate(_fill(session, held, part, work), start=1):
                drawn[k] = one
                work.step("propagating", done + n, total)
            done += len(part.slices)
            work.step("propagating", done, total)
            for k, one in _smooth(drawn, held, part).items():
                _put(carried, k, one.scores, one.confidence, inside)
    return replace(carried, span=tuple(span), believed=tuple(sorted(believed & carried.masks.keys())))


def scores_between(
    session: PromptSession, kept: Mapping[int, np.ndarray], slices: range, work: Work = SILENT
) -> dict[int, np.ndarray]:
    """What `carry_on` makes its masks of on slices between two kept ones, or beyond one.

    Args:
        session: of the volume.
        kept: the slice next to `slices` on either side, or on one, and its mask (j, i) bool in the orientation LPS; one that is
            empty says that the structure is not there.
        slices: upwards, at least one.
        work: asked between the network's layers.

    Returns:
        slice -> (j, i) float32, above 0 inside; a slice on which the structure was not drawn has none.

    Raises:
        Cancelled: the user stopped the work.
    """
    below, above = (k if k in kept else None for k in (slices[0] - 1, slices[-1] + 1))
    gap = _Gap(below, above, slices)
    return {k: one.scores for k, one in _smooth(dict(_fill(session, kept, gap, work)), kept, gap).items()}


def _believed(session: PromptSession, held: Mapping[int, np.ndarray], gap: _Gap, answer: Rough) -> dict[int, Drawn]:
    """Which of the gap's rough slices hang together with the kept ones at its ends."""
    ends = _ends(session, held, gap)
    if len(ends) == 2:
        (low, first), (high, second) = sorted(ends.items())
        return answer.between(low, first, high, second)
    if not ends:
        return {}
    [(start, mask)] = ends.items()
    slices = gap.away_from(start)
    return answer.onward(start, mask, slices) or answer.towards(start, mask, slices)


def _fill(session: PromptSession, held: Mapping[int, np.ndarray], gap: _Gap, work: Work) -> Iterator[tuple[int, Drawn]]:
    """The gap's slices as they are drawn, on their own pixels."""
    ends = _ends(session, held, gap)
    if len(ends) == 2:
        drawn = between(session, ends, gap.slices, work)
    else:
        drawn = chain.from_iterable(onward(session, start, mask, gap.away_from(start), work) for start, mask in ends.items())
    for k, one in drawn:
        yield k, replace(one, scores=session.pixels.to_own(one.scores))


def _ends(session: PromptSession, held: Mapping[int, np.ndarray], gap: _Gap) -> dict[int, np.ndarray]:
    """The masks at the gap's ends that hold something, on the pixels for drawing."""
    return {k: session.pixels.to_drawing(held[k]) for k in (gap.below, gap.above) if k is not None and held[k].any()}


def _smooth(drawn: Mapping[int, Drawn], held: Mapping[int, np.ndarray], gap: _Gap) -> dict[int, Drawn]:
    """The same, scores averaged with those of the slices above and below: a quarter, a half, a quarter.

    Slices of the gap that were not drawn do not hold the structure; those beyond what may be drawn have no say.
    """
    scores = {k: one.scores for k, one in drawn.items()}
    for k in (gap.below, gap.above):
        if k is not None:
            scores[k] = np.where(held[k], LOGIT_LIMIT, -LOGIT_LIMIT).astype(np.float32)
    absent = np.float32(-LOGIT_LIMIT)

    def smoothed(k: int, own: np.ndarray) -> np.ndarray:
        below, above = (scores.get(n, absent) if n in scores or n in gap.slices else own for n in (k - 1, k + 1))
        return 0.5 * own + 0.25 * below + 0.25 * above

    return {k: replace(one, scores=smoothed(k, one.scores)) for k, one in drawn.items()}


def _put(carried: Carried, k: int, scores: np.ndarray, confidence: float, inside: np.ndarray) -> None:
    mask = (scores > 0) & inside
    if mask.any():
        carried.masks[k], carried.scores[k], carried.confidence[k] = mask, scores[mask], confidence


def _gaps(held: Sequence[int], first: int, last: int) -> list[_Gap]:
    return [_Gap(below, above, _slices(below, above, first, last)) for below, above in pairwise([None, *held, None])]


def _within(limits: Limits, count: int) -> tuple[int, int]:
    """The first and the last slice that may be drawn."""
    first, last = (0, count - 1) if limits.slices is None else limits.slices
    return max(0, first), min(count - 1, last)


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


def _check(kept: Mapping[int, np.ndarray], rough: Mapping[int, np.ndarray], session: PromptSession) -> None:
    outside = [k for k in kept.keys() | rough.keys() if not 0 <= k < session.count]
    if outside:
        raise InputError(f"slice {outside[0]} is outside the volume's axial slices 0 to {session.count - 1}.")
    if not rough and not any(mask.any() for mask in kept.values()):
        raise InputError("no kept slice holds the structure: draw or prompt it on at least one slice.")
