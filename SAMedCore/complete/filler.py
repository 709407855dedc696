"""What a way of completing is: it fills in slices of one scan, and shows on annotated ones how well it does."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from SAMedCore.complete.motion import CarriedShapes
from SAMedCore.complete.shapes import Distances, SliceShapes
from SAMedCore.image.volume import Volume
from SAMedCore.options import CompleteOptions
from SAMedCore.work import Work

if TYPE_CHECKING:
    from SAMedCore.model.promptable import Promptable

Scores = Distances
"""Of one slice: label value -> (j, i) float32, above 0 inside and within plus and minus `shapes.SCORE_LIMIT`."""


@dataclass(frozen=True)
class Fold:
    """Annotated slices that are shown, and those between them that are left out."""

    shown: tuple[int, ...]
    left_out: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class PartialScan:
    """A scan annotated on some slices, as its fillers see it.

    Attributes:
        volume: turned so that k counts its axial slices.
        shapes: the annotated slices, on the volume's voxels.
        options: what was asked for.
        work: told how far a filler is.
        model: a loaded base model, or what gives one; None for the one that the options name.
    """

    volume: Volume
    shapes: SliceShapes
    options: CompleteOptions
    work: Work
    model: Promptable | Callable[[], Promptable] | None = None

    @cached_property
    def carried(self) -> CarriedShapes:
        """The same shapes, moved with the anatomy; its slices are registered as they are needed, once for all fillers."""
        return CarriedShapes(self.shapes, self.volume, self.options.intensities, self.work)


class Filler(ABC):
    """A way of filling in the slices of one scan; `choose.FILLERS` lists them.

    Making one costs nothing: what it needs it loads when it is first asked for slices. Slices come one at a time, so that a
    large scan's scores are never in memory together.

    Attributes:
        name: of the method, in results.
        title: the same in words, within a sentence.
        worth_it_by: how much more Dice than the others it has to reach to be worth its time; 0 if it takes little.
        parts: kinds of those whose results it uses; it is made with one of each.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    worth_it_by: ClassVar[float] = 0.0
    parts: ClassVar[tuple[type[Filler], ...]] = ()

    def __init__(self, scan: PartialScan, *parts: Filler) -> None:
        self.scan = scan

    @abstractmethod
    def leave_out(self, folds: Sequence[Fold]) -> Generator[tuple[int, Scores], None, None]:
        """Each left-out slice, predicted from its fold's shown ones and from no other.

        Raises:
            Cancelled: the user stopped the work.
        """

    @abstractmethod
    def fill(self, missing: Sequence[int]) -> Generator[tuple[int, Scores], None, None]:
        """Each missing slice in turn, upwards, predicted from all annotated ones. Raises as `leave_out`."""
