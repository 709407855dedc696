"""What a person gets without any network: the nearest annotated slice, and shapes interpolated between annotated slices."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from SAMedCore.complete.filler import Filler, Fold, Scores
from SAMedCore.complete.shapes import SliceShapes, bounded, nearest


class Shapes(Filler):
    """What the annotated shapes themselves say of a slice; each kind says which shapes."""

    phase = "interpolating"

    def leave_out(self, folds: Sequence[Fold]) -> Generator[tuple[int, Scores], None, None]:
        total = sum(len(fold.left_out) for fold in folds)
        for done, (k, shown) in enumerate(((k, fold.shown) for fold in folds for k in fold.left_out), start=1):
            yield k, self._scores(k, shown)
            self.scan.work.step(self.phase, done, total)

    def fill(self, missing: Sequence[int]) -> Generator[tuple[int, Scores], None, None]:
        for done, k in enumerate(sorted(missing), start=1):
            yield k, self._scores(k, self.scan.shapes.annotated)
            self.scan.work.step(self.phase, done, len(missing))

    def _scores(self, k: int, shown: Sequence[int]) -> Scores:
        shapes = self._shapes()
        return bounded(shapes.at(k, shown), shapes.spacing_mm)

    def _shapes(self) -> SliceShapes:
        return self.scan.shapes


class Copy(Shapes):
    """The nearest annotated slice as it is."""

    name = "copy"
    title = "copying the nearest slice"

    def _scores(self, k: int, shown: Sequence[int]) -> Scores:
        return bounded(self.scan.shapes.own(nearest(shown, k)), self.scan.shapes.spacing_mm)


class Interpolation(Shapes):
    """Shapes between two annotated slices by their signed distances."""

    name = "interpolation"
    title = "shape interpolation"


class Carrying(Shapes):
    """The same, after the shapes have been moved with the anatomy by registering each slice with the next."""

    name = "carrying"
    title = "carrying shapes along with the anatomy"
    phase = "registering"

    def _shapes(self) -> SliceShapes:
        return self.scan.carried
