"""Attention among image tokens, in windows or over the whole image, equal to the plain formula:

    softmax(q k^T / sqrt(d) + bias) v

SAM's bias is the sum of two relative positions (Li et al. 2022, arXiv 2112.01526, section 4.1), q . R_h by rows and q . R_w by
columns; TinyViT's is one number for each distance. Matrices of tokens by tokens are what costs time: either torch's fused
kernel makes none, or only as much of them is made at a time as stays in the cache.

Windows may reach beyond the image. What lies there is not masked in SAM and TinyViT: all those tokens are attended to, with
the key and value of one padding token. They are not computed here: one key stands for all of them, its bias the logarithm of
the sum of their exponentials.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from SAMedCore.model.fast.layers import linear

SCORES_AT_ONCE = 2**19
"""Of queries and keys on a CPU: two megabytes, which stay in the cache."""

Grid = tuple[int, int]
"""Rows and columns of tokens."""

Attend = Callable[[Tensor, Tensor, Tensor, Grid], Tensor]
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
    counts = [count * math.prod(grid) for count, grid in sizes]
    attended = []
    for *some, (count, grid) in zip(*(part.split(counts) for part in q_k_v), sizes, strict=True):
        q, k, v = (part.unflatten(0, (count, -1)).transpose(1, 2) for part in some)
        attended.append(attend(q, k, v, grid).transpose(1, 2).flatten(2).flatten(0, 1))
    return _Reordered.apply(proj(_joined(attended)), back, order).view(x.shape)


def relative_attention(
    q: Tensor, k: Tensor, v: Tensor, grid: Grid, rows: Tensor, columns: Tensor, padding: tuple[Tensor, Tensor]
) -> Tensor:
    """SAM's attention.

    Args:
        q, k, v, grid: as `Attend` has them.
        rows: R_h (n, n, d) by the row of query and key, from `relative_positions`; a window has n rows, n >= h.
        columns: R_w, likewise.
        padding: key and value (heads, d) of a padding token.

    Returns:
        (G, heads, h * w, d).
    """
    height, width = grid
    by_row = torch.einsum("ghyxd,ynd->ghyxn", q.unflatten(2, grid), rows[:height])
    by_column = torch.einsum("ghyxd,xnd->ghyxn", q.unflatten(2, grid), columns[:width])
    is_whole = grid == (len(rows), len(columns))
    if is_whole and _in_float32_on_cpu(q):
        return _AttendInParts.apply(q, k, v, by_row, by_column)
    q = q * q.shape[-1] ** -0.5
    biases = [by_row[..., :height], by_column[..., :width]]
    positions = _one_hot_positions(grid, k)
    if not is_whole:
        biases.append(_relative_padding(by_row, by_column, grid)[..., None].to(q.dtype))
        k, v = with_padding(k, v, padding)
        positions = F.pad(positions, (0, 1, 0, 1))
        positions[-1, -1] = 1
    return _attend_by_positions(q, k, v, torch.cat(biases, dim=-1).flatten(2, 3), positions)


def relative_positions(by_distance: Tensor) -> Tensor:
    """(2 n - 1, d), from the farthest key before the query to the farthest behind it, to (n, n, d) by query and key."""
    size = (len(by_distance) + 1) // 2
    place = torch.arange(size, device=by_distance.device)
    return by_distance[place[:, None] - place + size - 1]


def biased_attention(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    """TinyViT's attention.

    Args:
        q: (G, heads, queries, d).
        k, v: (G, heads, keys, d).
        bias: (heads, queries, keys).

    Returns:
        (G, heads, queries, d).
    """
    if not _in_float32_on_cpu(q) or torch.is_grad_enabled():
        return F.scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype))
    windows_at_once = max(1, SCORES_AT_ONCE // bias[0].numel())
    room = q.new_empty(min(windows_at_once, len(q)), *bias.shape[1:])
    out = _empty_like(q)
    for head, bias_of_head in enumerate(bias):
        # by heads, since windows of one head are what bmm takes as they lie, without a copy of q, k and v
        some = (tokens[:, head].split(windows_at_once) for tokens in (q, k, v, out))
        for queries, keys, values, attended in zip(*some, strict=True):
            scores = room[: len(queries)].copy_(bias_of_head)
            scores.baddbmm_(queries, keys.mT, alpha=q.shape[-1] ** -0.5)
            torch.bmm(torch.softmax(scores, dim=-1, out=scores), values, out=attended)
    return out


def bias_in_image(bias: Tensor, grid: Grid) -> Tensor:
    """The bias of a window's tokens that lie in the image, and last of the one key that stands for the others.

    Args:
        bias: (heads, n, n, n, n) of a whole window, by row and column of the query, then of the key.
        grid: (h, w) tokens in the image.

    Returns:
        (heads, h * w, h * w + 1), without the one key where the whole window lies in the image.
    """
    height, width = grid
    from_inside = bias[:, :height, :width]
    within = from_inside[..., :height, :width].flatten(3).flatten(1, 2)
    if grid == bias.shape[1:3]:
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
) -> tuple[Tensor, Tensor, tuple[tuple[int, Grid], ...]]:
    """The windows of so many images of height x width tokens.

    Returns:
        order: (N,), which token of all comes at each place when they lie by windows, those of equal size together.
        back: (N,), its inverse.
        sizes: how many windows of each size, and the size.
    """
    with torch.inference_mode(False):  # training uses them too
        places = torch.arange(count * height * width, device=device).view(count, height, width)
        parts = []
        sizes: list[tuple[int, Grid]] = []
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


def _in_float32_on_cpu(q: Tensor) -> bool:
    return q.device.type == "cpu" and q.dtype == torch.float32


class _AttendInParts(torch.autograd.Function):
    """softmax(q k^T / sqrt(d) + by_row + by_column) v, a few heads or rows of queries at a time.

    Args:
        q, k, v: (G, heads, h * w, d).
        by_row: (G, heads, h, w, h) by query, and row of the key.
        by_column: (G, heads, h, w, w), likewise.
    """

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, by_row: Tensor, by_column: Tensor) -> Tensor:
        out = _empty_like(q)
        kept = []
        for heads, rows, queries in _parts_of_scores(by_row):
            weights = _weights(q[queries], k[heads], by_row[rows], by_column[rows])
            out[queries] = _products(weights, v[heads].mT)
            if any(ctx.needs_input_grad):
                kept.append(weights)
        ctx.save_for_backward(q, k, v, by_row, by_column, out, *kept)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:
        q, k, v, by_row, by_column, out, *kept = ctx.saved_tensors
        grad_q, grad_k, grad_v = _empty_like(q), k.new_zeros(k.mT.shape), v.new_zeros(v.mT.shape)
        grad_row, grad_column = torch.empty_like(by_row), torch.empty_like(by_column)
        mean = (grad * out).sum(-1, keepdim=True)
        for (heads, rows, queries), weights in zip(_parts_of_scores(by_row), kept, strict=True):
            grad_v[heads] += _products(grad[queries].mT, weights.mT)
            scores = _products(grad[queries], v[heads]).sub_(mean[queries]).mul_(weights)
            by_place = scores.view(*by_row[rows].shape, by_column.shape[-1])
            torch.sum(by_place, -1, out=grad_row[rows])
            torch.sum(by_place, -2, out=grad_column[rows])
            scores *= q.shape[-1] ** -0.5
            grad_q[queries] = _products(scores, k[heads].mT)
            grad_k[heads] += _products(q[queries].mT, scores.mT)
        return grad_q, grad_k.mT, grad_v.mT, grad_row, grad_column


Index = tuple[int | slice, ...]


def _parts_of_scores(by_row: Tensor) -> Iterator[tuple[Index, Index, Index]]:
    """Indices of some heads (window, heads), their rows and their queries, in parts of about `SCORES_AT_ONCE`.

    Args:
        by_row: (G, heads, h, w, h).
    """
    windows, heads, height, width, _ = by_row.shape
    of_row = width * height * width
    rows_at_once = min(height, max(1, SCORES_AT_ONCE // of_row))
    heads_at_once = max(1, SCORES_AT_ONCE // (height * of_row))
    for window in range(windows):
        for head in range(0, heads, heads_at_once):
            some = (window, slice(head, head + heads_at_once))
            for row in range(0, height, rows_at_once):
                end = row + rows_at_once
                yield some, (*some, slice(row, end)), (*some, slice(row * width, end * width))


def _weights(q: Tensor, k: Tensor, by_row: Tensor, by_column: Tensor) -> Tensor:
    """The softmax of some queries (heads, r * w, d) over all keys (heads, h * w, d), biased by (heads, r, w, h) and (.., w)."""
    scores = _products(q * q.shape[-1] ** -0.5, k)
    by_place = scores.view(*by_row.shape, by_column.shape[-1])
    by_place += by_row[..., None]
    by_place += by_column[..., None, :]
    return torch.softmax(scores, dim=-1, out=scores)


def _products(a: Tensor, b: Tensor) -> Tensor:
    """(heads, n, d) times the transposed (heads, m, d)."""
    return linear(a[0], b[0])[None] if len(a) == 1 else torch.bmm(a, b.mT)


def _empty_like(tokens: Tensor) -> Tensor:
    """(G, heads, n, d), stored as (G, n, heads, d) as the projections have it."""
    return torch.empty_like(tokens.transpose(1, 2), memory_format=torch.contiguous_format).transpose(1, 2)


def _attend_by_positions(q: Tensor, k: Tensor, v: Tensor, biases: Tensor, positions: Tensor) -> Tensor:
    """softmax(q k^T + biases positions^T) v in one of torch's fused kernels, which then needs no bias.

    Args:
        q, k, v: (G, heads, queries or keys, d), q scaled.
        biases: (G, heads, queries, p).
        positions: (keys, p).
    """
    # the kernels want q, k and v equally long, on a GPU in multiples of 8
    d, p = q.shape[-1], positions.shape[-1]
    added = p + -(d + p) % 8
    longer_q = F.pad(torch.cat([q, biases], dim=-1), (0, added - p))
    longer_k = F.pad(torch.cat([k, positions.expand(*k.shape[:2], -1, -1)], dim=-1), (0, added - p))
    return F.scaled_dot_product_attention(longer_q, longer_k, F.pad(v, (0, added)), scale=1.0)[..., :d]


def _one_hot_positions(grid: Grid, like: Tensor) -> Tensor:
    """(h * w, h + w): a one in the row of each token and a one in its column."""
    height, width = grid
    rows = torch.eye(height, dtype=like.dtype, device=like.device).repeat_interleave(width, dim=0)
    columns = torch.eye(width, dtype=like.dtype, device=like.device).repeat(height, 1)
    return torch.cat([rows, columns], dim=1)


def _relative_padding(by_row: Tensor, by_column: Tensor, grid: Grid) -> Tensor:
    """(G, heads, h, w): log of the sum of the exponential biases of a window's places outside the image, for each query."""
    height, width = grid
    outside = []
    if height < by_row.shape[-1]:
        outside.append(by_row[..., height:].logsumexp(-1) + by_column.logsumexp(-1))
    if width < by_column.shape[-1]:
        outside.append(by_row[..., :height].logsumexp(-1) + by_column[..., width:].logsumexp(-1))
    return torch.stack(outside).logsumexp(0)
