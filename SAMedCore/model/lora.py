"""LoRA on the query and value projections, by Hugging Face PEFT.

W x becomes W x + (alpha / r) B A x (Hu et al. 2021, arXiv 2106.09685, equation 3). SAMed puts it on q and v of every block
of the image encoder, SAMed_s also on q and v of every attention of the mask decoder's transformer (arXiv 2304.13785,
section 3). PEFT adapts whole linear layers, so the encoder's fused qkv projection is split before and fused again after
merging.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn

from SAMedCore.model.fast.layers import FusedQKV, Linear
from SAMedCore.model.sam import Sam

DECODER_TARGETS = r"mask_decoder\.transformer\..*\.(q_proj|v_proj)"
AnyLinear = TypeVar("AnyLinear", bound=Linear)
DECODER_HEADS = ("iou_token", "mask_tokens", "output_upscaling", "iou_prediction_head")


@dataclass(frozen=True)
class LoraSettings:
    """What is trained beside the prompt encoder.

    Attributes:
        rank, alpha: of LoRA.
        in_decoder: the mask decoder's transformer is frozen under LoRA (SAMed_s), not trained whole (SAMed).
        last_stage: the architecture's `last_stage` is trained whole, without LoRA.
    """

    rank: int = 4
    alpha: float = 4
    in_decoder: bool = False
    last_stage: bool = False

    def to_peft(self, sam: Sam) -> LoraConfig:
        """PEFT's configuration for this architecture and so many mask tokens."""
        targets = sam.architecture.lora_targets
        # PEFT saves no ModuleList as such, so that each hypernetwork is named
        heads = [*DECODER_HEADS, *(f"output_hypernetworks_mlps.{token}" for token in range(sam.mask_decoder.num_mask_tokens))]
        whole = [f"image_encoder.{name}" for name in sam.architecture.last_stage if self.last_stage]
        return LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha,  # type: ignore[arg-type]
            target_modules=f"({targets}|{DECODER_TARGETS})" if self.in_decoder else targets,
            modules_to_save=[
                "prompt_encoder",
                *([f"mask_decoder.{h}" for h in heads] if self.in_decoder else ["mask_decoder"]),
                *whole,
            ],
            exclude_modules=rf".*({'|'.join(map(re.escape, whole))})\..*" if whole else None,
        )


class SplitQKV(nn.Module):
    """`qkv` as three projections: (..., C) to q, k and v (..., heads, d)."""

    def __init__(self, qkv: FusedQKV) -> None:
        super().__init__()
        self.num_heads, self.groups = qkv.num_heads, qkv.groups
        weights = qkv.weight.detach().unflatten(0, (self.groups, 3, -1))
        biases = qkv.bias.detach().unflatten(0, (self.groups, 3, -1))
        projections = [_linear(weights[:, part].flatten(0, 1), biases[:, part].flatten(0, 1)) for part in range(3)]
        self.q_proj, self.k_proj, self.v_proj = projections

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(part(x).unflatten(-1, (self.num_heads, -1)) for part in (self.q_proj, self.k_proj, self.v_proj))

    def fuse(self) -> FusedQKV:
        """The one projection again, LoRA having been merged into its parts."""
        parts = (self.q_proj, self.k_proj, self.v_proj)
        weight = torch.stack([part.weight.detach().unflatten(0, (self.groups, -1)) for part in parts], 1)
        bias = torch.stack([part.bias.detach().unflatten(0, (self.groups, -1)) for part in parts], 1)
        with torch.device("meta"):
            qkv = FusedQKV(weight.shape[-1], self.num_heads, self.groups)
        return _with_parameters(qkv, weight.flatten(0, 2), bias.flatten(0, 2))


def add_lora(sam: Sam, settings: LoraSettings) -> PeftModel:
    """`sam` with its base frozen, LoRA added, and the prompt encoder and mask decoder (or its heads) to train; in place.

    PEFT's copies of the trained modules start from the base model's; B starts at zero, so that the logits are unchanged.
    """
    return get_peft_model(split_qkv(sam), settings.to_peft(sam))


def split_qkv(sam: Sam) -> Sam:
    """`sam` with the encoder's fused qkv projections split, so that PEFT finds q and v; in place."""
    for attention in _encoder_attentions(sam):
        attention.qkv = SplitQKV(attention.qkv)
    return sam


def merge_lora(model: PeftModel) -> Sam:
    """The plain SAM with LoRA merged into q and v and the projections fused again: LoRA then costs nothing."""
    sam = model.merge_and_unload()
    for attention in _encoder_attentions(sam):
        attention.qkv = attention.qkv.fuse()
    return sam


def _encoder_attentions(sam: Sam) -> list[Any]:
    """SAM's or TinyViT's attention modules: they share the `qkv`, but no class."""
    return [module for module in sam.image_encoder.modules() if hasattr(module, "qkv")]


def _linear(weight: torch.Tensor, bias: torch.Tensor) -> Linear:
    return _with_parameters(Linear(weight.shape[1], weight.shape[0], device="meta"), weight, bias)


def _with_parameters(linear: AnyLinear, weight: torch.Tensor, bias: torch.Tensor) -> AnyLinear:
    linear.weight, linear.bias = nn.Parameter(weight.clone()), nn.Parameter(bias.clone())
    return linear
