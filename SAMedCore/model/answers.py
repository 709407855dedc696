"""From low_res_logits to the classes and probabilities of the input pixels, and off a GPU while it goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F

Answer = tuple[list[int], torch.Tensor, Callable[[], np.ndarray]]
"""Slice indices, their low_res_logits, and a function that waits for the classes of the input pixels, (B, S, S) uint8."""


def with_classes(batches: Iterable[tuple[list[int], torch.Tensor]], size: int) -> Iterator[Answer]:
    """Batches of slice indices and low_res_logits, with the classes of their S = `size` input pixels."""
    for indices, low_res_logits in batches:
        classes = winners(low_res_logits, size)
        if classes.device.type == "cuda":
            # the copy is in line behind this batch, ahead of the next one
            pinned = torch.empty(classes.shape, dtype=classes.dtype, pin_memory=True)
            pinned.copy_(classes, non_blocking=True)
            copied = torch.cuda.Event()
            copied.record(torch.cuda.current_stream(classes.device))
            yield indices, low_res_logits, partial(_wait_for, copied, pinned)
        else:
            yield indices, low_res_logits, classes.cpu().numpy


def one_ahead(answers: Iterator[Answer]) -> Iterator[Answer]:
    """Each answer after the next has been asked for: a GPU works on that one meanwhile."""
    waiting = next(answers, None)
    while waiting is not None:
        following = next(answers, None)
        yield waiting
        waiting = following


@torch.inference_mode()
def winners(low_res_logits: torch.Tensor, size: int) -> torch.Tensor:
    """The winning class of each input pixel, (B, S, S) uint8: argmax needs no softmax, and takes one class at a time."""
    logits = class_by_class(low_res_logits, size)
    best = next(logits)
    classes = torch.zeros(best.shape, dtype=torch.uint8, device=best.device)
    for index, logit in enumerate(logits, start=1):
        classes.masked_fill_(logit > best, index)
        best = torch.maximum(best, logit)
    return classes[:, 0]


@torch.inference_mode()
def softmax(low_res_logits: torch.Tensor, size: int) -> np.ndarray:
    """The probabilities of the input pixels, (B, classes + 1, S, S) float16."""
    return _upscale(low_res_logits, size).softmax(1).half().cpu().numpy()


def class_by_class(low_res_logits: torch.Tensor, size: int) -> Iterator[torch.Tensor]:
    """The logits of the input pixels, (B, 1, S, S) for each class in turn."""
    for index in range(low_res_logits.shape[1]):
        yield _upscale(low_res_logits[:, index : index + 1], size)


def _wait_for(copied: torch.cuda.Event, pinned: torch.Tensor) -> np.ndarray:
    copied.synchronize()
    return pinned.numpy()


def _upscale(logits: torch.Tensor, size: int) -> torch.Tensor:
    if tuple(logits.shape[-2:]) == (size, size):
        return logits
    return F.interpolate(logits, (size, size), mode="bilinear", align_corners=False)
