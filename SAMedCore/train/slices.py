"""Annotated slices as the network is trained on them.

Every item depends on (seed, pass, index) alone, so neither the number of workers nor an interruption changes a run.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, Dataset, Sampler, default_collate

from SAMedCore.errors import InputError
from SAMedCore.image.labels import LabelTable
from SAMedCore.image.orientation import reorient, turned_view
from SAMedCore.image.slices import from_the_feet
from SAMedCore.model.preprocessing import Preprocessing, resize_labels
from SAMedCore.model.resizing import resize
from SAMedCore.train.augment import AUGMENTATIONS
from SAMedCore.train.cases import Case, classes_of
from SAMedCore.train.loss import IGNORE
from SAMedCore.train.processes import ALONE, Processes
from SAMedCore.work import SILENT, Work

NOT_ANNOTATED = 255
"""The uint8 that stands for `IGNORE` in stored labels."""


class TrainingItems(Protocol):
    """What a stage is trained on: ``items[pass, index]`` gives the network's input and its low-resolution labels."""

    def __len__(self) -> int: ...

    def __getitem__(self, pass_and_index: tuple[int, int]) -> tuple[Tensor, Tensor]: ...


@dataclass(frozen=True, eq=False)
class SliceDataset(Dataset):
    """Slices held in memory at the size at which they are augmented, the first of the preprocessing's sizes.

    Attributes:
        images: (n, S0, S0) float32, windowed to [0, 1].
        classes: (n, S0, S0) uint8; 0 background, c the c-th label that is learnt, 255 not annotated.
        volume_numbers: (n,) which scan each slice is from.
        slice_numbers: (n,) and which of its slices, along k in the preprocessing's orientation.
        low_res_size: of the network's logits.
        augmentation: a name in `AUGMENTATIONS`, or None.
    """

    images: np.ndarray
    classes: np.ndarray
    volume_numbers: np.ndarray
    slice_numbers: np.ndarray
    preprocessing: Preprocessing
    low_res_size: int
    augmentation: str | None = None
    seed: int = 1234

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, pass_and_index: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """(S, S) float32 image and (L, L) int64 classes, `IGNORE` where not annotated."""
        pass_number, index = pass_and_index
        image, classes = self.images[index], self.classes[index]
        if self.augmentation is not None:
            draw = np.random.default_rng((self.seed, pass_number, index))
            image, classes = AUGMENTATIONS[self.augmentation](image, classes, draw)
        further_sizes = self.preprocessing.sizes[1:]
        resized = resize(torch.from_numpy(np.ascontiguousarray(image))[None], self.preprocessing, further_sizes)[0]
        low_res = resize_labels(classes[None], (*further_sizes, self.low_res_size))[0].astype(np.int64)
        low_res[low_res == NOT_ANNOTATED] = IGNORE
        return resized, torch.from_numpy(low_res)

    def augmented(self, augmentation: str | None, seed: int) -> SliceDataset:
        """The same slices, changed in this way each time that they are taken."""
        return replace(self, augmentation=augmentation, seed=seed)

    def part(self, indices: Sequence[int] | np.ndarray, augmentation: str | None) -> SliceDataset:
        """The slices of these indices, augmented in this way."""
        chosen = np.asarray(indices, dtype=int)
        return replace(
            self,
            images=self.images[chosen],
            classes=self.classes[chosen],
            volume_numbers=self.volume_numbers[chosen],
            slice_numbers=self.slice_numbers[chosen],
            augmentation=augmentation,
        )


def slice_dataset(
    cases: Sequence[Case],
    labels: LabelTable,
    preprocessing: Preprocessing,
    low_res_size: int,
    slices: str | Collection[int] = "all",
    keep_others: bool = False,
    work: Work = SILENT,
) -> SliceDataset:
    """The slices of all scans, brought to the preprocessing's orientation, window and first size; not augmented.

    Args:
        labels: the structures to learn; class c is the c-th of them, all else is background.
        low_res_size: of the network's logits.
        slices, keep_others: as in `FinetuneOptions`; a case's own slices go before.

    Raises:
        Cancelled: the work was.
        InputError: no slice remains, a slice number is not in its scan, or the preprocessing's slices are not axial and
            have no number.
    """
    images, classes, volume_numbers, slice_numbers = [], [], [], []
    for number, case in enumerate(cases):
        work.stop_if_cancelled()
        scan_classes = preprocessing.pad(classes_of(reorient(case.labelmap, preprocessing.orientation), labels))
        wanted = slices if case.slices is None else case.slices
        chosen = _chosen(scan_classes, wanted, number, preprocessing.orientation)
        if keep_others:
            scan_classes[~chosen] = NOT_ANNOTATED
            chosen = np.ones_like(chosen)
        first_size = preprocessing.sizes[:1]
        fitted = preprocessing.fit(case.volume)
        scan_images = fitted.images_of(turned_view(case.volume, preprocessing.orientation).voxels[chosen])
        images.append(resize(torch.from_numpy(scan_images), preprocessing, first_size).numpy())
        classes.append(resize_labels(scan_classes[chosen], first_size))
        volume_numbers.append(np.full(int(chosen.sum()), number))
        slice_numbers.append(np.flatnonzero(chosen))
    arrays = np.concatenate(images), np.concatenate(classes), np.concatenate(volume_numbers), np.concatenate(slice_numbers)
    dataset = SliceDataset(*arrays, preprocessing, low_res_size)
    if not np.isin(dataset.classes, (0, NOT_ANNOTATED), invert=True).any():
        raise InputError("the label maps hold none of the structures to learn: check their names and the label maps.")
    return dataset


