"""How unsure the network is: of each voxel, of each slice, and of each structure.

All three are made of one number, the entropy of a pixel's softmax `p` over the C + 1 classes as a part of the most that it
can be: `H = -sum(p log p) / log(C + 1)`, 0 where one class has it all and 1 where all are as likely.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from SAMedCore.image.orientation import turned_view
from SAMedCore.image.slices import from_the_feet
from SAMedCore.image.volume import Image, Volume
from SAMedCore.model.answers import class_by_class
from SAMedCore.model.preprocessing import Preprocessing

SMALL = 6e-4
"""Part of a slice. A structure of this size counts half as much as a large one; smaller ones soon count for nothing."""

CERTAIN_BACKGROUND = 0.1
"""Weight of a structure without any doubt, so that a slice with next to nothing on it is not a doubtful one."""


class Uncertainty:
    """Of the voxels, slices and structures of one volume, batch by batch.

    Args:
        code: of the network's orientation.
        preprocessing: the network's.
        out: zeros of the volume's shape, float16, to become `voxels`.

    Attributes:
        voxels: (k, j, i) float16 on the volume's own grid, `pixel_doubt`; 0 on slices that were not added.
    """

    def __init__(self, volume: Volume, code: str, preprocessing: Preprocessing, out: np.ndarray | None = None) -> None:
        self.voxels = np.zeros(volume.voxels.shape, np.float16) if out is None else out
        self._code, self._preprocessing = code, preprocessing
        self._turned = turned_view(Image(self.voxels, volume.ijk_to_lps), code).voxels
        self._slices = np.full(len(self._turned), np.nan)
        self._mass, self._unsure = np.zeros(1), np.zeros(1)

    def add(self, indices: Sequence[int], low_res_logits: torch.Tensor) -> None:
        """The network's answer (B, C + 1, L, L) to these slices along k."""
        pixels = pixel_doubt(low_res_logits, self._preprocessing.input_size).cpu().numpy()
        self._turned[indices] = self._preprocessing.restore_labels(pixels, self._turned.shape[1:])
        mass, mean_entropy = (each.cpu() for each in _structures(low_res_logits))
        self._slices[indices] = _of_slices(mass, mean_entropy).numpy()
        self._mass = self._mass + mass.double().sum(0).numpy()
        self._unsure = self._unsure + (mass * mean_entropy).double().sum(0).numpy()

    def axial_slices(self) -> tuple[float, ...] | None:
        """`slice_doubt` of each axial slice from the feet, NaN for those not added; None where the network's are not axial."""
        if self._code[2] not in "SI":
            return None
        count = len(self._slices)
        return tuple(self._slices[from_the_feet(range(count), count, self._code)].tolist())

    def structures(self) -> list[float]:
        """For each of the C structures the mean entropy over all slices added, weighted by its probability, 0..1.

        `sum(p_c H) / sum(p_c)`: how unsure the network is where structure c may be. One that is nowhere likely has a value too,
        that of the places where it is least unlikely.
        """
        return (self._unsure / np.maximum(self._mass, 1e-12)).tolist()


@torch.inference_mode()
def pixel_doubt(low_res_logits: torch.Tensor, size: int) -> torch.Tensor:
    """`H` of the input pixels, (B, size, size) float16, from low_res_logits; one class at a time, so that many take no more."""
    best = torch.full((), -torch.inf, device=low_res_logits.device)
    for logit in class_by_class(low_res_logits, size):
        best = torch.maximum(best, logit)
    total, weighted = torch.zeros_like(best), torch.zeros_like(best)
    for logit in class_by_class(low_res_logits, size):
        below = logit - best
        share = below.exp()
        total += share
        weighted += share * below
    return ((total.log() - weighted / total) / np.log(low_res_logits.shape[1])).clamp(0, 1)[:, 0].half()


@torch.inference_mode()
def slice_doubt(low_res_logits: torch.Tensor) -> torch.Tensor:
    """How unsure the network is of each slice, 0..1.

    Entropy sampling (Settles, "Active Learning Literature Survey", 2009, section 3.1) structure by structure:

        E_c = sum(p_c H) / sum(p_c)         the mean entropy where structure c may be
        w_c = m_c / (m_c + SMALL)           with m_c = mean(p_c), the part of the slice that c fills
        u   = sum(w_c E_c) / (sum(w_c) + CERTAIN_BACKGROUND)

    Every structure counts alike, large or small, and the background not at all: the plain mean of `H` over a slice says
    little more than how many outlines it holds. On slices 52 to 111 of the sample CT and the checkpoint
    that was shipped at first the rank correlation of `u` with the wrong part of each slice's structures is 0.81, with 1 -
    mean Dice 0.70; of the plain mean of `H` 0.09 and 0.33. With later ones it is lower: Docs/uncertainty.md.

    Args:
        low_res_logits: (B, C + 1, L, L), background first.

    Returns:
        (B,) float32.
    """
    return _of_slices(*_structures(low_res_logits))


def _of_slices(mass: torch.Tensor, mean_entropy: torch.Tensor) -> torch.Tensor:
    weight = mass / (mass + SMALL)
    return (weight * mean_entropy).sum(1) / (weight.sum(1) + CERTAIN_BACKGROUND)


@torch.inference_mode()
def _structures(low_res_logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """`m_c` and `E_c` of each slice's structures, (B, C) each."""
    log_probabilities = low_res_logits.float().log_softmax(1)
    probabilities = log_probabilities.exp()
    entropy = -(probabilities * log_probabilities).sum(1, keepdim=True) / np.log(low_res_logits.shape[1])
    structures = probabilities[:, 1:]
    mass = structures.mean((2, 3))
    return mass, (structures * entropy).mean((2, 3)) / mass.clamp(min=1e-12)
