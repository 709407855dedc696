"""Training by the paper's recipe equals a plain loop, written here from the paper and its code's behaviour alone.

The plain loop shares nothing with SAMedCore but the initial weights: segment_anything's parts, LoRA without PEFT, scipy's
zoom, its own augmentation, loss and learning rates.
"""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from plain_samed import plain_encoder
from scipy import ndimage
from torch import nn

from SAMedCore.image.labels import LabelTable
from SAMedCore.image.volume import LabelMap, Volume
from SAMedCore.model.architectures import VitSize
from SAMedCore.model.fast.vit import VitEncoder
from SAMedCore.model.lora import LoraSettings, add_lora
from SAMedCore.model.preprocessing import Preprocessing
from SAMedCore.model.sam import Sam, build_sam
from SAMedCore.train.cases import Case
from SAMedCore.train.loop import Run, train
from SAMedCore.train.recipe import PRESETS
from SAMedCore.train.slices import slice_dataset
from SAMedCore.work import TrainingProgress, Work

CLASSES, SLICES, BATCH, STEPS, SEED = 3, 72, 24, 3, 1234
FIRST_SIZE, INPUT_SIZE, LOW_RES_SIZE = 48, 64, 16


@pytest.fixture(scope="module")
def scan() -> tuple[np.ndarray, np.ndarray]:
    """(k, j, i) HU and labels: noisy boxes of three organs, not square."""
    draw = np.random.default_rng(0)
    labels = np.zeros((SLICES, 60, 52), dtype=np.uint8)
    for k in range(SLICES):
        for label in (1, 2, 3):
            row, column = draw.integers(0, 40), draw.integers(0, 36)
            labels[k, row : row + 15, column : column + 12] = label
    return (labels * 90.0 - 60 + draw.normal(scale=80, size=labels.shape)).astype(np.float32), labels


@pytest.fixture(scope="module")
def small_sam() -> Sam:
    """SAM's architecture with a two-block encoder at 64 pixels, seeded weights."""
    sam = build_sam("vit_b", CLASSES, INPUT_SIZE, seed=3)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        sam.image_encoder = VitEncoder(VitSize(embed_dim=32, depth=2, num_heads=2, global_attn_indexes=(1,)), INPUT_SIZE, 256)
    return sam


class PlainLora(nn.Module):
    """W x + B A x on the q and v thirds of a fused projection, or on the whole of a plain one."""

    def __init__(self, linear: nn.Linear, lora: dict[str, tuple[torch.Tensor, torch.Tensor]]) -> None:
        super().__init__()
        self.linear = linear.requires_grad_(False)
        self.a = nn.ParameterDict({part: a.clone() for part, (a, _) in lora.items()})
        self.b = nn.ParameterDict({part: b.clone() for part, (_, b) in lora.items()})

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.linear(x)
        added = {part: x @ self.a[part].T @ self.b[part].T for part in self.a}
        if "whole" in added:
            return out + added["whole"]
        return out + torch.cat([added["q"], torch.zeros_like(added["q"]), added["v"]], dim=-1)


def plain_model(sam: Sam, peft_state: dict[str, torch.Tensor], in_decoder: bool) -> nn.Module:
    """`sam` with LoRA of the same initial A and B, frozen where the paper freezes; changed in place."""

    def lora_of(name: str) -> tuple[torch.Tensor, torch.Tensor]:
        return tuple(peft_state[f"base_model.model.{name}.lora_{factor}.default.weight"] for factor in "AB")

    plain = plain_encoder(INPUT_SIZE, depth=2, dim=32, heads=2, global_blocks=(1,))
    plain.load_state_dict(sam.image_encoder.state_dict())
    sam.image_encoder = plain.requires_grad_(False)
    for number, block in enumerate(sam.image_encoder.blocks):
        name = f"image_encoder.blocks.{number}.attn.qkv"
        block.attn.qkv = PlainLora(block.attn.qkv, {part: lora_of(f"{name}.{part}_proj") for part in "qv"})
    if in_decoder:
        transformer = sam.mask_decoder.transformer.requires_grad_(False)
        for name, attention in list(transformer.named_modules()):
            for part in ("q_proj", "v_proj") if hasattr(attention, "q_proj") else ():
                whole = {"whole": lora_of(f"mask_decoder.transformer.{name}.{part}")}
                setattr(attention, part, PlainLora(getattr(attention, part), whole))
    return sam


