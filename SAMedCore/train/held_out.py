"""What a training started from and what came out, scored on held-out slices as they would be segmented in use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from SAMedCore.evaluate.before_after import BeforeAfter
from SAMedCore.image.orientation import turned_view
from SAMedCore.model.answers import with_classes
from SAMedCore.model.embeddings import Embeddings
from SAMedCore.model.sam import Sam
from SAMedCore.segment import Segmenter
from SAMedCore.train.cases import Case, classes_of
from SAMedCore.train.slices import NOT_ANNOTATED, SliceDataset
from SAMedCore.work import SILENT, Work

SLICES_AT_ONCE = 64
"""Between the two models; as many encoded slices are kept, 256 MB with LiteMedSAM."""


@dataclass(frozen=True)
class HeldOut:
    """Annotated slices that were not learnt from.

    Attributes:
        cases: the scans.
        slices: for the number of a scan its held-out slices, along k in the preprocessing's orientation.
        whole_scans: whether no slice of these scans was learnt from.
    """

    cases: Sequence[Case]
    slices: dict[int, list[int]]
    whole_scans: bool

    @classmethod
    def of(cls, cases: Sequence[Case], training: SliceDataset, validation: SliceDataset | None) -> HeldOut | None:
        """None where there is no annotated one."""
        if validation is None:
            return None
        slices: dict[int, list[int]] = {}
        annotated = (validation.classes != NOT_ANNOTATED).any(axis=(1, 2))
        for scan, number in zip(validation.volume_numbers[annotated], validation.slice_numbers[annotated], strict=True):
            slices.setdefault(int(scan), []).append(int(number))
        learnt_from = set(training.volume_numbers.tolist())
        return cls(cases, slices, learnt_from.isdisjoint(slices)) if slices else None

    def __len__(self) -> int:
        return sum(map(len, self.slices.values()))


def compare(before: Segmenter, after: Segmenter, held_out: HeldOut, start: str, work: Work = SILENT) -> BeforeAfter:
    """Dice by structure over all held-out slices together, in the slices' own pixels.

    Args:
        before, after: of the same labels and preprocessing. Where they share one image encoder, each slice is encoded once.
        start: what `before` is, in words.
        work: told "comparing", in slices of each model.

    Raises:
        Cancelled: the work was.
        SAMedError: the GPU has too little memory for one slice.
    """
    models = (before, after)
    shares = before.sam.image_encoder is after.sam.image_encoder
    agreements = [Agreement(len(after.labels)) for _ in models]
    done, total = 0, len(models) * len(held_out)
    work.step("comparing", done, total)
    for scan, numbers in held_out.slices.items():
        for first in range(0, len(numbers), SLICES_AT_ONCE):
            some = numbers[first : first + SLICES_AT_ONCE]
            kept: dict | None = {} if shares else None
            for model, agreement in zip(models, agreements, strict=True):
                for count in _score(model, held_out.cases[scan], some, agreement, kept, work):
                    done += count
                    work.step("comparing", done, total)
    dices = [agreement.dice() for agreement in agreements]
    facts = (start, len(held_out), len(held_out.slices), held_out.whole_scans)
    return BeforeAfter(after.labels.names, dices[0], dices[1], *facts)


def share_encoder(one: Sam, other: Sam) -> None:
    """Have both use one image encoder where theirs are equal, as they are where a training left it alone."""
    mine, others = one.image_encoder.state_dict(), other.image_encoder.state_dict()
    if mine.keys() == others.keys() and all(torch.equal(tensor, others[name]) for name, tensor in mine.items()):
        other.image_encoder = one.image_encoder


@dataclass
class Agreement:
    """Pixels of each class that a model predicted, that a person drew, and that are both."""

    class_count: int
    pixels: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.pixels = np.zeros((3, self.class_count + 1), dtype=np.int64)

    def add(self, predicted: np.ndarray, drawn: np.ndarray) -> None:
        """Classes of the same pixels, uint8."""
        for row, classes in enumerate((predicted, drawn, drawn[predicted == drawn])):
            self.pixels[row] += np.bincount(classes.ravel(), minlength=self.class_count + 1)

    def dice(self) -> tuple[float | None, ...]:
        """Of each class but the background; None where it was neither drawn nor predicted."""
        predicted, drawn, both = self.pixels[:, 1:].tolist()
        return tuple(2 * c / (a + b) if a + b else None for a, b, c in zip(predicted, drawn, both, strict=True))


def _score(
    model: Segmenter, case: Case, numbers: list[int], agreement: Agreement, kept: Embeddings | None, work: Work
) -> Iterator[int]:
    """Adds these slices of the scan; yields after each batch how many it were."""
    preprocessing = model.info.preprocessing
    oriented = turned_view(case.volume, preprocessing.orientation)
    labelmap = turned_view(case.labelmap, preprocessing.orientation)
    drawn = classes_of(replace(labelmap, voxels=labelmap.voxels[numbers]), model.labels)
    of_number = dict(zip(numbers, drawn, strict=True))
    batches = model.low_res_logits(oriented, numbers, work, embeddings=kept)
    for indices, _, classes in with_classes(batches, model.sam.input_size):
        predicted = preprocessing.restore_labels(classes(), drawn.shape[1:])
        agreement.add(predicted, np.stack([of_number[number] for number in indices]))
        yield len(indices)
