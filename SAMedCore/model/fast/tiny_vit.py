"""MobileSAM's and LiteMedSAM's image encoder: a TinyViT (Wu et al. 2022, arXiv 2207.10666) in front of SAM's neck.

Both differ from TinyViT in two places: the last stage does not stride, and SAM's neck takes the place of the classification
head. LiteMedSAM differs in a third: the stem's convolutions are 1 x 1 and do not stride, so that 256 pixels give as many
tokens as 1024 give MobileSAM. The parameters have timm's names for TinyViT's.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from SAMedCore.model.architectures import Architecture
from SAMedCore.model.fast.attention import biased_attention
from SAMedCore.model.fast.layers import EMBEDDING_CHANNELS, FusedQKV, Linear, Neck, gelu, linear
from SAMedCore.model.fast.windows import TokenShape, bias_in_image, in_windows, with_padding

STRIP = 64
"""Rows at a time: larger temporaries (32 MB) go back to the system after each use with glibc's malloc, which costs a third."""


class TinyVitEncoder(nn.Module):
    """(B, 3 or 1, S, S) to image_embedding (B, 256, 64, 64); one channel counts as three equal ones.

    Args:
        stem_stride: of each of the stem's two convolutions: 1 for S = 256, 2 for S = 1024.
    """

    def __init__(self, stem_stride: int = 1) -> None:
        super().__init__()
        self.patch_embed = Stem(3, 64, stem_stride)
        self.stages = nn.Sequential(
            ConvStage(64, depth=2),
            AttentionStage(64, 128, depth=2, num_heads=4, window=7, stride=2),
            AttentionStage(128, 160, depth=6, num_heads=5, window=14, stride=2),
            AttentionStage(160, 320, depth=2, num_heads=10, window=7, stride=1),
        )
        self.neck = Neck(320, EMBEDDING_CHANNELS)

    def forward(self, images: Tensor) -> Tensor:
        return self.last(self.before_last(images))

    def before_last(self, images: Tensor) -> Tensor:
        """As `forward`, to the features (B, 64, 64, 160) before the last stage."""
        x = self.patch_embed(images.expand(-1, 3, -1, -1).permute(0, 2, 3, 1))
        return self.stages[:-1](x)

    def last(self, features: Tensor) -> Tensor:
        """What `before_last` gives, through last stage and neck."""
        return self.neck(self.stages[-1](features))


class ConvNorm(nn.Module):
    """A convolution and its BatchNorm as one: (B, H, W, in) to (B, H', W', out).

    The statistics are always the pretrained ones, in training too: a few slices would replace them by their own.

    Args:
        each_alone: whether each channel is convolved by itself.
    """

    def __init__(self, channels: int, out_channels: int, kernel: int = 1, stride: int = 1, each_alone: bool = False) -> None:
        super().__init__()
        groups = channels if each_alone else 1
        self.conv = nn.Conv2d(channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        norm: Any = self.bn
        if torch.is_autocast_enabled(x.device.type):
            # folded in, the bias would be rounded to bf16: a third more error in image_embedding
            x = self.conv(x.permute(0, 3, 1, 2))
            x = F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)
            return x.permute(0, 2, 3, 1)
        scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
        weight, bias = self.conv.weight * scale[:, None, None, None], norm.bias - norm.running_mean * scale
        if self.conv.kernel_size == (1, 1):
            return linear(x, weight.flatten(1), bias)
        conv = self.conv
        x = F.conv2d(x.permute(0, 3, 1, 2), weight, bias, conv.stride, conv.padding, groups=conv.groups)
        return x.permute(0, 2, 3, 1)


