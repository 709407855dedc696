"""Which way fills in a structure best, estimated on the annotated slices themselves by leaving them out.

A slice left out is farther from the next annotated one than the slices to fill in, which flatters what extrapolates well. So
what is compared is the Dice expected at a slice's own distance, structure by structure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from SAMedCore.complete.baselines import Carrying, Copy, Interpolation
from SAMedCore.complete.filler import Filler, Fold, LeftOut, Scores
from SAMedCore.complete.network import Network
from SAMedCore.complete.shapes import to_labels

FILLERS: tuple[type[Filler], ...] = (Copy, Interpolation, Carrying, Network)
"""All ways there are: first those that take little time, then the others."""

BORROWED_SLICES = 2.0
"""A structure is on few left-out slices: its Dice counts as if so many more had shown what all structures show on average."""


@dataclass(frozen=True)
class Estimate:
    """Dice of one method on annotated slices that it was not shown.

    Attributes:
        per_label: label value -> Dice over all left-out slices together; labels that are on none of them have no entry.
        half_way: the same as if the shown slices were half as far away.
        slices: label value -> on how many left-out slices it is.
    """

    per_label: Mapping[int, float]
    half_way: Mapping[int, float]
    slices: Mapping[int, int]

    @property
    def mean_dice(self) -> float:
        """Mean over the labels, as far away as they were left out."""
        return _mean(self.per_label)

    def expected(self, value: int, share: float) -> float:
        """Dice of a label at `share` of the distance at which slices were left out, 0 to 1: errors grow evenly with it.

        A label that few left-out slices hold, or none, is taken to be partly, or wholly, like the others.
        """
        count = self.slices.get(value, 0)
        weight = count / (count + BORROWED_SLICES)
        far, near = (
            (weight * dices[value] if count else 0.0) + (1 - weight) * _mean(dices) for dices in (self.per_label, self.half_way)
        )
        nearest = min(1.0, max(near, 2 * near - far))
        return nearest + share * (far - nearest)


def _mean(dices: Mapping[int, float]) -> float:
    """0 where no label is on a left-out slice."""
    return float(np.mean(list(dices.values()))) if dices else 0.0


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


def estimate(left_out: Iterable[LeftOut], labels: np.ndarray) -> Estimate:
    """Compare what was predicted of left-out slices with what is annotated on them in `labels` (k, j, i)."""
    far, half_way = _Tally(), _Tally()
    for one in left_out:
        annotated = labels[one.k]
        far.add(one.scores, annotated)
        if one.half_way is not None:
            half_way.add(one.half_way, annotated)
    per_label = far.dices()
    # nothing but the annotated shapes is drawn there: on an annotated slice it is right, and errors grow from that
    return Estimate(per_label, half_way.dices() or {value: (1 + dice) / 2 for value, dice in per_label.items()}, far.slices)


def choose(
    estimates: Mapping[str, Estimate], value: int, share: float, fillers: Sequence[type[Filler]] = FILLERS
) -> type[Filler]:
    """What fills in a structure: the best of those that take little time, of equals the last; a costly one has to be worth it.

    Args:
        estimates: by the fillers' names, of all of them or, where nothing can be compared, of none.
        value: of the structure. One that is on no left-out slice is not left to a costly one: nothing shows that it is better.
        share: of the slice's distance to the next annotated one in that of left-out slices.
        fillers: to choose from, those that take little time first; a costly one is measured against the best before it.
    """
    free = [filler for filler in reversed(fillers) if not filler.worth_it_by]
    if not estimates:
        return free[0]
    best = max(free, key=lambda filler: estimates[filler.name].expected(value, share))
    for costly in (filler for filler in fillers if filler.worth_it_by):
        found = estimates[costly.name]
        gain = found.expected(value, share) - estimates[best.name].expected(value, share)
        if found.slices.get(value) and gain >= costly.worth_it_by:
            best = costly
    return best


class _Tally:
    """Pixels counted slice by slice, for the Dice over all of them together."""

    def __init__(self) -> None:
        self.slices: dict[int, int] = {}
        self._both: dict[int, int] = {}
        self._all: dict[int, int] = {}

    def add(self, scores: Scores, annotated: np.ndarray) -> None:
        predicted = to_labels(scores, annotated.shape, annotated.dtype)
        for value in map(int, np.union1d(np.unique(predicted), np.unique(annotated))):
            if value == 0:
                continue
            here, there = predicted == value, annotated == value
            self.slices[value] = self.slices.get(value, 0) + int(there.any())
            self._both[value] = self._both.get(value, 0) + int((here & there).sum())
            self._all[value] = self._all.get(value, 0) + int(here.sum() + there.sum())

    def dices(self) -> dict[int, float]:
        # what is drawn of a label that no left-out slice holds does not count: all means are of the same labels
        return {value: 2 * self._both[value] / count for value, count in sorted(self._all.items()) if self.slices[value]}
