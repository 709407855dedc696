"""How good the network is on the slices held out, for choosing the best checkpoint; not for reporting."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from SAMedCore.train.loss import IGNORE
from SAMedCore.train.slices import EpochSampler, TrainingItems, item_loader


@torch.no_grad()
def validation_dice(forward: Callable[[Tensor], Tensor], items: TrainingItems, batch_size: int, device: torch.device) -> float:
    """Mean Dice over the classes that occur, pooled over all slices, at the size of the low-resolution labels.

    Args:
        forward: a batch of the items' inputs to low_res_logits (B, classes + 1, L, L).

    Returns:
        0..1, or 1 where no class occurs and none is predicted.
    """
    sampler = EpochSampler(len(items), seed=0, shuffled=False)
    overlap = total = wanted = torch.zeros(1, dtype=torch.int64)
    for inputs, low_res_labels in item_loader(items, batch_size, sampler, workers=0):
        logits = forward(inputs.to(device))
        classes = logits.shape[1]
        # counted on the host: the number of pixels that agree is a size, and a GPU waits for it
        annotated = low_res_labels != IGNORE
        predicted, labels = logits.argmax(dim=1).cpu()[annotated], low_res_labels[annotated]
        wanted = wanted + _count(labels, classes)
        total = total + _count(labels, classes) + _count(predicted, classes)
        overlap = overlap + _count(labels[labels == predicted], classes)
    occurs = wanted[1:] > 0
    if not occurs.any():
        return float(total[1:].sum() == 0)
    return float((2 * overlap[1:] / total[1:])[occurs].mean())


def _count(classes: Tensor, class_count: int) -> Tensor:
    return torch.bincount(classes, minlength=class_count)
