"""What makes steps faster or smaller: mixed precision and gradient checkpointing."""

from dataclasses import replace

import pytest
import torch
from segment_anything.modeling import ImageEncoderViT
from tiny_training import (
    END_TO_END,
    RECIPE,
    TinySam,
    bright_squares,
    parameters,
    save,
)

from SAMedCore.train.loop import Run, train
from SAMedCore.train.optimization import precision_on


@pytest.mark.parametrize(
    ("device", "wanted", "in_hardware", "used"),
    [
        ("cpu", "bf16", True, torch.bfloat16),
        ("cpu", "bf16", False, torch.float32),
        ("cpu", "fp16", True, torch.float32),
        ("mps", "bf16", True, torch.float32),
        ("cuda", "fp16", False, torch.float16),
        ("cuda", "fp32", True, torch.float32),
    ],
)
def test_mixed_precision_is_used_where_it_is_faster(monkeypatch, device, wanted, in_hardware, used):
    monkeypatch.setattr("SAMedCore.train.optimization.has_bf16_hardware", lambda: in_hardware)
    assert precision_on(torch.device(device), replace(RECIPE, precision=wanted)) == used


def test_gradient_checkpointing_changes_no_gradient(tmp_path):
    class VitSam(TinySam):
        def __init__(self) -> None:
            super().__init__()
            self.image_encoder = ImageEncoderViT(
                img_size=16, patch_size=1, in_chans=1, embed_dim=8, depth=2, num_heads=2, out_chans=8
            )

    models = []
    for checkpointing in (False, True):
        recipe = replace(RECIPE, stages=(replace(END_TO_END, epochs=1),), gradient_checkpointing=checkpointing)
        models.append(VitSam())
        train(Run(models[-1], recipe, tmp_path / str(checkpointing), save), bright_squares(8, None), None)
    torch.testing.assert_close(parameters(models[0]), parameters(models[1]))
    assert "forward" not in vars(models[1].image_encoder.blocks[0])
