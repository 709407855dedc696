"""Backward passes of fake tensors: torch's engine, which asks the driver for the card's streams, in Python."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def backward(loss: Tensor) -> None:
    """`Tensor.backward` of a scalar: each node of its graph, once all that come before it have been called."""
    waiting = _uses(loss.grad_fn)
    sums: dict[Any, list[Tensor | None]] = {loss.grad_fn: [torch.ones_like(loss)]}
    ready = [loss.grad_fn]
    with torch.no_grad():
        while ready:
            node = ready.pop()
            passed_on = _passed_on(node, sums.pop(node))
            for (following, place), gradient in zip(node.next_functions, passed_on, strict=False):
                if following is None:
                    continue
                recorded = following._input_metadata
                of_following = sums.setdefault(following, [None] * len(recorded))
                if gradient is not None:
                    gradient = _as_recorded(gradient, recorded[place])
                    of_following[place] = gradient if of_following[place] is None else of_following[place] + gradient
                waiting[following] -= 1
                if waiting[following] == 0:
                    ready.append(following)


def _passed_on(node: Any, given: list[Tensor | None]) -> Sequence[Tensor | None]:
    """The gradients of what went into a node; of a Function's arguments that were no tensors too, which are None."""
    if all(gradient is None for gradient in given):
        return [None] * len(node.next_functions)
    is_function = isinstance(node, torch.autograd.function.BackwardCFunction)
    passed_on = node.apply(*given) if is_function else node(*given)
    return passed_on if isinstance(passed_on, tuple) else (passed_on,)


def _uses(root: Any) -> dict[Any, int]:
    """How many gradients each node behind `root` gets."""
    counts: dict[Any, int] = {}
    unseen = [root]
    while unseen:
        for following, _ in unseen.pop().next_functions:
            if following is not None:
                if following not in counts:
                    unseen.append(following)
                counts[following] = counts.get(following, 0) + 1
    return counts


def _as_recorded(gradient: Tensor, recorded: Any) -> Tensor:
    """As torch's engine would have it: of the shape, dtype and device of what it is the gradient of."""
    assert gradient.device == recorded.device, f"a gradient on {gradient.device} of a tensor on {recorded.device}"
    return gradient.sum_to_size(recorded.shape).to(recorded.dtype)
