"""One step of the paper's training, beside the same step of the network written plainly."""

import networks
import torch
from operations import gflop
from settings import CLASSES, DEVICE, TRAINING_BATCH

from SAMedCore.checkpoint.load import load_peft
from SAMedCore.train.optimization import Optimization
from SAMedCore.train.recipe import PRESETS

RATE = 1e-6
"""So small that the steps do not change what the next ones compute."""


def test_training_step(measure, vit_b_files):
    recipe = PRESETS["samed"]
    fast = load_peft(vit_b_files.checkpoint, vit_b_files.base, trainable=True)[0].to(DEVICE)
    plain = networks.plain_vit_b(vit_b_files).train().to(DEVICE)
    for name, parameter in plain.image_encoder.named_parameters():
        parameter.requires_grad_("qkv.parts" in name)
    size = plain.input_size
    generator = torch.Generator().manual_seed(3)
    images = torch.rand(TRAINING_BATCH, size, size, generator=generator)
    labels = torch.randint(0, CLASSES + 1, (TRAINING_BATCH, size // 4, size // 4), generator=generator)
    optimizations = {model: Optimization.of(model, recipe, DEVICE) for model in (fast, plain)}

    def step(model, forward):
        return optimizations[model].step(forward, images, labels, RATE)

    assert abs(step(fast, fast) - step(plain, plain.at_once)) < 1e-3
    facts = {"batch": TRAINING_BATCH, "gflop": gflop(lambda: step(fast, fast))}
    measure(lambda: step(fast, fast), lambda: step(plain, plain.at_once), **facts)