class Stem(nn.Module):
    """Channels (B, H, W, in) to features (B, H / stride**2, W / stride**2, C)."""

    def __init__(self, channels: int, dim: int, stride: int) -> None:
        super().__init__()
        kernel = 1 if stride == 1 else 3
        self.conv1 = ConvNorm(channels, dim // 2, kernel, stride)
        self.conv2 = ConvNorm(dim // 2, dim, kernel, stride)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(gelu(self.conv1(x)))


class ConvStage(nn.Module):
    """Inverted bottlenecks (Sandler et al. 2018, arXiv 1801.04381): (B, H, W, C) to the same."""

    def __init__(self, dim: int, depth: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(InvertedBottleneck(dim) for _ in range(depth)))

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = in_strips(block, x)
        return x


class InvertedBottleneck(nn.Module):
    """(B, H, W, C) to the same."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(dim, 4 * dim)
        self.conv2 = ConvNorm(4 * dim, 4 * dim, kernel=3, each_alone=True)
        self.conv3 = ConvNorm(4 * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        return gelu(x + self.conv3(gelu(self.conv2(gelu(self.conv1(x))))))


class AttentionStage(nn.Module):
    """(B, H, W, C) to (B, H / stride, W / stride, out), then attention within windows."""

    def __init__(self, dim: int, out_dim: int, depth: int, num_heads: int, window: int, stride: int) -> None:
        super().__init__()
        self.downsample = Downsample(dim, out_dim, stride)
        self.blocks = nn.Sequential(*(Block(out_dim, num_heads, window) for _ in range(depth)))

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(in_strips(self.downsample, x, self.downsample.stride))


class Downsample(nn.Module):
    """(B, H, W, C) to (B, H / stride, W / stride, out)."""

    def __init__(self, dim: int, out_dim: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.conv1 = ConvNorm(dim, out_dim)
        self.conv2 = ConvNorm(out_dim, out_dim, kernel=3, stride=stride, each_alone=True)
        self.conv3 = ConvNorm(out_dim, out_dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv3(gelu(self.conv2(gelu(self.conv1(x)))))


class Block(nn.Module):
    """Attention, a convolution and an MLP: (B, H, W, C) to the same."""

    def __init__(self, dim: int, num_heads: int, window: int) -> None:
        super().__init__()
        self.attn = Attention(dim, num_heads, window)
        self.local_conv = ConvNorm(dim, dim, kernel=3, each_alone=True)
        self.mlp = Mlp(dim)

    def forward(self, x: Tensor) -> Tensor:
        x = self.local_conv(x + self.attn(x))
        return in_strips(lambda strip: strip + self.mlp(strip), x, reach=0)


class Mlp(nn.Module):
    """(..., C) to the same."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.fc1 = Linear(dim, 4 * dim)
        self.fc2 = Linear(4 * dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(gelu(self.fc1(self.norm(x))))


class Attention(nn.Module):
    """Attention within windows, biased by distance: (B, H, W, C) to the same.

    Args:
        window: n tokens along a window's side.
    """

    def __init__(self, dim: int, num_heads: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.norm = nn.LayerNorm(dim)
        self.qkv = FusedQKV(dim, num_heads, groups=num_heads)
        self.proj = Linear(dim, dim)
        self.attention_biases = nn.Parameter(torch.zeros(num_heads, window**2))
        """(heads, n * n), by the rows and the columns that query and key lie apart."""

    def forward(self, x: Tensor) -> Tensor:
        bias = self._bias()
        _, *padding = self._heads(x.new_zeros(x.shape[-1]))

        def attend(q: Tensor, k: Tensor, v: Tensor, shape: TokenShape) -> Tensor:
            if shape != (self.window, self.window):
                k, v = with_padding(k, v, (padding[0], padding[1]))
            return biased_attention(q, k, v, bias_in_image(bias, shape))

        return in_windows(x, self.window, self._heads, attend, self.proj)

    def _heads(self, x: Tensor) -> tuple[Tensor, ...]:
        """q, k and v (..., heads, d) of tokens (..., C)."""
        return self.qkv(self.norm(x))

    def _bias(self) -> Tensor:
        """(heads, n, n, n, n) by row and column of the query, then of the key."""
        place = torch.arange(self.window, device=self.attention_biases.device)
        apart = (place[:, None] - place).abs()
        by_row = self.attention_biases.unflatten(1, (self.window, -1))[:, apart]
        return by_row[..., apart].permute(0, 1, 3, 2, 4).contiguous()


def in_strips(layers: Callable[[Tensor], Tensor], x: Tensor, stride: int = 1, reach: int = 1) -> Tensor:
    """`layers(x)` on a CPU some rows at a time, so that what they need stays small.

    Args:
        layers: (B, H, W, C) to (B, H / stride, W / stride, out).
        reach: how many of its own output's rows around a row they look at.
    """
    if x.device.type != "cpu" or torch.is_grad_enabled():
        return layers(x)
    parts = []
    for first in range(0, x.shape[1], STRIP):
        last = min(first + STRIP, x.shape[1])
        start = max(first - stride * reach, 0)
        part = layers(x[:, start : last + stride * reach])
        parts.append(part[:, (first - start) // stride : (last - start) // stride])
    return torch.cat(parts, dim=1)


def build_encoder(architecture: Architecture, input_size: int) -> TinyVitEncoder:
    """The encoder with fresh weights; it comes in one size, for the architecture's one input size."""
    return TinyVitEncoder(stem_stride=1 if architecture.stride == UNSTRIDED else 2)


UNSTRIDED = 4
"""Input pixels along each side of a cell of image_embedding where the stem does not stride."""

UNUSED = ("head.", "norm_head.")
"""TinyViT's classification head, which MobileSAM's file still has."""

RENAMED = (
    (r"^patch_embed\.seq\.0\.", "patch_embed.conv1."),
    (r"^patch_embed\.seq\.2\.", "patch_embed.conv2."),
    (r"^layers\.(\d+)\.blocks\.", r"stages.\1.blocks."),
    (r"\.c\.weight$", ".conv.weight"),
)


def encoder_state(state: dict[str, Tensor], embedding_size: int) -> dict[str, Tensor]:
    """The published image-encoder weights under timm's names; a stage's downsampling moves to the start of the next."""
    renamed = {}
    for key, value in state.items():
        for pattern, replacement in RENAMED:
            key = re.sub(pattern, replacement, key)
        key = re.sub(r"^layers\.(\d+)\.downsample\.", lambda found: f"stages.{int(found[1]) + 1}.downsample.", key)
        if not key.endswith((".ab", ".attention_bias_idxs")) and not key.startswith(UNUSED):
            renamed[key] = value
    return renamed
