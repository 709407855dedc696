"""SAM's own image encoder (ViT with windowed and global attention), from `segment_anything`, at any input size."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from segment_anything.modeling import ImageEncoderViT
from torch import nn

PATCH_SIZE = 16
WINDOW_SIZE = 14


@dataclass(frozen=True)
class VitSize:
    """One of SAM's three encoder sizes (Kirillov et al. 2023, arXiv 2304.02643, appendix A)."""

    embed_dim: int
    depth: int
    num_heads: int
    global_attn_indexes: tuple[int, ...]


def build_vit(size: VitSize, input_size: int, out_channels: int) -> ImageEncoderViT:
    """(B, 3, S, S) to (B, out_channels, S / 16, S / 16)."""
    return ImageEncoderViT(
        depth=size.depth,
        embed_dim=size.embed_dim,
        img_size=input_size,
        mlp_ratio=4,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
        num_heads=size.num_heads,
        patch_size=PATCH_SIZE,
        qkv_bias=True,
        use_rel_pos=True,
        global_attn_indexes=size.global_attn_indexes,
        window_size=WINDOW_SIZE,
        out_chans=out_channels,
    )


def interpolate_positions(state: dict[str, torch.Tensor], tokens: int) -> dict[str, torch.Tensor]:
    """Position embeddings of an encoder trained at one input size, for an input of tokens x tokens patches.

    As the paper's code does: bilinear with align_corners off; the absolute embedding, and the relative tables of the
    global-attention blocks alone, since the windows keep their size.

    Args:
        state: the encoder's state dict (keys without a prefix), `pos_embed` (1, T, T, C), `rel_pos_*` (2 n - 1, d).

    Returns:
        A new state dict with `pos_embed` (1, tokens, tokens, C) and global tables (2 tokens - 1, d).
    """
    trained = state["pos_embed"].shape[1]
    if trained == tokens:
        return state
    positions = state["pos_embed"].permute(0, 3, 1, 2)
    positions = F.interpolate(positions, (tokens, tokens), mode="bilinear", align_corners=False)
    resized = {"pos_embed": positions.permute(0, 2, 3, 1)}
    for key, table in state.items():
        if "rel_pos" in key and table.shape[0] == 2 * trained - 1:
            size = (2 * tokens - 1, table.shape[1])
            resized[key] = F.interpolate(table[None, None], size, mode="bilinear", align_corners=False)[0, 0]
    return {**state, **resized}