def plain_logits(sam: nn.Module, images: torch.Tensor) -> torch.Tensor:
    sparse = torch.empty(1, 0, 256)
    size = INPUT_SIZE // 16
    dense = sam.prompt_encoder.no_mask_embed.weight.reshape(1, -1, 1, 1).expand(1, -1, size, size)
    three_channels = images.unsqueeze(1).repeat(1, 3, 1, 1)
    positions = sam.prompt_encoder.get_dense_pe()
    return sam.mask_decoder.predict_masks(sam.image_encoder(three_channels), positions, sparse, dense)[0]


def plain_batch(scan: tuple[np.ndarray, np.ndarray], indices: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Window, 48 pixels, the paper's augmentation, 64 pixels, labels at 16; each by scipy."""
    images, labels = [], []
    for index in indices:
        image = (np.clip(scan[0][index], -125, 275) + 125) / 400
        label = scan[1][index]
        zooms = FIRST_SIZE / image.shape[0], FIRST_SIZE / image.shape[1]
        image, label = ndimage.zoom(image, zooms, order=3), ndimage.zoom(label, zooms, order=0)
        draw = np.random.default_rng((SEED, 0, index))
        if draw.random() > 0.5:
            turns, axis = draw.integers(4), draw.integers(2)
            image, label = np.flip(np.rot90(image, turns), axis), np.flip(np.rot90(label, turns), axis)
        elif draw.random() > 0.5:
            angle = draw.integers(-20, 20)
            image, label = (ndimage.rotate(each, angle, order=0, reshape=False) for each in (image, label))
        image = ndimage.zoom(image, INPUT_SIZE / FIRST_SIZE, order=3)
        label = ndimage.zoom(label, INPUT_SIZE / FIRST_SIZE, order=0)
        images.append(image)
        labels.append(ndimage.zoom(label, LOW_RES_SIZE / INPUT_SIZE, order=0))
    return torch.tensor(np.array(images), dtype=torch.float32), torch.tensor(np.array(labels), dtype=torch.long)


def plain_losses(sam: nn.Module, scan: tuple[np.ndarray, np.ndarray], rates: list[float]) -> list[float]:
    trained = [parameter for parameter in sam.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=rates[0], betas=(0.9, 0.999), weight_decay=0.1)
    order, losses = np.random.default_rng((SEED, 0)).permutation(SLICES), []
    for step, rate in enumerate(rates):
        images, labels = plain_batch(scan, order[step * BATCH : (step + 1) * BATCH])
        logits = plain_logits(sam, images)
        scores, dice = logits.softmax(1), 0.0
        for number in range(CLASSES + 1):
            target = (labels == number).float()
            overlap = (scores[:, number] * target).sum()
            dice += 1 - (2 * overlap + 1e-5) / ((scores[:, number] ** 2).sum() + (target**2).sum() + 1e-5)
        loss = 0.2 * nn.functional.cross_entropy(logits, labels) + 0.8 * dice / (CLASSES + 1)
        optimizer.param_groups[0]["lr"] = rate
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize(
    ("name", "warmup", "rates"),
    [
        ("samed", 250, [0.005 / 250, 0.005 / 250, 0.005 * 2 / 250]),
        # A shorter warm-up, for rates at which three steps change the loss much.
        ("samed", 10, [0.0005, 0.0005, 0.001]),
        ("samed_s", 10, [0.0005, 0.0005, 0.001]),
    ],
)
def test_three_steps_of_the_papers_recipe_equal_a_plain_loop(tmp_path, scan, small_sam, name, warmup, rates):
    recipe = PRESETS[name]
    stage = replace(recipe.stages[0], epochs=1, warmup_steps=warmup)
    recipe = replace(recipe, sizes=(FIRST_SIZE, INPUT_SIZE), stages=(stage,))
    torch.manual_seed(recipe.seed)
    model = add_lora(copy.deepcopy(small_sam), LoraSettings(in_decoder=recipe.lora_in_decoder))
    reference = plain_model(copy.deepcopy(small_sam), copy.deepcopy(model.state_dict()), recipe.lora_in_decoder)

    table = LabelTable.generic([1, 2, 3])
    case = Case(Volume(scan[0], np.eye(4)), LabelMap(scan[1], np.eye(4), table))
    dataset = slice_dataset([case], table, Preprocessing(sizes=recipe.sizes), LOW_RES_SIZE).augmented("paper", SEED)
    events: list[TrainingProgress] = []
    train(Run(model, recipe, tmp_path / "out", save=lambda *_: None, work=Work(events.append)), dataset, None)
    losses = [event.loss for event in events if not event.epoch_done]
    assert len(losses) == STEPS
    np.testing.assert_allclose(losses, plain_losses(reference, scan, rates), atol=1e-5, rtol=0)
