"""A structure from the slices that a person kept on through the volume."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from SAMedCore.errors import InputError
from SAMedCore.image.prompts import NO_LIMITS, Limits
from SAMedCore.prompt.session import Hints, PromptSession, box_of
from SAMedCore.work import SILENT, Work

WIDER = 2.0
"""By how many input pixels the box of the last mask is made wider on each side for the next slice."""


@dataclass(frozen=True, eq=False)
class Carried:
    """A structure drawn anew.

    Attributes:
        masks: slice from the feet -> (j, i) bool, of the slices that now hold it; the kept ones are not among them.
        confidence: of the same slices, 0 to 1.
        span: every slice that the answer is about: those without a mask are empty now, whatever was there before.
    """

    masks: dict[int, np.ndarray]
    confidence: dict[int, float]
    span: tuple[int, ...]


def carry_on(
    session: PromptSession,
    kept: Mapping[int, np.ndarray],
    changed: Collection[int] | None = None,
    limits: Limits = NO_LIMITS,
    work: Work = SILENT,
) -> Carried:
    """Draw a structure between its kept slices and beyond the outermost, until it ends.

    What lies between two kept slices depends on those two alone, and what lies beyond the outermost on that one.

    Args:
        session: of the volume.
        kept: slice from the feet -> (j, i) bool, masks that a person accepted or drew; an empty one says that the structure
            is not there.
        changed: kept slices that are new or other than before (or no longer kept): only what lies between these and the next
            kept slice on either side, or the end, is drawn again. None for everything.
        limits: nothing is drawn on other slices, and masks are cut to the box.
        work: told of the phase "propagating"; asked between the network's layers.

    Raises:
        InputError: no kept mask holds anything.
        Cancelled: the user stopped the work.
    """
    if not any(mask.any() for mask in kept.values()):
        raise InputError("no kept slice holds the structure: accept or draw it on one slice first.")
    first, last = limits.slices or (0, session.count - 1)
    anchors = sorted(kept)
    masks: dict[int, np.ndarray] = {}
    confidence: dict[int, float] = {}
    gaps = [(None, anchors[0]), *pairwise(anchors), (anchors[-1], None)]
    spans = [_between(below, above, max(0, first), min(session.count - 1, last)) for below, above in gaps]
    chosen = [
        (gap, span) for gap, span in zip(gaps, spans, strict=True) if changed is None or any(_touches(gap, k) for k in changed)
    ]
    total, done = sum(len(span) for _, span in chosen), 0
    inside = _inside(session, limits)
    for (below, above), span in chosen:
        work.step("propagating", done, total)
        low, high = (_held(kept, k) for k in (below, above))
        if below is not None and above is not None and low is not None and high is not None:
            for k in span:
                share = (k - below) / (above - below)
                box = box_of(low) * (1 - share) + box_of(high) * share
                logits, quality = session.ask(k, Hints(box=_wider(session, box, 1.0)), work)
                masks[k], confidence[k] = logits > 0, quality
                work.step("propagating", done + k - span[0] + 1, total)
        elif low is not None or high is not None:
            order = span if low is not None else span[::-1]
            last_mask = next(mask for mask in (low, high) if mask is not None)
            for k in order:
                logits, quality = session.ask(k, Hints(box=_wider(session, box_of(last_mask), WIDER)), work)
                now = logits > 0
                overlap = (now & last_mask).sum() / max(1, min(now.sum(), last_mask.sum()))
                if now.sum() < 2 or overlap < 0.3 or now.sum() > 2.5 * last_mask.sum():
                    break
                masks[k], confidence[k], last_mask = now, quality, now
        done += len(span)
        work.step("propagating", done, total)
    masks = {k: mask & inside for k, mask in masks.items() if (mask & inside).any()}
    confidence = {k: confidence[k] for k in masks}
    return Carried(masks, confidence, tuple(sorted(k for _, span in chosen for k in span)))


def _held(kept: Mapping[int, np.ndarray], k: int | None) -> np.ndarray | None:
    return None if k is None or not kept[k].any() else kept[k]


def _between(below: int | None, above: int | None, first: int, last: int) -> range:
    return range(max(first, -1 if below is None else below + 1), min(last + 1, last + 1 if above is None else above))


def _touches(gap: tuple[int | None, int | None], k: int) -> bool:
    below, above = gap
    return (below is None or below <= k) and (above is None or k <= above)


def _wider(session: PromptSession, box: np.ndarray, input_pixels: float) -> np.ndarray:
    return box + input_pixels / session._scale * np.array([-1, -1, 1, 1])


def _inside(session: PromptSession, limits: Limits) -> np.ndarray:
    inside = np.ones(session.shape, bool)
    if limits.box is not None:
        corners = session.to_ijk(limits.box)[:, :2]
        (left, top), (right, bottom) = corners.min(axis=0), corners.max(axis=0)
        rows, columns = (np.arange(size) for size in session.shape)
        inside = ((rows >= top) & (rows <= bottom))[:, None] & ((columns >= left) & (columns <= right))
    return inside
