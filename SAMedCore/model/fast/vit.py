"""SAM's own image encoder, a ViT with windowed and global attention (arXiv 2304.02643, appendix A), at any input size.

Its parameters have the names that `segment_anything` gives them.
"""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from SAMedCore.model.architectures import Architecture, VitSize
from SAMedCore.model.fast.attention import relative_attention, relative_positions
from SAMedCore.model.fast.layers import EMBEDDING_CHANNELS, FusedQKV, Linear, Neck, gelu, linear
from SAMedCore.model.fast.windows import in_windows

PATCH_SIZE = 16
WINDOW_SIZE = 14


class VitEncoder(nn.Module):
    """(B, 3 or 1, S, S) to image_embedding (B, out_channels, S / 16, S / 16); one channel counts as three equal ones."""

    def __init__(self, size: VitSize, input_size: int, out_channels: int) -> None:
        super().__init__()
        tokens = input_size // PATCH_SIZE
        self.patch_embed = PatchEmbed(size.embed_dim)
        self.pos_embed = nn.Parameter(torch.zeros(1, tokens, tokens, size.embed_dim))
        windows = [0 if index in size.global_attn_indexes else WINDOW_SIZE for index in range(size.depth)]
        self.blocks = nn.ModuleList(Block(size.embed_dim, size.num_heads, window, tokens) for window in windows)
        self.neck = Neck(size.embed_dim, out_channels)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.patch_embed(images) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return self.neck(x)


class PatchEmbed(nn.Module):
    """(B, 3 or 1, S, S) to tokens (B, S / 16, S / 16, C)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dim, kernel_size=PATCH_SIZE, stride=PATCH_SIZE)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        weight = self.proj.weight if images.shape[1] == 3 else self.proj.weight.sum(1, keepdim=True)
        patches = images.unflatten(3, (-1, PATCH_SIZE)).unflatten(2, (-1, PATCH_SIZE))
        return linear(patches.permute(0, 2, 4, 1, 3, 5).flatten(3), weight.flatten(1), self.proj.bias)


class Block(nn.Module):
    """Attention and MLP, each after a norm and added to its input: tokens (B, H, W, C) to the same.

    Args:
        window: tokens along a window's side; 0 attends to all tokens.
        tokens: of the image along each side, for which the global positions are.
    """

    def __init__(self, dim: int, num_heads: int, window: int, tokens: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = Attention(dim, num_heads, window, tokens)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = Mlp(dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Mlp(nn.Module):
    """(..., C) to the same."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.lin1 = Linear(dim, 4 * dim)
        self.lin2 = Linear(4 * dim, dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.lin2(gelu(self.lin1(x)))


class Attention(nn.Module):
    """Multi-head attention with relative positions: tokens (B, H, W, C) to the same; arguments as of `Block`."""

    def __init__(self, dim: int, num_heads: int, window: int, tokens: int) -> None:
        super().__init__()
        self.window = window
        self.qkv = FusedQKV(dim, num_heads)
        self.proj = Linear(dim, dim)
        distances = 2 * (window or tokens) - 1
        self.rel_pos_h = nn.Parameter(torch.zeros(distances, dim // num_heads))
        self.rel_pos_w = nn.Parameter(torch.zeros(distances, dim // num_heads))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows, columns = relative_positions(self.rel_pos_h), relative_positions(self.rel_pos_w)
        _, *padding = self.qkv(x.new_zeros(x.shape[-1]))
        attend = partial(relative_attention, rows=rows, columns=columns, padding=(padding[0], padding[1]))
        return in_windows(x, self.window, self.qkv, attend, self.proj)


def build_encoder(architecture: Architecture, input_size: int) -> VitEncoder:
    """The encoder of one of the three architectures, with fresh weights."""
    assert architecture.size is not None
    return VitEncoder(architecture.size, input_size, EMBEDDING_CHANNELS)


def encoder_state(state: dict[str, torch.Tensor], embedding_size: int) -> dict[str, torch.Tensor]:
    """Position embeddings of an encoder trained at one input size, for an embedding of so many patches along each side.

    As the paper's code does: bilinear with align_corners off; the absolute embedding, and the relative tables of the
    global-attention blocks alone, since the windows keep their size.

    Args:
        state: the encoder's state dict (keys without a prefix), `pos_embed` (1, T, T, C), `rel_pos_*` (2 n - 1, d).

    Returns:
        A new state dict with `pos_embed` (1, E, E, C) and global tables (2 E - 1, d), E being `embedding_size`.
    """
    trained = state["pos_embed"].shape[1] if "pos_embed" in state else embedding_size
    if trained == embedding_size:
        return state
    positions = state["pos_embed"].permute(0, 3, 1, 2)
    positions = F.interpolate(positions, (embedding_size, embedding_size), mode="bilinear", align_corners=False)
    resized = {"pos_embed": positions.permute(0, 2, 3, 1)}
    for key, table in state.items():
        if "rel_pos" in key and table.shape[0] == 2 * trained - 1:
            size = (2 * embedding_size - 1, table.shape[1])
            resized[key] = F.interpolate(table[None, None], size, mode="bilinear", align_corners=False)[0, 0]
    return {**state, **resized}
