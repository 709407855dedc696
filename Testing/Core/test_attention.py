"""SAM's encoder equals segment_anything's own, and TinyViT timm's: forwards, backwards, with every size of window."""

import pytest
import torch
from plain_samed import LoraOnFusedQkv, plain_encoder
from torch import nn

from SAMedCore.model.architectures import VitSize
from SAMedCore.model.fast import tiny_vit
from SAMedCore.model.fast.vit import PATCH_SIZE, VitEncoder
from SAMedCore.model.lora import LoraSettings, add_lora, merge_lora
from SAMedCore.model.sam import build_sam

SMALL = VitSize(embed_dim=32, depth=2, num_heads=2, global_attn_indexes=(1,))
"""A block with windows and a global one."""

TOKENS = [8, 14, 16, 20, 32, 64]
"""Along each side, with windows of 14: smaller than one, one, and remainders of 2, 6, 4 and 8. From 20 on the keys of global
attention are many."""


def plain_vit(tokens: int) -> nn.Module:
    """segment_anything's encoder of the size `SMALL`, every parameter random, relative positions as large as trained."""
    encoder = plain_encoder(tokens * PATCH_SIZE, SMALL.depth, SMALL.embed_dim, SMALL.num_heads, SMALL.global_attn_indexes)
    generator = torch.Generator().manual_seed(0)
    for name, parameter in encoder.named_parameters():
        scale = 0.5 if "rel_pos" in name or "bias" in name else 0.1
        parameter.data += scale * torch.randn(parameter.shape, generator=generator)
    return encoder.eval()


def images_of(tokens: int, count: int = 2) -> torch.Tensor:
    return torch.rand(count, 1, tokens * PATCH_SIZE, tokens * PATCH_SIZE, generator=torch.Generator().manual_seed(1))


@pytest.fixture(params=TOKENS)
def pair(request) -> tuple[nn.Module, VitEncoder, torch.Tensor]:
    """segment_anything's encoder, ours with its weights, and images (2, 1, S, S)."""
    plain = plain_vit(request.param)
    ours = VitEncoder(SMALL, plain.img_size, 256).eval()
    ours.load_state_dict(plain.state_dict())
    return plain, ours, images_of(request.param)


def test_the_encoder_equals_the_plain_one(pair):
    plain, ours, images = pair
    with torch.no_grad():
        expected = plain(images.expand(-1, 3, -1, -1))
        assert (ours(images) - expected).abs().max() <= 2e-5
        assert (ours(images.expand(-1, 3, -1, -1)) - expected).abs().max() <= 2e-5
    assert (ours(images) - expected).abs().max() <= 2e-5


