"""Whether tensors that were read are those that a network wants, told before any of them goes into it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

KINDS_READ = (torch.float32, torch.float16, torch.bfloat16)
"""Of numbers with decimals; whole ones in their place would be quantised ones, which mean nothing without their scale."""

LARGEST_WEIGHT = 1e6
"""No published weight is beyond 200; with far larger ones the products leave the range of float32."""


def misfit(shapes: Mapping[str, Sequence[int]], wanted: Mapping[str, Tensor]) -> str | None:
    """What is wrong with the names and shapes, to stand after "it"; None where they are those that are wanted.

    Args:
        wanted: the network's own tensors, on the device "meta" or anywhere.
    """
    for key in wanted:
        if key not in shapes:
            return f"lacks {key}"
        if tuple(shapes[key]) != tuple(wanted[key].shape):
            return f"has {key} as {tuple(shapes[key])} instead of {tuple(wanted[key].shape)}"
    unknown = next((key for key in shapes if key not in wanted), None)
    return None if unknown is None else f"has the unknown {ascii(unknown)[1:61]}"


def wrong_kind(tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> str | None:
    """Likewise of the dtypes; the names are those that are wanted."""
    for key, tensor in tensors.items():
        kinds = KINDS_READ if wanted[key].is_floating_point() else (wanted[key].dtype,)
        if tensor.dtype not in kinds:
            names = " or ".join(_name(kind) for kind in kinds)
            return f"has {key} as {_name(tensor.dtype)} instead of {names}"
    return None


def no_weights(tensors: Mapping[str, Tensor]) -> str | None:
    """Likewise of the values: which tensor has some that are no number, or larger than any weight."""
    for key, tensor in tensors.items():
        if tensor.is_floating_point() and tensor.numel() and not tensor.abs().amax() <= LARGEST_WEIGHT:
            return f"has values in {key} that are no number, or beyond {LARGEST_WEIGHT:.0e}"
    return None


def not_finite(tensors: Mapping[str, Tensor]) -> str | None:
    """As `no_weights`, for numbers that may be of any size."""
    for key, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            return f"has values in {key} that are no number"
    return None


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
