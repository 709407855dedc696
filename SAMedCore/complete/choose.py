"""How well each method fills in a slice, estimated on the annotated slices themselves by leaving them out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from SAMedCore.evaluate.measures import dice

COPY, INTERPOLATION, NETWORK = "copy", "interpolation", "network"
METHODS = (COPY, INTERPOLATION, NETWORK)
"""Ways to fill in a slice: the nearest annotated slice as it is, shapes interpolated by signed distances, SAM fine-tuned."""

WORTH_IT = 0.01
"""By how much more mean Dice the network has to beat the baselines; less than that is within the estimate's error."""


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


@dataclass(frozen=True)
class Fold:
    """Annotated slices that are shown, and those between them that are left out."""

    shown: tuple[int, ...]
    left_out: tuple[int, ...]


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


def choose(estimates: Mapping[str, Estimate]) -> str:
    """The better baseline unless the network is better by `WORTH_IT`; interpolation where there are no estimates."""
    if not estimates:
        return INTERPOLATION
    baseline = COPY if estimates[COPY].mean_dice > estimates[INTERPOLATION].mean_dice else INTERPOLATION
    network = estimates.get(NETWORK)
    if network is not None and network.mean_dice >= estimates[baseline].mean_dice + WORTH_IT:
        return NETWORK
    return baseline
