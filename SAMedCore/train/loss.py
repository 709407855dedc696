"""The loss of SAMed: cross-entropy and Dice on the low-resolution logits; and the Dice by which the best epoch is chosen."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.nn import functional

IGNORE = -1
"""The label of a pixel that nobody annotated."""

SMOOTHING = 1e-5


def segmentation_loss(
    low_res_logits: Tensor,
    low_res_labels: Tensor,
    ce_weight: float = 0.2,
    dice_weight: float = 0.8,
    only_present: bool = False,
    pooled: Callable[[Tensor], Tensor] = lambda sums: sums,
) -> Tensor:
    """``ce_weight * cross-entropy + dice_weight * Dice loss`` over the annotated pixels (SAMed, section 3.3).

    Args:
        low_res_logits: (B, classes + 1, L, L) float, background first.
        low_res_labels: (B, L, L) integer classes 0..classes, or `IGNORE` where nobody annotated.
        only_present: the Dice term leaves out the classes that the batch lacks. In the paper's batch of 24 most classes occur;
            in a batch of two most do not, and each time their Dice term presses them to zero, from where the small ones never
            return.
        pooled: from sums over these slices, (n,) float32, to those over the whole batch, of which these may be a part.

    Returns:
        a scalar, differentiable; 0 where no pixel is annotated.
    """
    # In float32 whatever the logits are: sums of squares over a batch overflow float16.
    low_res_logits = low_res_logits.float()
    annotated = low_res_labels != IGNORE
    classes = low_res_labels.long().masked_fill(~annotated, 0)
    cross_entropy = functional.cross_entropy(low_res_logits, classes, reduction="none")
    class_count = low_res_logits.shape[1]
    parts = (cross_entropy * annotated).sum(), annotated.sum(), *_dice_sums(low_res_logits, classes, annotated)
    sums = pooled(torch.cat([part.float().reshape(-1) for part in parts]))
    of_pixels, pixel_count, overlap, predicted, pixels = sums.split([1, 1, class_count, class_count, class_count])
    mean_cross_entropy = (of_pixels / pixel_count.clamp(min=1)).squeeze()
    return ce_weight * mean_cross_entropy + dice_weight * _dice_loss(overlap, predicted, pixels, only_present)


def _dice_sums(low_res_logits: Tensor, classes: Tensor, annotated: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of each class, background too, over the annotated pixels: overlap, squared probabilities, and pixels, (classes + 1,)."""
    mask = annotated.unsqueeze(1)
    probabilities = low_res_logits.softmax(dim=1) * mask
    one_hot = functional.one_hot(classes, low_res_logits.shape[1]).movedim(-1, 1).to(probabilities.dtype) * mask
    over_pixels = (0, 2, 3)
    overlap = (probabilities * one_hot).sum(over_pixels)
    return overlap, probabilities.square().sum(over_pixels), one_hot.square().sum(over_pixels)


def _dice_loss(overlap: Tensor, predicted: Tensor, pixels: Tensor, only_present: bool) -> Tensor:
    """One minus the soft Dice of each class; the mean over the classes."""
    losses = 1 - (2 * overlap + SMOOTHING) / (predicted + pixels + SMOOTHING)
    counted = pixels > 0 if only_present else torch.ones_like(pixels, dtype=torch.bool)
    return (losses * counted).sum() / counted.sum().clamp(min=1)


@torch.no_grad()
def validation_dice(
    forward: Callable[[Tensor], Tensor],
    batches: Iterable[tuple[Tensor, Tensor]],
    device: torch.device,
    pooled: Callable[[Tensor], Tensor] = lambda sums: sums,
) -> float:
    """Mean Dice over the classes that occur, pooled over all batches, at the size of the low-resolution labels.

    For choosing the best checkpoint; not for reporting.

    Args:
        forward: a batch's inputs to low_res_logits (B, classes + 1, L, L).
        batches: (inputs, low_res_labels (B, L, L) int64, `IGNORE` where not annotated), on the host.
        pooled: from counts over these batches, (3, classes + 1) int64, to those over all of which these may be a part.

    Returns:
        0..1, or 1 where no class occurs and none is predicted.
    """
    overlap = total = wanted = torch.zeros(1, dtype=torch.int64)
    for inputs, low_res_labels in batches:
        logits = forward(inputs.to(device))
        classes = logits.shape[1]
        # counted on the host: the number of pixels that agree is a size, and a GPU waits for it
        annotated = low_res_labels != IGNORE
        predicted, labels = logits.argmax(dim=1).cpu()[annotated], low_res_labels[annotated]
        wanted = wanted + _count(labels, classes)
        total = total + _count(labels, classes) + _count(predicted, classes)
        overlap = overlap + _count(labels[labels == predicted], classes)
    overlap, total, wanted = pooled(torch.stack([overlap, total, wanted]))
    occurs = wanted[1:] > 0
    if not occurs.any():
        return float(total[1:].sum() == 0)
    return float((2 * overlap[1:] / total[1:])[occurs].mean())


def _count(classes: Tensor, class_count: int) -> Tensor:
    return torch.bincount(classes, minlength=class_count)
