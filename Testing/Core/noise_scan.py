"""A noise CT in every orientation, and a small seeded network on which all of its classes occur."""

import itertools

import numpy as np
import torch

from SAMedCore.checkpoint.folder import Base, CheckpointInfo
from SAMedCore.image.labels import LabelTable
from SAMedCore.image.volume import Volume
from SAMedCore.model.preprocessing import Preprocessing
from SAMedCore.model.sam import build_sam
from SAMedCore.segment import Segmenter

CLASSES = 3


def noisy_segmenter() -> Segmenter:
    """A small seeded vit at 64 pixels whose classes all occur."""
    sam = build_sam("vit_b", CLASSES, input_size=64, seed=0)
    sam.image_encoder.blocks = sam.image_encoder.blocks[:1]
    generator = torch.Generator().manual_seed(0)
    for parameter in sam.mask_decoder.mask_tokens.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
    info = CheckpointInfo(Base("seeded", "vit_b", ""), LabelTable.generic([1, 2, 4]), Preprocessing(sizes=(48, 64)))
    return Segmenter(sam, info, device="cpu")


def noise_ct() -> Volume:
    """A noise CT, anisotropic and oblique."""
    voxels = np.random.default_rng(0).normal(50, 150, (4, 20, 24)).astype(np.float32)
    turn = np.radians(10)
    direction = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = direction @ np.diag([0.8, 0.9, 3.0]), (-100, 20, 7)
    return Volume(voxels, matrix)


def stored_as(volume: Volume, axes: tuple[int, ...], flips: tuple[bool, ...]) -> Volume:
    """The same scan with its array axes permuted and flipped."""
    voxels, matrix = volume.voxels, volume.ijk_to_lps.copy()
    for axis, flip in enumerate(flips):
        if flip:
            voxels, column = np.flip(voxels, axis), 2 - axis
            matrix[:, 3] += matrix[:, column] * (voxels.shape[axis] - 1)
            matrix[:, column] *= -1
    columns = [2 - axis for axis in axes][::-1]
    return Volume(np.ascontiguousarray(voxels.transpose(axes)), matrix[:, [*columns, 3]])


ORDERS = list(itertools.product(itertools.permutations(range(3)), itertools.product((False, True), repeat=3)))
