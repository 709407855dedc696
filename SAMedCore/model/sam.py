"""Segment Anything without prompts: one mask per class from an image alone.

SAMed (arXiv 2304.13785, section 3) keeps SAM's parts and drops the prompts: the default ("no prompt") embeddings are always
used, and the mask decoder has one mask token per class, background included.
"""

from __future__ import annotations

import torch
from segment_anything.modeling import MaskDecoder, PromptEncoder
from segment_anything.modeling.transformer import Attention
from torch import nn

from SAMedCore.model.architectures import Architecture, architecture_of
from SAMedCore.model.fast.layers import EMBEDDING_CHANNELS, DecoderAttention, DecoderTransformer, Upscaling

Region = tuple[slice, slice]
"""Rows and columns of image tokens."""

WHOLE: Region = (slice(None), slice(None))


class Sam(nn.Module):
    """Image encoder, prompt encoder and mask decoder of SAM, composed as SAMed composes them.

    Args:
        architecture: the kind of base model that it is.
        image_encoder: (B, 3, S, S) float to image_embedding (B, 256, E, E).
        prompt_encoder: SAM's; only its "no prompt" embeddings are used by `decode`.
        mask_decoder: SAM's, with `num_multimask_outputs` = number of classes without the background.
        input_size: S, pixels.
    """

    def __init__(
        self,
        architecture: Architecture,
        image_encoder: nn.Module,
        prompt_encoder: PromptEncoder,
        mask_decoder: MaskDecoder,
        input_size: int,
    ) -> None:
        super().__init__()
        self.architecture = architecture
        self.image_encoder = image_encoder
        self.prompt_encoder = prompt_encoder
        self.mask_decoder = mask_decoder
        self.input_size = input_size
        self.embedding_size: int = prompt_encoder.image_embedding_size[0]
        self.low_res_size = 4 * self.embedding_size

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Slices (B, S, S), float in [0, 1], to low_res_logits (B, classes + 1, L, L) with L = 4 E."""
        return self.decode(self.encode(images))

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Slices (B, S, S), float in [0, 1], to image_embedding (B, 256, E, E).

        SAMed's pixel mean is 0 and its std 1, so that one channel stands for all three.
        """
        return self.image_encoder(images.unsqueeze(1))

    def encode_before_last(self, images: torch.Tensor) -> torch.Tensor:
        """As `encode`, but without the architecture's `last_stage`: (B, ...) for `decode_from_last`."""
        if not self.architecture.last_stage:
            return self.encode(images)
        return self.image_encoder.before_last(images.unsqueeze(1))  # type: ignore[operator]

    def decode_from_last(self, features: torch.Tensor) -> torch.Tensor:
        """What `encode_before_last` gives, to low_res_logits (B, classes + 1, L, L)."""
        return self.decode(self.image_encoder.last(features) if self.architecture.last_stage else features)  # type: ignore[operator]

    def decode(self, image_embedding: torch.Tensor) -> torch.Tensor:
        """image_embedding (B, 256, E, E) to low_res_logits (B, classes + 1, L, L); class 0 is the background."""
        # one prompt for all images: the decoder's attention broadcasts it over the batch, as in the published code
        return self._masks(image_embedding, None, None)[0]

    def decode_prompts(
        self,
        image_embedding: torch.Tensor,
        boxes: torch.Tensor | None = None,
        masks: torch.Tensor | None = None,
        region: Region = WHOLE,
        points: tuple[torch.Tensor, torch.Tensor] | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Masks of N prompts on one image, by SAM's single-mask token.

        Args:
            image_embedding: (1, 256, E, E).
            boxes: (N, 4) x0, y0, x1, y1 in input pixels, or None.
            masks: (N, 1, 4 h, 4 w) mask logits of the region, or None.
            region: h rows and w columns of image tokens, of E each, that are looked at.
            points: (N, P, 2) x, y in input pixels, and (N, P) labels: 1 belongs, 0 does not; or None.

        Returns:
            low_res_logits (N, 4 h, 4 w) of the region, and the quality (N,) that SAM predicts of them: the overlap
            (intersection over union) with the true mask.
        """
        logits, quality = self._masks(image_embedding, boxes, masks, region, points)
        return logits[:, 0], quality[:, 0]

    def _masks(
        self,
        image_embedding: torch.Tensor,
        boxes: torch.Tensor | None,
        masks: torch.Tensor | None,
        region: Region = WHOLE,
        points: tuple[torch.Tensor, torch.Tensor] | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        sparse, dense = self.prompt_encoder(points=points, boxes=boxes, masks=masks)
        if masks is None:
            dense = dense[(..., *region)]
        return self.mask_decoder.predict_masks(
            image_embeddings=image_embedding[(..., *region)],
            image_pe=self.prompt_encoder.get_dense_pe()[(..., *region)],
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
        )


def build_sam(architecture: str, classes: int, input_size: int | None = None, seed: int | None = None) -> Sam:
    """SAM with freshly initialised weights; `SAMedCore.model.weights.build_pretrained` with a base model's.

    Args:
        architecture: name of a row of `architectures`.
        classes: number of classes without the background; SAM's own four mask tokens are `classes=3`.
        input_size: S in pixels; None for the architecture's default.
        seed: for repeatable initial weights; the global generator is left as it was.

    Raises:
        InputError: the architecture is unknown or the size does not suit it.
    """
    row = architecture_of(architecture)
    input_size = input_size or row.tuning.input_size
    row.check_input_size(input_size)
    with torch.random.fork_rng(enabled=seed is not None, devices=[]):
        if seed is not None:
            torch.manual_seed(seed)
        image_encoder = row.encoder_module.build_encoder(row, input_size)
        prompt_encoder = _prompt_encoder(input_size // row.stride, input_size)
        return Sam(row, image_encoder, prompt_encoder, _mask_decoder(classes), input_size)


def _prompt_encoder(embedding_size: int, input_size: int) -> PromptEncoder:
    return PromptEncoder(
        embed_dim=EMBEDDING_CHANNELS,
        image_embedding_size=(embedding_size, embedding_size),
        input_image_size=(input_size, input_size),
        mask_in_chans=16,
    )


def _mask_decoder(classes: int) -> MaskDecoder:
    decoder = MaskDecoder(
        num_multimask_outputs=classes,
        transformer=DecoderTransformer(depth=2, embedding_dim=EMBEDDING_CHANNELS, mlp_dim=2048, num_heads=8),
        transformer_dim=EMBEDDING_CHANNELS,
        iou_head_depth=3,
        iou_head_hidden_dim=256,
    )
    decoder.output_upscaling = Upscaling(EMBEDDING_CHANNELS)
    attentions = [(name, module) for name, module in decoder.named_modules() if isinstance(module, Attention)]
    for name, attention in attentions:
        parent, _, child = name.rpartition(".")
        setattr(decoder.get_submodule(parent), child, DecoderAttention(attention))
    return decoder
