"""LiteMedSAM's image encoder: a TinyViT (Wu et al. 2022, arXiv 2207.10666) at 256 x 256 without the stem's striding.

Built from timm's TinyVit; LiteMedSAM differs from it in three places: the stem's convolutions are 1 x 1 with stride 1, the
last stage does not stride, and SAM's neck takes the place of the classification head.
"""

from __future__ import annotations

import re
from typing import Any

import torch
from segment_anything.modeling.common import LayerNorm2d
from timm.models.tiny_vit import ConvNorm, TinyVit
from torch import nn


class TinyVitEncoder(nn.Module):
    """(B, 3, 256, 256) to image_embedding (B, 256, 64, 64)."""

    INPUT_SIZE = 256
    EMBEDDING_SIZE = 64

    def __init__(self) -> None:
        super().__init__()
        vit = TinyVit(
            num_classes=0,
            embed_dims=(64, 128, 160, 320),
            depths=(2, 2, 6, 2),
            num_heads=(2, 4, 5, 10),
            window_sizes=(7, 7, 14, 7),
            drop_path_rate=0.0,
        )
        self.patch_embed = vit.patch_embed
        self.patch_embed.conv1 = ConvNorm(3, 32, 1, 1, 0)
        self.patch_embed.conv2 = ConvNorm(32, 64, 1, 1, 0)
        self.stages = vit.stages
        last_stage: Any = self.stages[-1]
        last_stage.downsample.conv2.conv.stride = (1, 1)
        self.neck = nn.Sequential(
            nn.Conv2d(320, 256, kernel_size=1, bias=False),
            LayerNorm2d(256),
            nn.Conv2d(256, 256, kernel_size=3, padding=1, bias=False),
            LayerNorm2d(256),
        )
        self.to(memory_format=torch.channels_last)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        # its convolutions are depthwise or 1 x 1: with the channels last they take half the time on a CPU
        images = images.contiguous(memory_format=torch.channels_last)
        return self.neck(self.stages(self.patch_embed(images)))

    def train(self, mode: bool = True) -> TinyVitEncoder:
        """BatchNorm keeps the pretrained statistics: a few slices would replace them by their own."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self


RENAMED = (
    (r"^patch_embed\.seq\.0\.", "patch_embed.conv1."),
    (r"^patch_embed\.seq\.2\.", "patch_embed.conv2."),
    (r"^layers\.(\d+)\.blocks\.", r"stages.\1.blocks."),
    (r"\.c\.weight$", ".conv.weight"),
)


def from_lite_medsam(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """LiteMedSAM's image-encoder weights under timm's names; a stage's downsampling moves to the start of the next."""
    renamed = {}
    for key, value in state.items():
        for pattern, replacement in RENAMED:
            key = re.sub(pattern, replacement, key)
        key = re.sub(r"^layers\.(\d+)\.downsample\.", lambda found: f"stages.{int(found[1]) + 1}.downsample.", key)
        if not key.endswith((".ab", ".attention_bias_idxs")):
            renamed[key] = value
    return renamed
