"""The kinds of base model: one row for each, and nowhere else is one asked for by its name. Imports no torch.

A new one is a row here and a module with its image encoder, which offers two functions:

    build_encoder(architecture, input_size)     the encoder, (B, 3 or 1, S, S) to image_embedding (B, 256, E, E)
    encoder_state(state, embedding_size)        its published weights, keys without a prefix, as that encoder loads them
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from types import ModuleType

from SAMedCore.errors import InputError
from SAMedCore.model.preprocessing import Preprocessing

LITE_MEDSAM_INPUT = Preprocessing(window_hu=(-160.0, 240.0), sizes=(256,), padded=True, clipped=True)
"""What LiteMedSAM was trained on: soft tissue at level 40 and width 400, the longer side brought to 256, the shorter padded.

All of it counts. With the labels' boxes as prompts the mean Dice on every fifth slice of the sample CT is 0.89 this way, 0.86
where the splines may overshoot, and 0.85 on slices stretched to a square in SAMed's window.
"""

LARGEST_VIT_INPUT = 2048
"""Pixels: twice SAM's own. The attention of vit_b at that size takes 13 GB a block where it is not fused."""

RGB = tuple[float, float, float]
SAM_PIXEL_MEAN: RGB = (123.675 / 255, 116.28 / 255, 103.53 / 255)
SAM_PIXEL_STD: RGB = (58.395 / 255, 57.12 / 255, 57.375 / 255)
"""Of RGB images in 0..1: how SAM's own encoder was trained (segment_anything.modeling.Sam, there in 0..255)."""


@dataclass(frozen=True)
class VitSize:
    """One of SAM's three encoder sizes (Kirillov et al. 2023, arXiv 2304.02643, appendix A)."""

    embed_dim: int
    depth: int
    num_heads: int
    global_attn_indexes: tuple[int, ...]


@dataclass(frozen=True)
class Architecture:
    """A kind of base model: all in which one differs from another.

    Attributes:
        name: as checkpoints record it.
        encoder: the module of its image encoder, imported when one is built, since that takes torch.
        mark: a tensor that its published weights have, and the size of the last axis: by this they are recognised; None where
            they have another row's, and the catalogue alone tells which they are.
        stride: input pixels along each side of a cell of image_embedding.
        input_sizes: the pixels along each side that it can take.
        tuning: how slices are brought to it where a training asks for nothing else; gives the default input size.
        prompting: likewise for prompts: padded to a square, as every SAM is trained.
        pixel_mean, pixel_std: of the three channels, for slices in [0, 1], as its publisher's own weights want them; other
            weights of its kind (MedSAM's) want them as they are.
        heeds_points: whether its publisher's own weights were trained on points too, not on boxes alone.
        size: of its encoder, where that comes in several.
        lora_targets: the projections of its encoder that get LoRA, a pattern of names after `lora.split_qkv`.
        last_stage: the modules of its encoder that can be trained whole, with what lies before them encoded once; () where only
            LoRA is. Its encoder then has `before_last(images)` and `last(features)`, which together are it.
        in_original_format: whether the .pth files of SAMed's authors can hold a checkpoint made on it.
    """

    name: str
    encoder: str
    mark: tuple[str, int] | None
    stride: int
    input_sizes: Sequence[int]
    tuning: Preprocessing
    prompting: Preprocessing
    pixel_mean: RGB = (0.0, 0.0, 0.0)
    pixel_std: RGB = (1.0, 1.0, 1.0)
    heeds_points: bool = False
    size: VitSize | None = None
    lora_targets: str = r"image_encoder\..*\.qkv\.(q_proj|v_proj)"
    last_stage: tuple[str, ...] = ()
    in_original_format: bool = False

    @property
    def encoder_module(self) -> ModuleType:
        """The module `encoder`, with its two functions; loads torch."""
        return import_module(self.encoder)

    def suits(self, sizes: Sequence[int]) -> bool:
        """Whether slices brought to these sizes, one after the other, can be its input."""
        return sizes[-1] in self.input_sizes

    def tuning_at(self, sizes: tuple[int, ...] | None) -> Preprocessing:
        """`tuning` through these sizes, which suit it, one after the other; where it takes one size only, or None, as it is."""
        return self.tuning if sizes is None or len(self.input_sizes) == 1 else replace(self.tuning, sizes=sizes)

    def check_input_size(self, input_size: int) -> None:
        """Raises InputError where it cannot take so many pixels along each side."""
        if input_size not in self.input_sizes:
            only = len(self.input_sizes) == 1
            taken = (
                f"{self.input_sizes[0]} pixels only"
                if only
                else f"a multiple of {self.stride} pixels, {self.input_sizes[-1]} at the most"
            )
            raise InputError(f"the base model {self.name} takes {taken}, not {input_size}: choose another size or base model.")

    def check_original(self) -> None:
        """Call it before anything is loaded: raises InputError where the original .pth format does not know it."""
        if not self.in_original_format:
            known = ", ".join(row.name for row in ARCHITECTURES.values() if row.in_original_format)
            raise InputError(f'the authors\' .pth format does not know the base "{self.name}": take one of {known}.')


