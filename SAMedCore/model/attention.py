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

from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

SCORES_AT_ONCE = 2**18
"""Of queries and keys on a CPU: one megabyte, which stays in a core's own cache."""

FEW_KEYS = 256
"""Up to so many torch's fused kernel is as fast on a CPU as working in place."""

Grid = tuple[int, int]
"""Rows and columns of tokens."""

Attend = Callable[[Tensor, Tensor, Tensor, Grid], Tensor]
"""q, k, v (G, heads, h * w, d) of G windows with (h, w) tokens in the image to (G, heads, h * w, d)."""


def in_windows(qkv: Tensor, window: int, attend: Attend) -> Tensor:
    """Attention within each window; where the image ends inside a window, of the tokens in the image alone.

    Args:
        qkv: (B, H, W, 3, heads, d).
        window: tokens along each side; 0 for one window that is the whole image.
        attend: called for the windows of each size.

    Returns:
        (B, H, W, heads * d).
    """
    heads = qkv.shape[-2:]
    out = qkv.new_empty(*qkv.shape[:3], *heads)
    for row, height in _parts(qkv.shape[1], window):
        for column, width in _parts(qkv.shape[2], window):
            part, target = (_by_window(of[:, row, column], height, width) for of in (qkv, out))
            q, k, v = part.permute(5, 0, 1, 2, 6, 3, 4, 7).flatten(5, 6).flatten(1, 3)
            target.copy_(attend(q, k, v, (height, width)).transpose(1, 2).view(target.shape))
    return out.flatten(3)


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
    q = q * q.shape[-1] ** -0.5
    is_whole = grid == (len(rows), len(columns))
    if is_whole and k.shape[2] > FEW_KEYS and _on_cpu(q):
        heads = (of.flatten(0, 1) for of in (q, k, v, by_row, by_column))
        return _AttendByRows.apply(*heads).view_as(q)
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
    if not _on_cpu(q) or torch.is_grad_enabled():
        return F.scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype))
    windows_at_once = max(1, SCORES_AT_ONCE // bias.numel())
    biases = bias.repeat(min(windows_at_once, len(q)), 1, 1)
    parts = []
    for some in zip(*(tokens.split(windows_at_once) for tokens in (q, k, v)), strict=True):
        queries, keys, values = (tokens.flatten(0, 1) for tokens in some)
        scores = torch.baddbmm(biases[: len(queries)], queries, keys.mT, alpha=q.shape[-1] ** -0.5)
        parts.append(torch.softmax(scores, dim=-1, out=scores) @ values)
    return torch.cat(parts).view_as(q)


def bias_in_image(bias: Tensor, window: int, grid: Grid) -> Tensor:
    """The bias of a window's tokens that lie in the image, and last of the one key that stands for the others.

    Args:
        bias: (heads, n * n, n * n) of a whole window with n = `window`.
        grid: (h, w) tokens in the image.

    Returns:
        (heads, h * w, h * w + 1), or `bias` where the whole window lies in the image.
    """
    if grid == (window, window):
        return bias
    inside = torch.zeros(window, window, dtype=torch.bool, device=bias.device)
    inside[: grid[0], : grid[1]] = True
    from_inside = bias[:, inside.flatten()]
    within, outside = from_inside[..., inside.flatten()], from_inside[..., ~inside.flatten()]
    return torch.cat([within, outside.logsumexp(-1, keepdim=True)], dim=-1)


def with_padding(k: Tensor, v: Tensor, padding: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Keys and values (G, heads, n, d) and one more of each, last; the padding's (heads, d)."""
    longer = [
        torch.cat([all_, one[:, None].expand(len(all_), -1, -1, -1)], 2) for all_, one in zip((k, v), padding, strict=True)
    ]
    return longer[0], longer[1]


def _parts(size: int, window: int) -> Iterator[tuple[slice, int]]:
    """(where, tokens in each window) of the whole windows along an axis, and of the one in which the image ends."""
    window = min(window or size, size)
    whole = size // window * window
    yield slice(0, whole), window
    if whole < size:
        yield slice(whole, size), size - whole


def _by_window(tokens: Tensor, height: int, width: int) -> Tensor:
    """(B, H, W, ...) to (B, windows down, windows across, height, width, ...), a view."""
    return tokens.unflatten(2, (-1, width)).unflatten(1, (-1, height)).transpose(2, 3)


def _on_cpu(q: Tensor) -> bool:
    return q.device.type == "cpu" and q.dtype == torch.float32


class _AttendByRows(torch.autograd.Function):
    """softmax(q k^T + by_row + by_column) v, a few rows of queries at a time, both ways; nothing large is kept.

    Args:
        q, k, v: (heads, h * w, d), q scaled.
        by_row: (heads, h, w, h) by query, and row of the key.
        by_column: (heads, h, w, w), likewise.
    """

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, by_row: Tensor, by_column: Tensor) -> Tensor:
        out = torch.empty_like(q)
        for head, rows, queries in _few_rows(by_row):
            weights = _weights(q[head, queries], k[head], by_row[head, rows], by_column[head, rows])
            torch.mm(weights, v[head], out=out[head, queries])
        ctx.save_for_backward(q, k, v, by_row, by_column, out)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:
        q, k, v, by_row, by_column, out = ctx.saved_tensors
        grad_q, grad_k, grad_v = torch.empty_like(q), torch.zeros_like(k), torch.zeros_like(v)
        grad_row, grad_column = torch.empty_like(by_row), torch.empty_like(by_column)
        mean = (grad * out).sum(-1, keepdim=True)
        for head, rows, queries in _few_rows(by_row):
            weights = _weights(q[head, queries], k[head], by_row[head, rows], by_column[head, rows])
            grad_v[head].addmm_(weights.T, grad[head, queries])
            scores = (grad[head, queries] @ v[head].T).sub_(mean[head, queries]).mul_(weights)
            torch.mm(scores, k[head], out=grad_q[head, queries])
            grad_k[head].addmm_(scores.T, q[head, queries])
            by_place = scores.view(-1, *by_column.shape[2:3], *by_row.shape[3:], *by_column.shape[3:])
            torch.sum(by_place, 3, out=grad_row[head, rows])
            torch.sum(by_place, 2, out=grad_column[head, rows])
        return grad_q, grad_k, grad_v, grad_row, grad_column


def _few_rows(by_row: Tensor) -> Iterator[tuple[int, slice, slice]]:
    """(head, rows, their queries) for each head (heads, h, w, h) and as many rows as give `SCORES_AT_ONCE`."""
    heads, height, width, _ = by_row.shape
    step = max(1, SCORES_AT_ONCE // (width * height * width))
    for head in range(heads):
        for first in range(0, height, step):
            yield head, slice(first, first + step), slice(first * width, (first + step) * width)


def _weights(q: Tensor, k: Tensor, by_row: Tensor, by_column: Tensor) -> Tensor:
    """The softmax of a few rows of queries (r * w, d) over all keys (h * w, d), biased by (r, w, h) and (r, w, w)."""
    scores = q @ k.T
    by_place = scores.view(*by_row.shape, by_column.shape[-1])
    by_place += by_row[..., None]
    by_place += by_column[:, :, None]
    return torch.softmax(scores, dim=-1, out=scores)


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
