"""Attention within windows of an image's tokens, which may reach beyond the image.

What lies there is not masked in SAM and TinyViT: all those tokens are attended to, with the key and value of one padding
token. They are not computed here: one key stands for all of them, its bias the logarithm of the sum of their exponentials.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

TokenShape = tuple[int, int]
"""Rows and columns of tokens."""

Attend = Callable[[Tensor, Tensor, Tensor, TokenShape], Tensor]
"""q, k, v (G, heads, h * w, d) of G windows with (h, w) tokens in the image to (G, heads, h * w, d)."""


def in_windows(
    x: Tensor, window: int, qkv: Callable[[Tensor], tuple[Tensor, ...]], attend: Attend, proj: Callable[[Tensor], Tensor]
) -> Tensor:
    """Attention within each window; where the image ends inside a window, of the tokens in the image alone.

    The tokens are brought together by windows once, before the projections, so that nothing wider is moved.

    Args:
        x: tokens (B, H, W, C).
        window: tokens along each side; 0 for one window that is the whole image.
        qkv: tokens (N, C) to q, k and v (N, heads, d).
        attend: called for the windows of each size.
        proj: (N, heads * d) to (N, C).

    Returns:
        (B, H, W, C).
    """
    order, back, sizes = _windows(x.shape[0], x.shape[1], x.shape[2], window, x.device)
    q_k_v = qkv(_Reordered.apply(x.flatten(0, 2), order, back))
    counts = [count * math.prod(shape) for count, shape in sizes]
    attended = []
    for *some, (count, shape) in zip(*(part.split(counts) for part in q_k_v), sizes, strict=True):
        q, k, v = (part.unflatten(0, (count, -1)).transpose(1, 2) for part in some)
        attended.append(attend(q, k, v, shape).transpose(1, 2).flatten(2).flatten(0, 1))
    return _Reordered.apply(proj(_joined(attended)), back, order).view(x.shape)


def bias_in_image(bias: Tensor, shape: TokenShape) -> Tensor:
    """The bias of a window's tokens that lie in the image, and last of the one key that stands for the others.

    Args:
        bias: (heads, n, n, n, n) of a whole window, by row and column of the query, then of the key.
        shape: (h, w) tokens in the image.

    Returns:
        (heads, h * w, h * w + 1), without the one key where the whole window lies in the image.
    """
    height, width = shape
    from_inside = bias[:, :height, :width]
    within = from_inside[..., :height, :width].flatten(3).flatten(1, 2)
    if shape == bias.shape[1:3]:
        return within
    outside = [from_inside[..., height:, :].flatten(3), from_inside[..., :height, width:].flatten(3)]
    return torch.cat([within, torch.cat(outside, dim=-1).flatten(1, 2).logsumexp(-1, keepdim=True)], dim=-1)


def with_padding(k: Tensor, v: Tensor, padding: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Keys and values (G, heads, n, d) and one more of each, last; the padding's (heads, d)."""
    longer = [
        torch.cat([all_, one[:, None].expand(len(all_), -1, -1, -1)], 2) for all_, one in zip((k, v), padding, strict=True)
    ]
    return longer[0], longer[1]


@lru_cache
def _windows(
    count: int, height: int, width: int, window: int, device: torch.device
) -> tuple[Tensor, Tensor, tuple[tuple[int, TokenShape], ...]]:
    """The windows of so many images of height x width tokens.

    Returns:
        order: (N,), which token of all comes at each place when they lie by windows, those of equal size together.
        back: (N,), its inverse.
        sizes: how many windows of each size, and the size.
    """
    with torch.inference_mode(False):  # training uses them too
        places = torch.arange(count * height * width, device=device).view(count, height, width)
        parts = []
        sizes: list[tuple[int, TokenShape]] = []
        for rows, high in _parts(height, window):
            for columns, wide in _parts(width, window):
                part = places[:, rows, columns].unflatten(2, (-1, wide)).unflatten(1, (-1, high)).transpose(2, 3)
                parts.append(part.flatten())
                sizes.append((math.prod(part.shape[:3]), (high, wide)))
        order = torch.cat(parts)
        return order, order.argsort(), tuple(sizes)


def _parts(size: int, window: int) -> Iterator[tuple[slice, int]]:
    """(where, tokens in each window) of the whole windows along an axis, and of the one in which the image ends."""
    window = min(window or size, size)
    whole = size // window * window
    yield slice(0, whole), window
    if whole < size:
        yield slice(whole, size), size - whole


class _Reordered(torch.autograd.Function):
    """Rows (N, C) in another order, whose inverse gives the gradient: index_add would take them one by one."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, order: Tensor, back: Tensor) -> Tensor:
        ctx.save_for_backward(back)
        return x.index_select(0, order)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return grad.index_select(0, ctx.saved_tensors[0]), None, None


def _joined(parts: list[Tensor]) -> Tensor:
    """`torch.cat` without the copy that it makes of a single part."""
    return parts[0] if len(parts) == 1 else torch.cat(parts)
