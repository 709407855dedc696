"""LiteMedSAM with LoRA written plainly, from timm's TinyViT and segment_anything's parts; nothing of SAMedCore's model.

Channels first, BatchNorm as it is, LoRA not merged: what SAMedCore's `lite` is compared with.
"""

import torch
from segment_anything.modeling import MaskDecoder, PromptEncoder, TwoWayTransformer
from segment_anything.modeling.common import LayerNorm2d
from timm.models.tiny_vit import ConvNorm, TinyVit
from torch import nn

INPUT_SIZE, TOKENS = 256, 64


class LoraOnHeadsQkv(nn.Module):
    """W x + B A x on q and v of a fused projection that keeps those of a head together.

    Args:
        lora: A and B of q, then of v.
    """

    def __init__(self, qkv, heads, lora):
        super().__init__()
        self.qkv, self.heads, self.lora = qkv, heads, nn.ParameterList(lora)

    def forward(self, x):
        a_q, b_q, a_v, b_v = self.lora
        q, k, v = self.qkv(x).unflatten(-1, (self.heads, 3, -1)).unbind(-2)
        q = q + (x @ a_q.T @ b_q.T).unflatten(-1, (self.heads, -1))
        v = v + (x @ a_v.T @ b_v.T).unflatten(-1, (self.heads, -1))
        return torch.stack([q, k, v], dim=-2).flatten(-3)


class PlainLiteEncoder(nn.Module):
    """(B, 3, 256, 256) to (B, 256, 64, 64)."""

    def __init__(self):
        super().__init__()
        sizes = {"embed_dims": (64, 128, 160, 320), "depths": (2, 2, 6, 2), "num_heads": (2, 4, 5, 10)}
        vit = TinyVit(num_classes=0, window_sizes=(7, 7, 14, 7), drop_path_rate=0.0, **sizes)
        self.patch_embed, self.stages = vit.patch_embed, vit.stages
        self.patch_embed.conv1, self.patch_embed.conv2 = ConvNorm(3, 32, 1, 1, 0), ConvNorm(32, 64, 1, 1, 0)
        self.stages[-1].downsample.conv2.conv.stride = (1, 1)
        self.neck = nn.Sequential(
            nn.Conv2d(320, 256, kernel_size=1, bias=False),
            LayerNorm2d(256),
            nn.Conv2d(256, 256, kernel_size=3, padding=1, bias=False),
            LayerNorm2d(256),
        )

    def forward(self, images):
        return self.neck(self.stages(self.patch_embed(images)))


class PlainLite(nn.Module):
    """Args: state, the tensors of SAMedCore's `lite` before LoRA; lora, for each qkv by its name A and B of q, then of v."""

    def __init__(self, state, lora):
        super().__init__()
        classes = state["mask_decoder.mask_tokens.weight"].shape[0] - 1
        self.image_encoder = PlainLiteEncoder()
        self.prompt_encoder = PromptEncoder(256, (TOKENS, TOKENS), (INPUT_SIZE, INPUT_SIZE), 16)
        transformer = TwoWayTransformer(depth=2, embedding_dim=256, num_heads=8, mlp_dim=2048)
        self.mask_decoder = MaskDecoder(transformer_dim=256, transformer=transformer, num_multimask_outputs=classes)
        self.load_state_dict(state)
        for name, tensors in lora.items():
            attention = self.get_submodule(name.removesuffix(".qkv"))
            attention.qkv = LoraOnHeadsQkv(attention.qkv, attention.num_heads, tensors)

    def forward(self, images):
        """(1, 256, 256) in [0, 1] to low_res_logits (1, classes + 1, 256, 256)."""
        image_embedding = self.image_encoder(images[:, None].expand(-1, 3, -1, -1))
        dense = self.prompt_encoder.no_mask_embed.weight.reshape(1, -1, 1, 1).expand_as(image_embedding)
        low_res_logits, _ = self.mask_decoder.predict_masks(
            image_embedding, self.prompt_encoder.get_dense_pe(), torch.empty(1, 0, 256, device=images.device), dense
        )
        return low_res_logits
