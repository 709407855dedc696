"""The image encoder's last stage, trained whole: what lies before it is encoded once, and checkpoints carry it."""

from dataclasses import replace

import pytest
import torch

from SAMedCore.model.lora import LoraSettings, add_lora, merge_lora
from SAMedCore.model.sam import Sam, build_sam
from SAMedCore.train.optimization import Optimization
from SAMedCore.train.recipe import PRESETS

CPU = torch.device("cpu")
RECIPE = replace(PRESETS["few-shot"], precision="fp32")


@pytest.fixture
def lite() -> Sam:
    return build_sam("lite", 2, seed=0).eval()


@pytest.fixture
def image() -> torch.Tensor:
    return torch.rand(1, 256, 256, generator=torch.Generator().manual_seed(1))


def test_before_the_last_stage_and_from_it_on_make_the_whole(lite, image):
    with torch.no_grad():
        features = lite.encode_before_last(image)
        assert features.shape == (1, 64, 64, 160)
        assert torch.equal(lite.decode_from_last(features), lite(image))


def test_the_last_stage_is_trained_whole_and_has_no_lora(lite):
    model = add_lora(lite, LoraSettings(last_stage=True))
    trained = [name for name, p in model.named_parameters() if p.requires_grad]
    last = [name for name in trained if ".stages.3." in name or ".neck." in name]
    assert last
    assert not any("lora" in name for name in last)
    assert any("lora" in name and ".stages.2." in name for name in trained)
    assert not any("lora" not in name and ".stages.2." in name for name in trained)


def test_a_step_moves_the_last_stage_at_its_share_of_the_rate_and_merging_keeps_it(lite, image):
    model = add_lora(lite, LoraSettings(last_stage=True)).eval()
    optimization = Optimization.of(model, RECIPE, CPU)
    with torch.no_grad():
        features, before = model.encode_before_last(image), model(image)
    optimization.step(model.decode_from_last, features, torch.zeros(1, 256, 256, dtype=torch.long), 1e-3)
    assert [group["lr"] for group in optimization.optimizer.param_groups] == [1e-3, 1e-3 * RECIPE.last_stage_rate]
    with torch.no_grad():
        assert torch.equal(model.encode_before_last(image), features)
        after = model(image)
        assert not torch.allclose(after, before, atol=1e-3)
        torch.testing.assert_close(merge_lora(model)(image), after, atol=1e-4, rtol=1e-4)


def test_where_nothing_is_asked_or_known_of_a_last_stage_all_is_as_published():
    assert [preset for preset, recipe in PRESETS.items() if recipe.last_stage_rate] == ["few-shot"]
    vit = build_sam("vit_b", 2, input_size=64, seed=0)
    model = add_lora(vit, LoraSettings(last_stage=True))
    trained = {name for name, p in model.named_parameters() if p.requires_grad and "image_encoder" in name}
    assert all("lora" in name for name in trained)
    groups = Optimization.of(model, RECIPE, CPU).optimizer.param_groups
    assert [group["share"] for group in groups] == [1.0]
