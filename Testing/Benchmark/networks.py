"""The same seeded network twice, as SAMedCore's fast path and written plainly; random weights cost what trained ones cost."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from plain_lite import PlainLite
from plain_procedure import PlainProcedure
from plain_samed import PlainSamed, random_base, random_original
from settings import CLASSES, DEVICE

from SAMedCore.checkpoint.folder import Base, CheckpointInfo
from SAMedCore.checkpoint.load import find_base_model, load_merged
from SAMedCore.checkpoint.original import import_original
from SAMedCore.image.labels import LabelTable
from SAMedCore.model.architectures import ARCHITECTURES, LITE_MEDSAM_INPUT, VitSize
from SAMedCore.model.lora import LoraSettings, add_lora, merge_lora
from SAMedCore.model.preprocessing import Preprocessing
from SAMedCore.model.sam import Sam, build_sam
from SAMedCore.segment import Segmenter

ONE_BLOCK = replace(ARCHITECTURES["vit_b"], size=VitSize(embed_dim=768, depth=1, num_heads=12, global_attn_indexes=(0,)))


@dataclass(frozen=True)
class Files:
    """A base model's weights and a checkpoint on it."""

    base: Path
    checkpoint: Path


@dataclass(frozen=True)
class Pair:
    """One network, ready to segment in both ways."""

    fast: Segmenter
    plain: PlainProcedure


def use_one_block() -> None:
    """From now on the architecture vit_b has one block, for what is measured beside the network."""
    ARCHITECTURES["vit_b"] = ONE_BLOCK


def write_vit_b(folder: Path) -> Files:
    """vit_b with the authors' LoRA, all of it random, for 512 pixels."""
    sizes = _plain_sizes()
    base = random_base(**sizes)
    torch.save(base, folder / "base.pth")
    torch.save(random_original(base, CLASSES, depth=sizes["depth"], dim=sizes["dim"]), folder / "original.pth")
    known, weights = find_base_model(folder / "base.pth")
    import_original(folder / "original.pth", known, weights, folder / "checkpoint", orientation="LPS")
    return Files(weights, folder / "checkpoint")


def plain_vit_b(files: Files) -> PlainSamed:
    original = torch.load(files.base.with_name("original.pth"), weights_only=True)
    return PlainSamed(torch.load(files.base, weights_only=True), original, **_plain_sizes())


def vit_b_pair(files: Files) -> Pair:
    fast = Segmenter(*load_merged(files.checkpoint, files.base), str(DEVICE))
    return Pair(fast, PlainProcedure(plain_vit_b(files), fast.info.preprocessing, DEVICE))


def lite_pair() -> Pair:
    sam = build_sam("lite", CLASSES, seed=1)
    generator = torch.Generator().manual_seed(2)
    _randomise(sam, generator)
    state = {key: tensor.clone() for key, tensor in sam.state_dict().items()}
    model = add_lora(sam, LoraSettings())
    adapted = {key.removeprefix("base_model.model."): tensor for key, tensor in model.named_parameters() if "lora_" in key}
    for key, tensor in adapted.items():
        if "lora_B" in key:
            torch.nn.init.normal_(tensor, std=0.3, generator=generator)
    names = sorted({key.split(".qkv.")[0] + ".qkv" for key in adapted})
    lora = {
        name: [adapted[f"{name}.{part}_proj.lora_{factor}.default.weight"].detach().clone() for part in "qv" for factor in "AB"]
        for name in names
    }
    fast = segmenter(merge_lora(model), "lite", LITE_MEDSAM_INPUT)
    return Pair(fast, PlainProcedure(PlainLite(state, lora), LITE_MEDSAM_INPUT, DEVICE))


def segmenter(sam: Sam, architecture: str, preprocessing: Preprocessing) -> Segmenter:
    """`sam` ready to segment, its classes without names."""
    labels = LabelTable.generic(range(1, sam.mask_decoder.num_mask_tokens))
    return Segmenter(sam, CheckpointInfo(Base("seeded", architecture, ""), labels, preprocessing), str(DEVICE))


def _plain_sizes() -> dict:
    size = ARCHITECTURES["vit_b"].size
    assert size is not None
    return {
        "depth": size.depth,
        "dim": size.embed_dim,
        "heads": size.num_heads,
        "global_blocks": size.global_attn_indexes,
    }


@torch.no_grad()
def _randomise(sam: Sam, generator: torch.Generator) -> None:
    """Make whatever starts at zero or one count: norms, biases, BatchNorm's statistics."""
    for key, tensor in sam.state_dict().items():
        if tensor.is_floating_point() and (tensor.ndim == 1 or "attention_biases" in key):
            noise = 0.1 * torch.randn(tensor.shape, generator=generator)
            tensor += noise.abs() if "running_var" in key else noise
