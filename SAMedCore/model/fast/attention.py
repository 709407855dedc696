"""Attention of image tokens, equal to the plain formula:

    softmax(q k^T / sqrt(d) + bias) v

SAM's bias is the sum of two relative positions (Li et al. 2022, arXiv 2112.01526, section 4.1), q . R_h by rows and q . R_w by
columns; TinyViT's is one number for each distance. Matrices of tokens by tokens are what costs time: either torch's fused
kernel makes none, or only as much of them is made at a time as stays in the cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from SAMedCore.model.fast.layers import linear
from SAMedCore.model.fast.windows import TokenShape, with_padding

SCORES_AT_ONCE = 2**19
"""Of queries and keys on a CPU: two megabytes, which stay in the cache."""


def relative_attention(
    q: Tensor, k: Tensor, v: Tensor, shape: TokenShape, rows: Tensor, columns: Tensor, padding: tuple[Tensor, Tensor]
) -> Tensor:
    """SAM's attention.

    Args:
        q, k, v, shape: as `Attend` has them.
        rows: R_h (n, n, d) by the row of query and key, from `relative_positions`; a window has n rows, n >= h.
        columns: R_w, likewise.
        padding: key and value (heads, d) of a padding token.

    Returns:
        (G, heads, h * w, d).
    """
    height, width = shape
    by_row = torch.einsum("ghyxd,ynd->ghyxn", q.unflatten(2, shape), rows[:height])
    by_column = torch.einsum("ghyxd,xnd->ghyxn", q.unflatten(2, shape), columns[:width])
    is_whole = shape == (len(rows), len(columns))
    if is_whole and _in_float32_on_cpu(q):
        return _AttendInParts.apply(q, k, v, by_row, by_column)
    q = q * q.shape[-1] ** -0.5
    biases = [by_row[..., :height], by_column[..., :width]]
    positions = _one_hot_positions(shape, k)
    if not is_whole:
        biases.append(_relative_padding(by_row, by_column, shape)[..., None].to(q.dtype))
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


def _one_hot_positions(shape: TokenShape, like: Tensor) -> Tensor:
    """(h * w, h + w): a one in the row of each token and a one in its column."""
    height, width = shape
    rows = torch.eye(height, dtype=like.dtype, device=like.device).repeat_interleave(width, dim=0)
    columns = torch.eye(width, dtype=like.dtype, device=like.device).repeat(height, 1)
    return torch.cat([rows, columns], dim=1)


def _relative_padding(by_row: Tensor, by_column: Tensor, shape: TokenShape) -> Tensor:
    """(G, heads, h, w): log of the sum of the exponential biases of a window's places outside the image, for each query."""
    height, width = shape
    outside = []
    if height < by_row.shape[-1]:
        outside.append(by_row[..., height:].logsumexp(-1) + by_column.logsumexp(-1))
    if width < by_column.shape[-1]:
        outside.append(by_row[..., :height].logsumexp(-1) + by_column[..., width:].logsumexp(-1))
    return torch.stack(outside).logsumexp(0)
