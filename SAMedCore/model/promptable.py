"""A base model with its prompts, as it was published: what prompting and completing a scan start from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from SAMedCore.model.architectures import RGB
from SAMedCore.model.preprocessing import Preprocessing
from SAMedCore.model.resizing import resize
from SAMedCore.model.sam import Sam


@dataclass(frozen=True, eq=False)
class Promptable:
    """A base model as it was published, prompts and all, and how it wants its slices.

    Attributes:
        sam: with SAM's own mask tokens.
        preprocessing: its architecture's for prompts.
        pixel_mean, pixel_std: of the three channels, for slices in [0, 1].
        heeds_points: whether it was trained on points too, not on boxes alone.
    """

    sam: Sam
    preprocessing: Preprocessing
    pixel_mean: RGB = (0.0, 0.0, 0.0)
    pixel_std: RGB = (1.0, 1.0, 1.0)
    heeds_points: bool = False

    def encode(self, images: np.ndarray) -> Tensor:
        """Images (B, H, W) as the preprocessing has them to image_embedding (B, 256, E, E) on the network's device."""
        device = self.sam.device
        resized = resize(torch.from_numpy(images).to(device), self.preprocessing)
        mean, std = (torch.tensor(three, device=device)[:, None, None] for three in (self.pixel_mean, self.pixel_std))
        with torch.no_grad():
            return self.sam.image_encoder((resized[:, None] - mean) / std)
