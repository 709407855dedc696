"""Which way fills in a scan's slices best, estimated on the annotated slices themselves by leaving them out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from SAMedCore.complete.baselines import Copy, Interpolation
from SAMedCore.complete.filler import Filler, Fold
from SAMedCore.complete.network import Network
from SAMedCore.evaluate.measures import dice

FILLERS: tuple[type[Filler], ...] = (Copy, Interpolation, Network)
"""All ways there are: first those that take no time, then the others."""


@dataclass(frozen=True)
class Estimate:
    """Dice of one method on annotated slices that it was not shown.

    Attributes:
        per_label: label value -> Dice over all left-out slices together; labels that are on none of them have no entry.
    """

    per_label: Mapping[int, float]

    @property
    def mean_dice(self) -> float:
        """Mean over the labels."""
        return float(np.mean(list(self.per_label.values())))


def make_folds(annotated: Sequence[int]) -> tuple[Fold, ...]:
    """Two folds that together leave out each annotated slice but the first and the last one, each between two shown ones.

    Every other slice is left out at once: what a slice is interpolated from is the same as if it alone were left out, and the
    network is trained twice instead of once per slice. Three slices give one fold, fewer none.
    """
    ordered = tuple(sorted(annotated))
    folds = []
    for first in (0, 1):
        shown = ordered[first::2]
        left_out = tuple(k for k in ordered[1 - first :: 2] if shown[0] < k < shown[-1])
        if left_out:
            folds.append(Fold(shown, left_out))
    return tuple(folds)


def estimate(predictions: Mapping[int, np.ndarray], labels: np.ndarray) -> Estimate:
    """Compare predicted slices (k -> (j, i) labels) with the annotated ones in `labels` (k, j, i)."""
    slices = sorted(predictions)
    predicted, annotated = np.stack([predictions[k] for k in slices]), labels[slices]
    values = np.union1d(np.unique(predicted), np.unique(annotated))
    return Estimate({int(value): dice(predicted == value, annotated == value) for value in values[values > 0]})


def choose(estimates: Mapping[str, Estimate], fillers: Sequence[type[Filler]] = FILLERS) -> type[Filler]:
    """The best of those that take no time, and of equals the last; a costly one only where it is better by `worth_it_by`.

    Args:
        estimates: by the fillers' names, of all of them or, where nothing can be compared, of none.
        fillers: to choose from, those that take no time first; a costly one is measured against the best before it.
    """
    free = [filler for filler in reversed(fillers) if not filler.worth_it_by]
    if not estimates:
        return free[0]
    best = max(free, key=lambda filler: estimates[filler.name].mean_dice)
    for costly in (filler for filler in fillers if filler.worth_it_by):
        if estimates[costly.name].mean_dice >= estimates[best.name].mean_dice + costly.worth_it_by:
            best = costly
    return best
