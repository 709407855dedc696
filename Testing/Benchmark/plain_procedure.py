"""The paper's test procedure (arXiv 2304.13785, section 4.1, and the published test) written plainly.

One slice at a time: HU window, scipy's splines to each input size in turn, the network with its LoRA beside the weights,
softmax and argmax of the upsampled logits, labels back by scipy's nearest neighbour. Float32 throughout.
"""

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import zoom
from torch import nn

from SAMedCore.model.preprocessing import Preprocessing

TIE = 2e-4
"""Logits of two classes so close are equal but for rounding, in float32 and in another order of summation."""


class PlainProcedure:
    """Args: network, (1, S, S) to low_res_logits (1, classes + 1, L, L); preprocessing, its numbers alone are used."""

    def __init__(self, network: nn.Module, preprocessing: Preprocessing, device: torch.device) -> None:
        self.network = network.eval().to(device)
        self.numbers = preprocessing
        self.device = device

    def segment(self, voxels: np.ndarray) -> np.ndarray:
        """Square slices (k, j, i) in HU to their classes, uint8."""
        return np.stack([self._segment(each) for each in voxels])

    @torch.no_grad()
    def logits(self, image: np.ndarray) -> torch.Tensor:
        """A slice (j, i) in HU to logits (classes + 1, S, S)."""
        low, high = self.numbers.window_hu
        image = (np.clip(image.astype(np.float32), low, high) - low) / (high - low)
        for size in self.numbers.sizes:
            if image.shape != (size, size):
                image = zoom(image, (size / image.shape[0], size / image.shape[1]), order=3)
        if self.numbers.clipped:
            image = image.clip(0, 1)
        low_res_logits = self.network(torch.from_numpy(image)[None].to(self.device))
        size = (self.numbers.input_size, self.numbers.input_size)
        return F.interpolate(low_res_logits, size, mode="bilinear", align_corners=False)[0]

    def _segment(self, image: np.ndarray) -> np.ndarray:
        classes = self.logits(image).softmax(0).argmax(0).byte().cpu().numpy()
        return self._restored(classes, image.shape)

    def differences_but_ties(self, voxels: np.ndarray, classes: np.ndarray) -> int:
        """In how many voxels other `classes` (k, j, i) are wrong, those left out where the two best logits are a tie."""
        wrong = 0
        for image, found in zip(voxels, classes, strict=True):
            best = self.logits(image).topk(2, dim=0)
            expected = self._restored(best.indices[0].byte().cpu().numpy(), image.shape)
            is_tie = self._restored((best.values[0] - best.values[1] < TIE).byte().cpu().numpy(), image.shape)
            wrong += int(((expected != found) & (is_tie == 0)).sum())
        return wrong

    @staticmethod
    def _restored(pixels: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        if pixels.shape == shape:
            return pixels
        return zoom(pixels, (shape[0] / pixels.shape[0], shape[1] / pixels.shape[1]), order=0, mode="nearest")
