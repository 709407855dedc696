"""What a person gets without any network: the nearest annotated slice, or shapes interpolated between annotated slices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from SAMedCore.complete.filler import Filler, Fold
from SAMedCore.complete.shapes import interpolated, nearest


class Copy(Filler):
    """The nearest annotated slice as it is."""

    name = "copy"
    title = "copying the nearest slice"

    def leave_out(self, folds: Sequence[Fold]) -> dict[int, np.ndarray]:
        return {k: self._nearest(k, fold.shown) for fold in folds for k in fold.left_out}

    def fill(self, missing: Sequence[int]) -> dict[int, np.ndarray]:
        return {k: self._nearest(k, self.scan.shapes.annotated) for k in missing}

    def _nearest(self, k: int, shown: Sequence[int]) -> np.ndarray:
        return self.scan.shapes.labels[nearest(shown, k)]


class Interpolation(Filler):
    """Shapes between two annotated slices by their signed distances."""

    name = "interpolation"
    title = "shape interpolation"

    def leave_out(self, folds: Sequence[Fold]) -> dict[int, np.ndarray]:
        return self._interpolate([(k, fold.shown) for fold in folds for k in fold.left_out])

    def fill(self, missing: Sequence[int]) -> dict[int, np.ndarray]:
        return self._interpolate([(k, self.scan.shapes.annotated) for k in missing])

    def _interpolate(self, wanted: Sequence[tuple[int, Sequence[int]]]) -> dict[int, np.ndarray]:
        filled = {}
        for done, (k, shown) in enumerate(wanted, start=1):
            filled[k] = interpolated(self.scan.shapes, k, shown)
            self.scan.work.step("interpolating", done, len(wanted))
        return filled
