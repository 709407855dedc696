"""The annotated slices as shapes, and the shapes between them.

Shape interpolation follows Raya and Udupa, "Shape-based interpolation of multidimensional objects", IEEE TMI 1990: the signed
distances to a structure's outline change linearly from one annotated slice to the next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from SAMedCore.image.distances import signed_distance_mm

Distances = dict[int, np.ndarray]
"""Signed distances of one slice: label value -> (j, i) float32 in mm, positive inside."""


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

    def __init__(self, labels: np.ndarray, annotated: Sequence[int], spacing_mm: tuple[float, float]) -> None:
        self.labels = labels
        self.annotated = tuple(sorted(annotated))
        self.spacing_mm = spacing_mm
        self._distances: dict[int, Distances] = {}

    def own(self, k: int) -> Distances:
        """Distances of what is annotated on slice `k`, one entry for each label that is there."""
        if k not in self._distances:
            values = np.unique(self.labels[k])
            self._distances[k] = {
                int(value): signed_distance_mm(self.labels[k] == value, self.spacing_mm) for value in values[values > 0]
            }
        return self._distances[k]

    def at(self, k: int, using: Sequence[int] | None = None) -> Distances:
        """Distances on slice `k`, linear between the nearest annotated slices below and above it.

        Args:
            k: any slice; beyond the outermost annotated slice that slice's distances are returned.
            using: the annotated slices to interpolate from; all of them where None. Leaving out `k` itself predicts an
                annotated slice from its neighbours.
        """
        known = self.annotated if using is None else sorted(using)
        below = max((a for a in known if a <= k), default=None)
        above = min((a for a in known if a >= k), default=None)
        if below is None or above is None or below == above:
            return self.own(next(a for a in (below, above) if a is not None))
        return blend(self.own(below), self.own(above), (k - below) / (above - below))


def interpolated(shapes: SliceShapes, k: int, using: Sequence[int]) -> np.ndarray:
    """Slice `k` by shape interpolation from the slices `using`: (j, i) labels."""
    return to_labels(shapes.at(k, using), shapes.labels.shape[1:], shapes.labels.dtype)


def blend(first: Distances, second: Distances, weight: float) -> Distances:
    """`(1 - weight) * first + weight * second`, label by label.

    A label that one side lacks is taken there to be as far away as the other side's shape is deep, so that the shape
    shrinks to nothing half-way between the two.
    """
    return {
        value: (1 - weight) * _or_far(first.get(value), second.get(value))
        + weight * _or_far(second.get(value), first.get(value))
        for value in sorted(first.keys() | second.keys())
    }


def _or_far(distances: np.ndarray | None, other: np.ndarray | None) -> np.ndarray:
    if distances is not None:
        return distances
    if other is None:
        raise ValueError("a label has to be on one of the two slices")
    return np.full_like(other, -other.max())


def smooth(scores: Mapping[int, Distances], k: int, absent: float) -> Distances:
    """Scores of slice `k`, averaged with those of the slices above and below it: a quarter, a half, a quarter.

    Args:
        scores: slice -> label value -> (j, i); a neighbour that is not there has no say.
        k: a slice that is there.
        absent: the score of a label that a slice lacks.
    """
    weights = {neighbour: weight for neighbour, weight in ((k - 1, 0.25), (k, 0.5), (k + 1, 0.25)) if neighbour in scores}
    values = sorted(set().union(*(scores[neighbour] for neighbour in weights)))

    def average(value: int) -> np.ndarray:
        each = np.broadcast_arrays(*(scores[neighbour].get(value, np.float32(absent)) for neighbour in weights))
        return np.average(each, axis=0, weights=list(weights.values()))

    return {value: average(value) for value in values}


def to_labels(scores: Distances, shape: tuple[int, int], dtype: np.dtype) -> np.ndarray:
    """The label of the highest score at each pixel, 0 where no score is above 0. Returns (j, i) of `dtype`."""
    if not scores:
        return np.zeros(shape, dtype)
    values = np.array([0, *scores], dtype)
    return values[np.argmax(np.stack([np.zeros(shape, np.float32), *scores.values()]), axis=0)]
