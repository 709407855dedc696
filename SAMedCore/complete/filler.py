"""What a way of completing is: it fills in slices of one scan, and shows on annotated ones how well it does."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from SAMedCore.complete.shapes import SliceShapes
from SAMedCore.image.volume import Volume
from SAMedCore.options import CompleteOptions
from SAMedCore.work import Work

if TYPE_CHECKING:
    from SAMedCore.model.promptable import Promptable


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


class Filler(ABC):
    """A way of filling in the slices of one scan; `choose.FILLERS` lists them.

    Making one costs nothing: what it needs it loads when it is first asked for slices.

    Attributes:
        name: of the method, in results.
        title: the same in words, within a sentence.
        worth_it_by: how much more mean Dice than the others it has to reach to be worth its time; 0 if it takes none.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    worth_it_by: ClassVar[float] = 0.0

    def __init__(self, scan: PartialScan) -> None:
        self.scan = scan

    @abstractmethod
    def leave_out(self, folds: Sequence[Fold]) -> dict[int, np.ndarray]:
        """Slice -> (j, i) labels of each left-out slice, predicted from its fold's shown ones and from no other.

        Raises:
            Cancelled: the user stopped the work.
        """

    @abstractmethod
    def fill(self, missing: Sequence[int]) -> dict[int, np.ndarray]:
        """Slice -> (j, i) labels of each missing slice, predicted from all annotated ones. Raises as `leave_out`."""
