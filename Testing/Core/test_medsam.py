"""MedSAM, whose weights the Hub has by transformers' names: the network is the same, and known once fetched."""

from dataclasses import replace

import pytest
import torch
from cli_files import ONE_BLOCK
from safetensors.torch import save
from segment_anything import sam_model_registry

from SAMedCore.checkpoint import catalogue
from SAMedCore.checkpoint.card import front_matter
from SAMedCore.checkpoint.exchange import fetch_model
from SAMedCore.checkpoint.folder import find_weights
from SAMedCore.checkpoint.load import SAM_CLASSES, find_base_model, load_promptable
from SAMedCore.errors import BaseNotFetched
from SAMedCore.model.architectures import ARCHITECTURES
from SAMedCore.model.transformers_names import original_names
from SAMedCore.model.weights import build_pretrained, detect_architecture

TOLERANCE = 1e-5
REPOSITORY = "wanglab/medsam-vit-base"


@pytest.fixture(scope="module")
def transformers():
    return pytest.importorskip("transformers", reason="PEFT brings it today, and need not for ever")


def transformers_sam(transformers, size: int, **facts):
    """transformers' own SAM, every tensor random."""
    vision = transformers.SamVisionConfig(image_size=size, **facts)
    prompts = transformers.SamPromptEncoderConfig(image_size=size, image_embedding_size=size // 16)
    model = transformers.SamModel(transformers.SamConfig(vision_config=vision, prompt_encoder_config=prompts)).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            spread = 0.1 if "norm" in name or tensor.ndim == 1 else 0.02
            tensor += spread * torch.randn(tensor.shape, generator=generator)
    return model


@pytest.mark.parametrize("size", [256, pytest.param(1024, marks=pytest.mark.slow)])
@torch.no_grad()
def test_by_our_names_the_network_is_transformers_own(transformers, size):
    theirs = transformers_sam(transformers, size)
    state = original_names(theirs.state_dict())
    assert detect_architecture(state) == "vit_b"
    ours = build_pretrained("medsam", SAM_CLASSES, size, state, "MedSAM").eval()

    generator = torch.Generator().manual_seed(2)
    images = torch.rand(1, 3, size, size, generator=generator)
    boxes = torch.tensor([[0.1, 0.2, 0.5, 0.7], [0.3, 0.3, 0.9, 0.4]]) * size
    expected = theirs(pixel_values=images, input_boxes=boxes[None], multimask_output=False)
    logits, quality = ours.decode_prompts(ours.image_encoder(images), boxes=boxes)
    print(f"\nlargest difference of a logit {(logits - expected.pred_masks[0, :, 0]).abs().max():.2g}")
    assert logits.std() > 0.01
    assert (logits - expected.pred_masks[0, :, 0]).abs().max() <= TOLERANCE
    assert (quality - expected.iou_scores[0, :, 0]).abs().max() <= TOLERANCE


@pytest.mark.parametrize("row", ["vit_b", "vit_l", "vit_h"])
def test_every_name_of_theirs_is_one_of_ours(transformers, row):
    size = ARCHITECTURES[row].size
    facts = {"hidden_size": size.embed_dim, "num_hidden_layers": size.depth, "num_attention_heads": size.num_heads}
    vision = transformers.SamVisionConfig(
        **facts, mlp_dim=4 * size.embed_dim, global_attn_indexes=list(size.global_attn_indexes)
    )
    with torch.device("meta"):
        theirs = transformers.SamModel(transformers.SamConfig(vision_config=vision)).state_dict()
        ours = sam_model_registry[row]().state_dict()
    ours = {key: tensor for key, tensor in ours.items() if not key.startswith("pixel_")}
    assert {key: tensor.shape for key, tensor in original_names(theirs).items()} == {
        key: tensor.shape for key, tensor in ours.items()
    }
    assert original_names(ours) is ours


@pytest.fixture
def medsam_on_the_hub(transformers, hub, small_network, monkeypatch) -> str:
    """A small one under MedSAM's name on the Hub; its commit."""
    small = replace(ARCHITECTURES["medsam"], size=ONE_BLOCK.size)
    monkeypatch.setitem(ARCHITECTURES, "medsam", small)
    model = transformers_sam(transformers, 1024, num_hidden_layers=1, global_attn_indexes=[0])
    state = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    return hub.repository(REPOSITORY, {"README.md": b"# MedSAM", "model.safetensors": save(state)})


def test_the_catalogues_medsam_comes_from_the_hub_and_is_known_since(medsam_on_the_hub):
    with pytest.raises(BaseNotFetched, match='"medsam" are not here'):
        find_base_model("medsam")
    assert fetch_model("medsam").name == "model.safetensors"
    base, weights = find_base_model("medsam")
    assert (base.name, base.architecture) == (f"hf:{REPOSITORY}@{medsam_on_the_hub}", "medsam")
    assert catalogue.find_base("medsam").path == weights == find_weights(base)
    assert (catalogue.find_base("medsam").sha256, catalogue.find_base("medsam").is_publishers_own) == (base.sha256, True)
    assert find_base_model(f"hf:{REPOSITORY}")[0] == base
    card = front_matter(base)
    assert f"base_model: {REPOSITORY}" in card
    assert "license: apache-2.0" in card


def test_medsam_is_prompted_as_it_was_trained(medsam_on_the_hub):
    fetch_model("medsam")
    model = load_promptable("medsam", "cpu")
    assert (model.sam.input_size, model.preprocessing.window_hu) == (1024, (-160.0, 240.0))
    assert (model.pixel_mean, model.pixel_std, model.heeds_points) == ((0, 0, 0), (1, 1, 1), False)
