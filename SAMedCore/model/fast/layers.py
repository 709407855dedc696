"""SAM's layers with the channels last, (B, H, W, C), as a matrix product wants them; and the fastest product there is."""

from __future__ import annotations

import platform
from typing import Any, cast

import torch
import torch.nn.functional as F
from segment_anything.modeling.transformer import Attention, TwoWayTransformer
from torch import nn

EMBEDDING_CHANNELS = 256
"""Of image_embedding, prompts and mask decoder, in every SAM."""

HAS_ONEDNN = (
    platform.machine().lower() in ("x86_64", "amd64")
    and torch.backends.mkldnn.is_available()
    and hasattr(torch.ops.mkldnn, "_linear_pointwise")
)
"""Whether torch has oneDNN's product as an operator of its own, the one that torch.compile uses."""

# Where there is AVX-512 it is up to a fifth faster than the BLAS that torch ships, on AMD's AVX2 processors a fifth slower.
# Never measured at run time: a busy machine would decide by chance, and the last digits of a training with it.
USES_ONEDNN = HAS_ONEDNN and torch.backends.cpu.get_cpu_capability() == "AVX512"


class Linear(nn.Linear):
    """`nn.Linear` by the fastest product of this processor: (..., in) to (..., out)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return linear(x, self.weight, self.bias)


class FusedQKV(Linear):
    """q, k and v of tokens by one product: (..., C) to three of (..., heads, d).

    Args:
        groups: 1 where the weight's rows are all q, then all k, then all v (SAM); `num_heads` where each head has its q, k
            and v together (TinyViT).
    """

    def __init__(self, dim: int, num_heads: int, groups: int = 1) -> None:
        super().__init__(dim, 3 * dim)
        self.num_heads = num_heads
        self.groups = groups

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:  # type: ignore[override]
        qkv = super().forward(x).unflatten(-1, (self.groups, 3, self.num_heads // self.groups, -1))
        return tuple(part.flatten(-3, -2) for part in qkv.unbind(-3))


class Neck(nn.Sequential):
    """SAM's neck: (B, H, W, C) to image_embedding (B, out, H, W)."""

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__(
            nn.Conv2d(channels, out_channels, kernel_size=1, bias=False),
            nn.LayerNorm(out_channels, eps=1e-6),
            nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1, bias=False),
            nn.LayerNorm(out_channels, eps=1e-6),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        narrow, narrow_norm, smooth, smooth_norm = cast(Any, self)
        x = narrow_norm(linear(x, narrow.weight.flatten(1)))
        x = smooth(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return smooth_norm(x).permute(0, 3, 1, 2)


class Upscaling(nn.Sequential):
    """How SAM's mask decoder brings (B, C, H, W) to (B, C / 8, 4 H, 4 W)."""

    def __init__(self, channels: int) -> None:
        quarter, eighth = channels // 4, channels // 8
        super().__init__(
            nn.ConvTranspose2d(channels, quarter, kernel_size=2, stride=2),
            nn.LayerNorm(quarter, eps=1e-6),
            nn.GELU(),
            nn.ConvTranspose2d(quarter, eighth, kernel_size=2, stride=2),
            nn.GELU(),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first, norm, _, second, _ = cast(Any, self)
        x = gelu(norm(_doubled(x.permute(0, 2, 3, 1), first)))
        return gelu(_doubled(x, second)).permute(0, 3, 1, 2)


class DecoderTransformer(TwoWayTransformer):
    """SAM's two-way transformer; image_embedding and image_pe (B, C, H, W) are turned into tokens once, not at each use."""

    def forward(
        self, image_embedding: torch.Tensor, image_pe: torch.Tensor, point_embedding: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        image, positions = (x.contiguous(memory_format=torch.channels_last) for x in (image_embedding, image_pe))
        return super().forward(image, positions, point_embedding)


class DecoderAttention(Attention):
    """The attention of SAM's mask decoder between a few tokens and the many of the image, as (B, n, C).

    Args:
        plain: whose size and parameters it takes over.
    """

    def __init__(self, plain: Attention) -> None:
        super().__init__(plain.embedding_dim, plain.num_heads, plain.embedding_dim // plain.internal_dim)
        for name, projection in plain.named_children():
            ours = Linear(projection.in_features, projection.out_features, device="meta")
            ours.load_state_dict(projection.state_dict(keep_vars=True), assign=True)
            setattr(self, name, ours)

    def forward(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        projected = (self.q_proj(q), self.k_proj(k), self.v_proj(v))
        q, k, v = (tokens.unflatten(-1, (self.num_heads, -1)).transpose(1, 2) for tokens in projected)
        if q.shape[2] > k.shape[2]:
            # the few keys in front: a softmax over so short a last axis takes ten times as long on a CPU
            weights = torch.softmax((k * k.shape[-1] ** -0.5) @ q.mT, dim=-2)
            attended = weights.mT @ v
        else:
            attended = F.scaled_dot_product_attention(q, k, v)
        return self.out_proj(attended.transpose(1, 2).flatten(2))


def _doubled(x: torch.Tensor, conv: nn.ConvTranspose2d) -> torch.Tensor:
    """(B, H, W, in) to (B, 2 H, 2 W, out): each pixel becomes 2 x 2, which is one matrix product."""
    weight = conv.weight.permute(2, 3, 1, 0).flatten(0, 2)
    bias = None if conv.bias is None else conv.bias.repeat(4)
    pixels = linear(x, weight, bias).unflatten(-1, (2, 2, -1))
    return pixels.permute(0, 1, 3, 2, 4, 5).flatten(3, 4).flatten(1, 2)


def linear(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """x (..., in) times the transposed weight (out, in), plus the bias."""
    is_plain = x.device.type == "cpu" and x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    is_frozen = not (torch.is_grad_enabled() and (weight.requires_grad or (bias is not None and bias.requires_grad)))
    if USES_ONEDNN and is_plain and is_frozen:
        return _FrozenLinear.apply(x, weight, bias)
    return F.linear(x, weight, bias)


class _FrozenLinear(torch.autograd.Function):
    """`linear` with a gradient for x alone."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        ctx.save_for_backward(weight)
        return _onednn_product(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        return _onednn_product(grad, ctx.saved_tensors[0].T.contiguous()), None, None


def _onednn_product(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    # rows of any other stride take a thousand times as long
    weight = weight if weight.T.is_contiguous() else weight.contiguous()
    return torch.ops.mkldnn._linear_pointwise(x.contiguous(), weight, bias, "none", [], "")


def gelu(x: torch.Tensor) -> torch.Tensor:
    """GELU; in place where no gradient needs x."""
    return F.gelu(x) if torch.is_grad_enabled() else torch.ops.aten.gelu_(x)