def _vit(name: str, size: VitSize) -> Architecture:
    return Architecture(
        name=name,
        encoder="SAMedCore.model.fast.vit",
        mark=("image_encoder.pos_embed", size.embed_dim),
        stride=16,
        input_sizes=range(16, LARGEST_VIT_INPUT + 1, 16),
        tuning=Preprocessing(sizes=(512,)),
        prompting=replace(LITE_MEDSAM_INPUT, sizes=(512,)),
        pixel_mean=SAM_PIXEL_MEAN,
        pixel_std=SAM_PIXEL_STD,
        heeds_points=True,
        size=size,
        in_original_format=True,
    )


VIT_B = _vit("vit_b", VitSize(embed_dim=768, depth=12, num_heads=12, global_attn_indexes=(2, 5, 8, 11)))

ARCHITECTURES = {
    row.name: row
    for row in (
        VIT_B,
        _vit("vit_l", VitSize(embed_dim=1024, depth=24, num_heads=16, global_attn_indexes=(5, 11, 17, 23))),
        _vit("vit_h", VitSize(embed_dim=1280, depth=32, num_heads=16, global_attn_indexes=(7, 15, 23, 31))),
        # Ma et al. 2024, arXiv 2304.12306: trained on 1024 pixels in [0, 1] as they are, and on boxes alone.
        replace(
            VIT_B,
            name="medsam",
            mark=None,
            prompting=replace(LITE_MEDSAM_INPUT, sizes=(1024,)),
            pixel_mean=(0.0, 0.0, 0.0),
            pixel_std=(1.0, 1.0, 1.0),
            heeds_points=False,
            in_original_format=False,
        ),
        Architecture(
            name="lite",
            encoder="SAMedCore.model.fast.tiny_vit",
            mark=("image_encoder.patch_embed.seq.0.c.weight", 1),
            stride=4,
            input_sizes=(256,),
            tuning=LITE_MEDSAM_INPUT,
            prompting=LITE_MEDSAM_INPUT,
            last_stage=("stages.3", "neck"),
        ),
        # Zhang et al. 2023, arXiv 2306.14289: distilled from SAM, whose images and prompts it takes.
        Architecture(
            name="mobile",
            encoder="SAMedCore.model.fast.tiny_vit",
            mark=("image_encoder.patch_embed.seq.0.c.weight", 3),
            stride=16,
            input_sizes=(1024,),
            tuning=replace(LITE_MEDSAM_INPUT, sizes=(1024,)),
            prompting=replace(LITE_MEDSAM_INPUT, sizes=(1024,)),
            pixel_mean=SAM_PIXEL_MEAN,
            pixel_std=SAM_PIXEL_STD,
            heeds_points=True,
        ),
    )
}


def architecture_of(name: str) -> Architecture:
    """The row of that name. Raises InputError where there is none."""
    if name not in ARCHITECTURES:
        raise InputError(f"unknown architecture {name!r}: choose from {', '.join(ARCHITECTURES)}.")
    return ARCHITECTURES[name]
