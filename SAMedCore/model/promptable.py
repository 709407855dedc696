"""A base model with its prompts, as it was published: what completing a scan starts from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from SAMedCore.checkpoint.catalogue import BASE_MODELS
from SAMedCore.checkpoint.folder import find_base_model, read_base
from SAMedCore.devices import choose_device
from SAMedCore.model.preprocessing import LITE_MEDSAM_INPUT, Preprocessing
from SAMedCore.model.sam import Sam
from SAMedCore.model.weights import build_pretrained

SAM_CLASSES = 3
"""SAM's own mask decoder has the single-mask token and three more."""

SAM_PIXEL_MEAN, SAM_PIXEL_STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
"""Of RGB images in 0..255: how SAM's own encoder was trained (segment_anything.modeling.Sam)."""


@dataclass(frozen=True, eq=False)
class Promptable:
    """A base model as it was published, prompts and all, and how it wants its slices.

    Attributes:
        sam: with SAM's own mask tokens.
        preprocessing: padded to a square, as every SAM is trained.
        pixel_mean, pixel_std: of the three channels, for slices in [0, 1].
    """

    sam: Sam
    preprocessing: Preprocessing
    pixel_mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    pixel_std: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def encode(self, images: np.ndarray) -> Tensor:
        """Images (B, H, W) as the preprocessing has them to image_embedding (B, 256, E, E) on the network's device."""
        device = self.sam.device
        resized = self.preprocessing.resize(torch.from_numpy(images).to(device))
        mean, std = (torch.tensor(three, device=device)[:, None, None] for three in (self.pixel_mean, self.pixel_std))
        with torch.no_grad():
            return self.sam.image_encoder((resized[:, None] - mean) / std)


def load_promptable(base: str | Path, device: str) -> Promptable:
    """A base model as it was published, in eval mode on the device.

    SAM's own weights want its pixel mean and standard deviation; LiteMedSAM and other files (MedSAM's) want [0, 1].

    Raises:
        InputError: the base is unknown or its weights are not here, or there is no such device.
    """
    described, weights = find_base_model(base)
    sam = build_pretrained(described.architecture, SAM_CLASSES, None, read_base(described, weights), str(base))
    sam = sam.eval().to(choose_device(device))
    if described.architecture == "lite":
        return Promptable(sam, LITE_MEDSAM_INPUT)
    preprocessing = replace(LITE_MEDSAM_INPUT, sizes=(sam.input_size,))
    if described.sha256 not in {known.sha256 for known in BASE_MODELS}:
        return Promptable(sam, preprocessing)
    mean, std = (tuple(value / 255 for value in three) for three in (SAM_PIXEL_MEAN, SAM_PIXEL_STD))
    return Promptable(sam, preprocessing, mean, std)  # type: ignore[arg-type]
