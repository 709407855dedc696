"""A small lesion on one more slice: the outline that stands out there, as long as it looks as on the kept slice."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from SAMedCore.evaluate.measures import dice
from SAMedCore.prompt.clicks import Clicks
from SAMedCore.prompt.outlines import difference_to_rim, outline_round
from SAMedCore.prompt.points import CLEAR, LESION_MM
from SAMedCore.prompt.session import PromptSession
from SAMedCore.prompt.shapes import overlap

SAME = 0.5
"""Overlap of the kept mask with the outline that the image shows, above which the mask is that outline."""

GROWTH = 1.5
"""Times the area of the last slice's outline that the next one may have: larger is something else."""


@dataclass(frozen=True)
class Lesion:
    """What a lesion looks like on its kept slice, in [0, 1] of the window: its mean, and its difference to its rim."""

    mean: float
    difference: float

    @classmethod
    def of(cls, session: PromptSession, k: int, mask: np.ndarray) -> Lesion | None:
        """None where the mask (j, i), which holds something, is no small lesion that stands out in the image."""
        image, spacing_mm = session.image(k), session.grids.spacing_mm
        radius_mm = math.sqrt(np.count_nonzero(mask) * float(np.prod(spacing_mm)) / math.pi)
        if radius_mm >= LESION_MM[1]:
            return None
        outline = outline_round(image, _middle(mask), spacing_mm)
        if outline is None or outline.clearness <= CLEAR or overlap(outline.mask, mask) < SAME:
            return None
        return cls(float(image[mask].mean()), difference_to_rim(image, mask, spacing_mm))

    def onward(
        self, session: PromptSession, mask: np.ndarray, slices: Sequence[int]
    ) -> Iterator[tuple[int, np.ndarray, float]]:
        """The next slices' outlines (j, i) bool and their Dice with the last one's, until one is more like the rim.

        Args:
            session: of the volume.
            mask: (j, i) bool of the kept slice.
            slices: in order, away from it.
        """
        last = mask
        for k in slices:
            image = session.image(k)
            outline = outline_round(image, _middle(last), session.grids.spacing_mm)
            if outline is None or abs(float(image[outline.mask].mean()) - self.mean) > self.difference / 2:
                return
            now = outline.mask
            if np.count_nonzero(now) > GROWTH * np.count_nonzero(last) + 1:
                return
            yield k, now, float(dice(now, last))
            last = now


def _middle(mask: np.ndarray) -> Clicks:
    """The pixel of the mask that is nearest to its centre of mass, as a point that belongs."""
    places = np.argwhere(mask)
    row, column = places[np.abs(places - places.mean(axis=0)).sum(axis=1).argmin()]
    return Clicks(np.array([[column, row]]), np.array([True]))
