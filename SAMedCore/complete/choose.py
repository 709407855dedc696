"""Which way fills in a structure best, estimated on the annotated slices themselves by leaving them out.

A slice left out is farther from the next annotated one than the slices to fill in: all ways do better there than estimated,
but which does best is the same at every distance (`Docs/completing.md`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from SAMedCore.complete.baselines import Carrying, Copy, Interpolation
from SAMedCore.complete.filler import Filler, Fold, Scores
from SAMedCore.complete.network import Network
from SAMedCore.complete.shapes import to_labels
from SAMedCore.complete.together import Together

FILLERS: tuple[type[Filler], ...] = (Copy, Interpolation, Carrying, Network, Together)
"""All ways there are: first those that take little time, then the others, each after its parts."""

BORROWED_SLICES = 2.0
"""A structure is on few left-out slices: its Dice counts as if so many more had shown what all structures show on average."""


@dataclass(frozen=True)
class Estimate:
    """Dice of one method on annotated slices that it was not shown.

    Attributes:
        per_label: label value -> Dice over all left-out slices together; labels that are on none of them have no entry.
        slices: label value -> on how many left-out slices it is.
    """

    per_label: Mapping[int, float]
    slices: Mapping[int, int]

    @property
    def mean_dice(self) -> float:
        """Mean over the labels; 0 where none is on a left-out slice."""
        return float(np.mean(list(self.per_label.values()))) if self.per_label else 0.0

    def of(self, value: int) -> float:
        """Dice of a label; one that few left-out slices hold, or none, is taken to be partly, or wholly, like the others."""
        count = self.slices.get(value, 0)
        return (count * self.per_label.get(value, 0.0) + BORROWED_SLICES * self.mean_dice) / (count + BORROWED_SLICES)


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


def estimate(left_out: Iterable[tuple[int, Scores]], labels: np.ndarray) -> Estimate:
    """Compare what was predicted of left-out slices with what is annotated on them in `labels` (k, j, i)."""
    slices, both, all_ = Counter[int](), Counter[int](), Counter[int]()
    for k, scores in left_out:
        annotated = labels[k]
        predicted = to_labels(scores, annotated.shape, annotated.dtype)
        for value in set(np.union1d(predicted, annotated).tolist()) - {0}:
            here, there = predicted == value, annotated == value
            slices[value] += bool(there.any())
            both[value] += int((here & there).sum())
            all_[value] += int(here.sum() + there.sum())
    # what is drawn of a label that no left-out slice holds does not count: all means are of the same labels
    held = [value for value in sorted(slices) if slices[value]]
    return Estimate({value: 2 * both[value] / all_[value] for value in held}, {value: slices[value] for value in held})


def choose(estimates: Mapping[str, Estimate], value: int, fillers: Sequence[type[Filler]] = FILLERS) -> type[Filler]:
    """What fills in a structure: the best of those that take little time, of equals the last; a costly one has to be worth it.

    Costly ones are compared with each other by the mean of all structures: they differ by less than what can be told of one
    structure on a few slices.

    Args:
        estimates: by the fillers' names, of all of them or, where nothing can be compared, of none.
        value: of the structure. One that is on no left-out slice is not left to a costly one: nothing shows that it is better.
        fillers: to choose from, those that take little time first; a costly one is measured against those before it.
    """
    free = [filler for filler in reversed(fillers) if not filler.worth_it_by]
    if not estimates:
        return free[0]
    best = max(free, key=lambda filler: estimates[filler.name].of(value))
    costly, *others = (filler for filler in fillers if filler.worth_it_by)
    for other in others:
        if estimates[other.name].mean_dice - estimates[costly.name].mean_dice >= other.worth_it_by:
            costly = other
    found = estimates[costly.name]
    is_worth_it = found.of(value) - estimates[best.name].of(value) >= costly.worth_it_by
    return costly if found.slices.get(value) and is_worth_it else best