def test_the_gradients_equal_the_plain_ones(pair):
    plain, ours, images = pair
    weights = torch.randn(2, 256, *(images.shape[-1] // PATCH_SIZE,) * 2, generator=torch.Generator().manual_seed(2))
    (plain(images.expand(-1, 3, -1, -1)) * weights).sum().backward()
    (ours(images) * weights).sum().backward()
    expected = dict(plain.named_parameters())
    for name, parameter in ours.named_parameters():
        difference = (parameter.grad - expected[name].grad).norm() / expected[name].grad.norm()
        assert difference <= 1e-4, name


def test_padding_counts(pair):
    """Without the padding's share the windows that reach beyond the image would give other results."""
    plain, ours, images = pair
    ours.blocks[0].attn.qkv.bias.data += 1
    with torch.no_grad():
        changed = ours(images)
        plain.blocks[0].attn.qkv.bias.data += 1
        assert (changed - plain(images.expand(-1, 3, -1, -1))).abs().max() <= 2e-5


@pytest.fixture
def lora_on_frozen():
    """A small SAM at 20 tokens with LoRA through PEFT, and the same in segment_anything's encoder; B is not 0."""
    plain = plain_vit(20)
    sam = build_sam("vit_b", 3, 320, seed=0)
    sam.image_encoder = VitEncoder(SMALL, 320, 256)
    sam.image_encoder.load_state_dict(plain.state_dict())
    model = add_lora(sam, LoraSettings()).eval()
    generator = torch.Generator().manual_seed(3)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            parameter.data = 0.3 * torch.randn(parameter.shape, generator=generator)
    plain.requires_grad_(False)
    for block, ours in zip(plain.blocks, model.image_encoder.blocks, strict=True):
        parts = [
            getattr(part, f"lora_{factor}").default.weight.detach().clone()
            for part in (ours.attn.qkv.q_proj, ours.attn.qkv.v_proj)
            for factor in "AB"
        ]
        block.attn.qkv = LoraOnFusedQkv(block.attn.qkv, *map(nn.Parameter, parts))
    return model, plain, images_of(20)


def test_with_lora_the_encoder_equals_the_plain_one_merged_and_unmerged(lora_on_frozen):
    model, plain, images = lora_on_frozen
    with torch.no_grad():
        expected = plain(images.expand(-1, 3, -1, -1))
        assert (model.encode(images[:, 0]) - expected).abs().max() <= 2e-5
        assert (merge_lora(model).encode(images[:, 0]) - expected).abs().max() <= 2e-5


def test_the_gradients_of_lora_equal_the_plain_ones(lora_on_frozen):
    model, plain, images = lora_on_frozen
    model.encode(images[:, 0]).square().sum().backward()
    plain(images.expand(-1, 3, -1, -1)).square().sum().backward()
    for block, ours in zip(plain.blocks, model.image_encoder.blocks, strict=True):
        projections = (ours.attn.qkv.q_proj, ours.attn.qkv.v_proj)
        found = [getattr(part, f"lora_{factor}").default.weight.grad for part in projections for factor in "AB"]
        for ours_, expected in zip(found, block.attn.qkv.parts, strict=True):
            assert (ours_ - expected.grad).norm() / expected.grad.norm() <= 1e-4


def test_what_is_frozen_gets_no_gradient(lora_on_frozen):
    model, _, images = lora_on_frozen
    model.encode(images[:, 0]).sum().backward()
    assert all("lora_" in name for name, each in model.image_encoder.named_parameters() if each.grad is not None)


def test_mixed_precision_trains_too(lora_on_frozen):
    model, plain, images = lora_on_frozen
    with torch.autocast("cpu", torch.bfloat16):
        embedding = model.encode(images[:, 0])
    embedding.float().sum().backward()
    with torch.no_grad():
        expected = plain(images.expand(-1, 3, -1, -1))
    assert torch.nn.functional.cosine_similarity(embedding.float().flatten(), expected.flatten(), 0) > 0.999
    assert model.image_encoder.blocks[0].attn.qkv.q_proj.lora_A.default.weight.grad.abs().sum() > 0


@pytest.mark.parametrize(("window", "tokens"), [(7, 7), (7, 16), (14, 16), (7, 22)])
def test_tiny_vits_attention_equals_timms(window, tokens):
    from timm.models.tiny_vit import TinyVitBlock

    timm_block = TinyVitBlock(32, 2, window).eval()
    generator = torch.Generator().manual_seed(0)
    for tensor in timm_block.state_dict().values():
        if tensor.is_floating_point():
            tensor.add_(0.3 * torch.rand(tensor.shape, generator=generator))
    block = tiny_vit.Block(32, 2, window).eval()
    block.load_state_dict(timm_block.state_dict())
    x = torch.randn(2, tokens, tokens, 32, generator=generator)
    with torch.no_grad():
        expected = timm_block(x)
        assert (block(x) - expected).abs().max() <= 1e-5 * expected.abs().max()
    assert (block(x) - expected).abs().max() <= 1e-5 * expected.abs().max()


@torch.no_grad()
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("rows", [16, 64, 80, 200])
def test_strips_of_rows_give_what_the_whole_image_gives(stride, rows):
    torch.manual_seed(0)
    layers = tiny_vit.Downsample(4, 8, stride)
    x = torch.randn(2, rows, 20, 4)
    whole, strips = layers(x), tiny_vit.in_strips(layers, x, stride)
    assert strips.shape == whole.shape
    assert (strips - whole).abs().max() <= 1e-6