def split(dataset: SliceDataset, fraction: float, seed: int) -> tuple[SliceDataset, SliceDataset | None]:
    """Part of the slices for validation, never augmented: whole scans, or slices where there is one scan.

    Args:
        fraction: from 0 up to, but not, 1; something is left to train on.
    """
    volumes = np.unique(dataset.volume_numbers)
    # Neighbouring slices are alike, so a split by slice flatters; a single scan leaves no other way.
    units = dataset.volume_numbers if len(volumes) > 1 else np.arange(len(dataset))
    every_unit = np.unique(units)
    count = round(fraction * len(every_unit)) if fraction == 0 else max(1, round(fraction * len(every_unit)))
    if count == 0 or len(every_unit) < 2:
        return dataset, None
    count = min(count, len(every_unit) - 1)
    held_out = np.isin(units, np.random.default_rng(seed).permutation(every_unit)[:count])
    return (
        dataset.part(np.flatnonzero(~held_out), dataset.augmentation),
        dataset.part(np.flatnonzero(held_out), None),
    )


def repeats_of(classes: np.ndarray, versions: int, balanced: float) -> np.ndarray:
    """How often each slice is shown in an epoch, (n,) int, at least once and `versions` times on average.

    Args:
        classes: (n, S0, S0) of a `SliceDataset`.
        balanced: 0 shows all alike; 1 in proportion to how rare a slice's rarest structure is among the slices.
    """
    present = np.stack([np.bincount(labels.ravel(), minlength=256)[1:NOT_ANNOTATED] > 0 for labels in classes])
    rarity = (present / present.sum(axis=0).clip(min=1)).max(axis=1)
    # a slice without any structure counts as one with the commonest
    rarity = rarity.clip(min=1 / present.sum(axis=0).max().clip(min=1))
    share = (1 - balanced) / len(classes) + balanced * rarity / rarity.sum()
    return np.maximum(1, np.round(share * len(classes) * versions)).astype(int)


class EpochSampler(Sampler[tuple[int, int]]):
    """(pass, index) of every item in the epoch's own order; set `epoch` before each epoch.

    Args:
        repeats: (n,) how often each item comes in an epoch, each time in another pass, which augments anew.
    """

    def __init__(self, repeats: np.ndarray, seed: int, shuffled: bool = True) -> None:
        self.repeats, self.seed, self.shuffled, self.epoch = repeats, seed, shuffled, 0

    def __len__(self) -> int:
        return int(self.repeats.sum())

    def __iter__(self) -> Iterator[tuple[int, int]]:
        rounds, indices = np.nonzero(np.arange(self.repeats.max())[:, None] < self.repeats)
        order = np.arange(len(self))
        if self.shuffled:
            order = np.random.default_rng((self.seed, self.epoch)).permutation(order)
        for number in order:
            index = int(indices[number])
            yield self.epoch * int(self.repeats[index]) + int(rounds[number]), index


@dataclass(frozen=True)
class _Shares(Dataset):
    """Of batches of items the share of a process; where it has none, a slice that nobody annotated, which adds nothing."""

    items: TrainingItems
    rank: int
    count: int

    def __getitem__(self, batch: list[tuple[int, int]]) -> tuple[Tensor, Tensor]:
        share = batch[self.rank :: self.count]
        inputs, low_res_labels = default_collate([self.items[key] for key in share or batch[:1]])
        return inputs, low_res_labels if share else torch.full_like(low_res_labels, IGNORE)


def item_loader(
    items: TrainingItems, batch_size: int, sampler: EpochSampler, workers: int, processes: Processes = ALONE
) -> DataLoader:
    """This process's share of batches of (inputs, low_res_labels).

    The last batch of an epoch may be smaller, as in the paper's code.
    """
    return DataLoader(
        _Shares(items, processes.rank, processes.count),
        batch_size=None,
        sampler=BatchSampler(sampler, batch_size, drop_last=False),  # type: ignore[arg-type]
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=torch.cuda.is_available(),
        # A generator of its own, so that the number of passes leaves torch's global one alone.
        generator=torch.Generator().manual_seed(sampler.seed),
    )


def worker_count(item_count: int, batch_size: int, training_processes: int = 1) -> int:
    """Processes that prepare slices for each of those that train here: none where starting them costs more than they save."""
    if item_count < 4 * batch_size:
        return 0
    return min(8, max(0, (os.cpu_count() or 1) // training_processes - 1))


def _chosen(classes: np.ndarray, slices: str | Collection[int], volume_number: int, code: str) -> np.ndarray:
    """(k,) bool, k being that of the orientation `code`."""
    if slices == "all":
        return np.ones(len(classes), dtype=bool)
    if slices == "annotated":
        return np.asarray(classes.any(axis=(1, 2)))
    numbers = from_the_feet([int(number) for number in slices], len(classes), code)
    if numbers and not (min(numbers) >= 0 and max(numbers) < len(classes)):
        raise InputError(f"scan {volume_number + 1} has the slices 0 to {len(classes) - 1}: choose only these.")
    chosen = np.zeros(len(classes), dtype=bool)
    chosen[numbers] = True
    return chosen
