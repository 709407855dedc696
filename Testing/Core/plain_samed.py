"""SAMed written plainly, as the paper describes it, from segment_anything's parts: no PEFT, nothing of SAMedCore's model.

It reads the authors' own file format, and is what SAMedCore's network is compared with.
"""

from functools import partial

import torch
import torch.nn.functional as F
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, TwoWayTransformer
from torch import nn


class LoraOnFusedQkv(nn.Module):
    def __init__(self, qkv, a_q, b_q, a_v, b_v):
        super().__init__()
        self.qkv, self.parts = qkv, nn.ParameterList([a_q, b_q, a_v, b_v])

    def forward(self, x):
        a_q, b_q, a_v, b_v = self.parts
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        return torch.cat([q + x @ a_q.T @ b_q.T, k, v + x @ a_v.T @ b_v.T], dim=-1)


class LoraOnLinear(nn.Module):
    def __init__(self, linear, a, b):
        super().__init__()
        self.linear, self.a, self.b = linear, nn.Parameter(a), nn.Parameter(b)

    def forward(self, x):
        return self.linear(x) + x @ self.a.T @ self.b.T


def plain_encoder(input_size, depth=12, dim=768, heads=12, global_blocks=(2, 5, 8, 11)):
    """segment_anything's own image encoder with freshly initialised weights; vit_b by default."""
    return ImageEncoderViT(
        img_size=input_size, patch_size=16, embed_dim=dim, depth=depth, num_heads=heads, mlp_ratio=4, out_chans=256,
        qkv_bias=True, norm_layer=partial(nn.LayerNorm, eps=1e-6), use_rel_pos=True, window_size=14,
        global_attn_indexes=global_blocks,
    )  # fmt: skip


class PlainSamed(nn.Module):
    """Args: base, a SAM state dict trained at 1024; file, the authors' tensors; input_size, pixels."""

    def __init__(self, base, file, input_size=512, depth=12, dim=768, heads=12, global_blocks=(2, 5, 8, 11)):
        super().__init__()
        tokens, self.input_size = input_size // 16, input_size
        classes = file["mask_decoder.mask_tokens.weight"].shape[0] - 1
        self.image_encoder = plain_encoder(input_size, depth, dim, heads, global_blocks)
        self.prompt_encoder = PromptEncoder(256, (tokens, tokens), (input_size, input_size), 16)
        transformer = TwoWayTransformer(depth=2, embedding_dim=256, num_heads=8, mlp_dim=2048)
        self.mask_decoder = MaskDecoder(transformer_dim=256, transformer=transformer, num_multimask_outputs=classes)
        self.load_state_dict(self._resized(base, tokens, global_blocks), strict=False)
        own = {key: value for key, value in file.items() if key.startswith(("prompt_encoder", "mask_decoder"))}
        self.load_state_dict(own, strict=False)
        self._lora_in_encoder(file)
        if "sa_a_000" in file:
            self._lora_in_decoder(file)

    def _resized(self, base, tokens, global_blocks):
        skipped = ("mask_tokens", "output_hypernetworks_mlps", "iou_prediction_head")
        state = {key: value.clone() for key, value in base.items() if not any(part in key for part in skipped)}
        absolute = state["image_encoder.pos_embed"].permute(0, 3, 1, 2)
        absolute = F.interpolate(absolute, (tokens, tokens), mode="bilinear", align_corners=False)
        state["image_encoder.pos_embed"] = absolute.permute(0, 2, 3, 1)
        for block in global_blocks:
            for axis in "hw":
                key = f"image_encoder.blocks.{block}.attn.rel_pos_{axis}"
                size = (2 * tokens - 1, state[key].shape[1])
                state[key] = F.interpolate(state[key][None, None], size, mode="bilinear", align_corners=False)[0, 0]
        return state

    def _lora_in_encoder(self, file):
        for index, block in enumerate(self.image_encoder.blocks):
            names = [f"w_a_{2 * index:03d}", f"w_b_{2 * index:03d}", f"w_a_{2 * index + 1:03d}", f"w_b_{2 * index + 1:03d}"]
            block.attn.qkv = LoraOnFusedQkv(block.attn.qkv, *(nn.Parameter(file[name].clone()) for name in names))

    def _lora_in_decoder(self, file):
        transformer = self.mask_decoder.transformer
        for index, layer in enumerate(transformer.layers):
            for short, name in (
                ("sa", "self_attn"),
                ("cti", "cross_attn_token_to_image"),
                ("cit", "cross_attn_image_to_token"),
            ):
                attention = getattr(layer, name)
                q, v = f"{2 * index:03d}", f"{2 * index + 1:03d}"
                attention.q_proj = LoraOnLinear(attention.q_proj, file[f"{short}_a_{q}"], file[f"{short}_b_{q}"])
                attention.v_proj = LoraOnLinear(attention.v_proj, file[f"{short}_a_{v}"], file[f"{short}_b_{v}"])
        final = transformer.final_attn_token_to_image
        final.q_proj = LoraOnLinear(final.q_proj, file["fati_qa"], file["fati_qb"])
        final.v_proj = LoraOnLinear(final.v_proj, file["fati_va"], file["fati_vb"])

    def forward(self, images):
        """(B, S, S) in [0, 1] to low_res_logits (B, classes + 1, S / 4, S / 4), one image at a time."""
        return torch.cat([self.at_once(image[None]) for image in images])

    def at_once(self, images):
        """The same for all images at once, as in training."""
        image_embedding = self.image_encoder(images[:, None].expand(-1, 3, -1, -1))
        dense = self.prompt_encoder.no_mask_embed.weight.reshape(1, -1, 1, 1).expand(1, -1, *image_embedding.shape[2:])
        low_res_logits, _ = self.mask_decoder.predict_masks(
            image_embedding, self.prompt_encoder.get_dense_pe(), torch.empty(1, 0, 256, device=images.device), dense
        )
        return low_res_logits


