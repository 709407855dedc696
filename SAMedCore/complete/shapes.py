"""The annotated slices as shapes, and the shapes between them.

Shape interpolation follows Raya and Udupa, "Shape-based interpolation of multidimensional objects", IEEE TMI 1990: the signed
distances to a structure's outline change linearly from one annotated slice to the next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from SAMedCore.image.distances import signed_distance_mm

Distances = dict[int, np.ndarray]
"""Signed distances of one slice: label value -> (j, i) float32 in mm, positive inside."""

SCORE_LIMIT = 4.0
"""Scores are bounded by plus and minus this, so that no slice outvotes its neighbours by being over-confident."""


def nearest(annotated: Sequence[int], k: int) -> int:
    """The annotated slice nearest to slice `k`; of two, the lower."""
    return min(annotated, key=lambda slice_index: (abs(slice_index - k), slice_index))


def reach(annotated: Sequence[int], count: int) -> range:
    """The slices, of a scan's `count`, that annotated ones speak for: from the first to the last and somewhat beyond.

    Whoever annotates every sixth slice and stops leaves up to five unseen that may still hold the structure; farther out
    nothing says where it ends, and copying its last outline on to the end of the scan would be wrong. So the outermost
    annotated slices reach out to where the next one would have been, by the median step between annotated slices.
    """
    ordered = sorted(annotated)
    beyond = int(np.median(np.diff(ordered))) - 1 if len(ordered) > 1 else 0
    return range(max(0, ordered[0] - beyond), min(count, ordered[-1] + beyond + 1))


class SliceShapes:
    """The annotated slices of a scan as signed distances, from which any slice between them is interpolated.

    Args:
        labels: (k, j, i) integers; only the annotated slices are read.
        annotated: indices k of the annotated slices, at least one.
        spacing_mm: (j, i).
    """

    blunt: ClassVar[bool] = False
    """How structures end, as `blend` has it."""

    def __init__(self, labels: np.ndarray, annotated: Sequence[int], spacing_mm: tuple[float, float]) -> None:
        self.labels = labels
        self.annotated = tuple(sorted(annotated))
        self.spacing_mm = spacing_mm
        self._distances: dict[int, Distances] = {}

    @property
    def values(self) -> tuple[int, ...]:
        """Of all labels that are on an annotated slice."""
        return tuple(sorted(set().union(*(self.own(k) for k in self.annotated))))

    def own(self, k: int) -> Distances:
        """Distances of what is annotated on slice `k`, one entry for each label that is there."""
        if k not in self._distances:
            values = np.unique(self.labels[k])
            self._distances[k] = {
                int(value): signed_distance_mm(self.labels[k] == value, self.spacing_mm) for value in values[values > 0]
            }
        return self._distances[k]

    def from_slice(self, origin: int, k: int) -> Distances:
        """What the annotated slice `origin` says of slice `k`: its own distances."""
        return self.own(origin)

    def at(self, k: int, using: Sequence[int] | None = None) -> Distances:
        """Distances on slice `k`, linear between the nearest annotated slices below and above it.

        Args:
            k: any slice; beyond the outermost annotated slice what that one alone says.
            using: the annotated slices to interpolate from; all of them where None. Leaving out `k` itself predicts an
                annotated slice from its neighbours.
        """
        known = self.annotated if using is None else sorted(using)
        below = max((a for a in known if a <= k), default=None)
        above = min((a for a in known if a >= k), default=None)
        if below is None or above is None or below == above:
            return self.from_slice(next(a for a in (below, above) if a is not None), k)
        return blend(self.from_slice(below, k), self.from_slice(above, k), (k - below) / (above - below), self.blunt)


def interpolated(shapes: SliceShapes, k: int, using: Sequence[int]) -> np.ndarray:
    """Slice `k` by shape interpolation from the slices `using`: (j, i) labels."""
    return to_labels(shapes.at(k, using), shapes.labels.shape[1:], shapes.labels.dtype)


def bounded(distances: Distances, spacing_mm: tuple[float, float]) -> Distances:
    """Signed distances in mm as scores: in pixels, and less and less beyond `SCORE_LIMIT`."""
    pixel_mm = np.float32(np.sqrt(np.prod(spacing_mm)))
    limit = np.float32(SCORE_LIMIT)
    return {value: limit * np.tanh(distance / (pixel_mm * limit)) for value, distance in distances.items()}


def certain_scores(own: Distances) -> Distances:
    """Scores of an annotated slice, from its own distances: nothing can outvote what a person drew."""
    return {value: np.where(distance > 0, SCORE_LIMIT, -SCORE_LIMIT) for value, distance in own.items()}


def blend(first: Distances, second: Distances, weight: float, blunt: bool = False) -> Distances:
    """`(1 - weight) * first + weight * second`, label by label.

    Args:
        first, second: of two slices.
        weight: 0 to 1.
        blunt: a label that one side lacks ends half-way between the two in any case. There it has shrunk to nothing, or where
            this is set, lost a quarter of its depth: most structures end bluntly.
    """

    def mix(value: int) -> np.ndarray:
        if value not in first:
            return _ending(second[value], 1 - weight, blunt)
        if value not in second:
            return _ending(first[value], weight, blunt)
        return (1 - weight) * first[value] + weight * second[value]

    return {value: mix(value) for value in sorted(first.keys() | second.keys())}


def _ending(distances: np.ndarray, weight: float, blunt: bool) -> np.ndarray:
    """Of a label that the other side lacks, `weight` of the way to it."""
    depth = np.float32(distances.max())
    if not blunt:
        return (1 - weight) * distances - weight * depth
    return distances - depth * np.float32(weight / 2 if weight <= 0.5 else 2)


def smooth(scores: Mapping[int, Distances], k: int) -> Distances:
    """Scores of slice `k`, averaged with those of the slices above and below it: a quarter, a half, a quarter.

    Args:
        scores: slice -> label value -> (j, i); a neighbour that is not there has no say, and a label that a slice
            lacks the lowest score.
        k: a slice that is there.
    """
    weights = {neighbour: weight for neighbour, weight in ((k - 1, 0.25), (k, 0.5), (k + 1, 0.25)) if neighbour in scores}
    values = sorted(set().union(*(scores[neighbour] for neighbour in weights)))

    def average(value: int) -> np.ndarray:
        each = np.broadcast_arrays(*(scores[neighbour].get(value, np.float32(-SCORE_LIMIT)) for neighbour in weights))
        return np.average(each, axis=0, weights=list(weights.values()))

    return {value: average(value) for value in values}


def to_labels(scores: Distances, shape: tuple[int, int], dtype: np.dtype) -> np.ndarray:
    """The label of the highest score at each pixel, 0 where no score is above 0. Returns (j, i) of `dtype`."""
    if not scores:
        return np.zeros(shape, dtype)
    values = np.array([0, *scores], dtype)
    return values[np.argmax(np.stack([np.zeros(shape, np.float32), *scores.values()]), axis=0)]
