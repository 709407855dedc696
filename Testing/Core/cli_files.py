"""A crop of the sample CT and a small seeded network on the disk, for the tests of the command line; and its commands."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from SAMedCore.checkpoint.folder import Base, CheckpointInfo
from SAMedCore.checkpoint.load import write_checkpoint
from SAMedCore.cli import main
from SAMedCore.image.labels import SYNAPSE_ORGANS
from SAMedCore.model.architectures import ARCHITECTURES, VitSize
from SAMedCore.model.lora import LoraSettings, add_lora
from SAMedCore.model.preprocessing import Preprocessing
from SAMedCore.train.recipe import PRESETS, Stage

LABELS = SYNAPSE_ORGANS.subset(["spleen", "liver", "aorta"])
SLICES = slice(70, 74)
ONE_BLOCK = replace(ARCHITECTURES["vit_b"], size=VitSize(embed_dim=768, depth=1, num_heads=12, global_attn_indexes=(0,)))
"""The row of vit_b, with one block."""

SMALL = Preprocessing(sizes=(48, 64))
SMALL_FEW_SHOT = replace(
    PRESETS["few-shot"],
    sizes=SMALL.sizes,
    stages=(Stage(trains="decoder", batch_size=2, base_rate=1e-3, warmup_steps=2, planned_epochs=2, epochs=2),),
)
"""A recipe of seconds."""


@dataclass(frozen=True)
class Files:
    """What the jobs take: a CT of 4 slices, its labels, a base model's weights and a checkpoint on it."""

    folder: Path
    ct: Path
    labels: Path
    series: Path
    base: Path
    checkpoint: Path


def seeded_checkpoint(folder: Path, sam, base: Base, orientation: str = "LPS") -> None:
    """A checkpoint whose mask tokens are random, so that all of its classes occur."""
    torch.nn.init.normal_(sam.mask_decoder.mask_tokens.weight, generator=torch.Generator().manual_seed(0))
    sizes = SMALL.sizes if base.architecture == "vit_b" else (256,)
    preprocessing = Preprocessing(sizes=sizes, orientation=orientation)
    write_checkpoint(folder, add_lora(sam, LoraSettings()), CheckpointInfo(base, LABELS, preprocessing))


def run(capsys, *arguments) -> list[dict]:
    """The events of a command that succeeds with --json; nothing else may stand on stdout."""
    assert main([str(argument) for argument in (*arguments, "--json")]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def segment(files: Files, out: Path, *options) -> list:
    return ["segment", files.ct, out, "--model", files.checkpoint, "--base", files.base, "--device", "cpu", *options]


def finetune(files: Files, out: Path, *options) -> list:
    data = ["--images", files.folder / "images", "--labels", files.folder / "labels", "--validation", 0.25]
    return ["finetune", *data, "--base", files.base, "--out", out, "--device", "cpu", *options]


def evaluate(files: Files, *options) -> list:
    return ["evaluate", "--predictions", files.folder / "labels", "--references", files.folder / "labels", *options]