def random_base(depth=12, dim=768, heads=12, global_blocks=(2, 5, 8, 11), seed=1):
    """A SAM state dict as its publisher would serve it (1024 pixels, 3 masks), every tensor random; norms near 1."""
    generator = torch.Generator().manual_seed(seed)
    encoder = plain_encoder(1024, depth, dim, heads, global_blocks)
    prompt_encoder = PromptEncoder(256, (64, 64), (1024, 1024), 16)
    transformer = TwoWayTransformer(depth=2, embedding_dim=256, num_heads=8, mlp_dim=2048)
    decoder = MaskDecoder(transformer_dim=256, transformer=transformer, num_multimask_outputs=3)
    parts = {"image_encoder": encoder, "prompt_encoder": prompt_encoder, "mask_decoder": decoder}
    state = {f"{name}.{key}": value for name, part in parts.items() for key, value in part.state_dict().items()}
    return {key: _randomised(key, value, generator) for key, value in state.items()}


def random_original(base, classes=8, rank=4, depth=12, dim=768, in_decoder=False, seed=2):
    """A file as the authors publish it, every tensor random, LoRA's B too."""
    generator = torch.Generator().manual_seed(seed)
    file = {}

    def lora(a, b, size_in, size_out):
        file[a] = torch.randn(rank, size_in, generator=generator) * size_in**-0.5
        file[b] = torch.randn(size_out, rank, generator=generator) * 0.3

    for index in range(2 * depth):
        lora(f"w_a_{index:03d}", f"w_b_{index:03d}", dim, dim)
    for index in range(4 if in_decoder else 0):
        for short, size_out in (("sa", 256), ("cti", 128), ("cit", 128)):
            lora(f"{short}_a_{index:03d}", f"{short}_b_{index:03d}", 256, size_out)
    for part in "qv" if in_decoder else "":
        lora(f"fati_{part}a", f"fati_{part}b", 256, 128)
    decoder = MaskDecoder(
        transformer_dim=256,
        transformer=TwoWayTransformer(depth=2, embedding_dim=256, num_heads=8, mlp_dim=2048),
        num_multimask_outputs=classes,
    )
    for key, value in decoder.state_dict().items():
        if not (in_decoder and key.startswith("transformer.")):
            file[f"mask_decoder.{key}"] = _randomised(key, value, generator)
    for key, value in base.items():
        if key.startswith("prompt_encoder."):
            file[key] = _randomised(key, value, generator)
    return file


def _randomised(key, value, generator):
    noise = torch.randn(value.shape, generator=generator)
    if "norm" in key or value.ndim == 1:
        return value + 0.1 * noise
    return value + noise * (0.02 if value.ndim < 4 or "pos" in key else 0.005)
