"""From the CT in memory to the label map in memory, beside the paper's procedure written plainly."""

import networks
import numpy as np
import pytest
import torch
from operations import gflop
from settings import CLASSES, ON_GPU, SLICES

from SAMedCore.model.preprocessing import Preprocessing
from SAMedCore.model.sam import build_sam
from SAMedCore.segment import BATCH_ON_GPU

ENCODED = BATCH_ON_GPU if ON_GPU else 1


def dice(a: np.ndarray, b: np.ndarray) -> float:
    """Mean over the classes that occur in one of the two."""
    classes = set(np.unique(a)) | set(np.unique(b))
    return float(np.mean([2 * ((a == each) & (b == each)).sum() / ((a == each).sum() + (b == each).sum()) for each in classes]))


def test_segment(measure, pair, make_ct):
    ct = make_ct(SLICES)
    found, expected = pair.fast.segment(ct).voxels, pair.plain.segment(ct.voxels)
    assert len(np.unique(expected)) > 2
    assert ON_GPU or pair.plain.differences_but_ties(ct.voxels, found) == 0
    facts = {"slices": SLICES, "dice_of_plain": dice(found, expected), "gflop": SLICES * forward_gflop(pair.fast)}
    measure(lambda: pair.fast.segment(ct), lambda: pair.plain.segment(ct.voxels), **facts)


def test_encode(measure, pair, inference):
    sam, dtype = pair.fast.sam, pair.fast.dtype
    images = torch.rand(ENCODED, sam.input_size, sam.input_size, device=sam.device)

    def encode():
        with torch.autocast(sam.device.type, dtype, enabled=dtype != torch.float32):
            sam.encode(images)

    measure(encode, batch=ENCODED, gflop=gflop(encode))


@pytest.mark.skipif(not ON_GPU, reason="takes an hour without a GPU")
def test_segment_vit_h(measure, make_ct):
    ct = make_ct(SLICES)
    segmenter = networks.segmenter(build_sam("vit_h", CLASSES, seed=1), "vit_h", Preprocessing())
    measure(lambda: segmenter.segment(ct), slices=SLICES, gflop=SLICES * forward_gflop(segmenter))


@torch.inference_mode()
def forward_gflop(segmenter) -> float:
    """Of the whole network for one slice."""
    images = torch.rand(1, segmenter.sam.input_size, segmenter.sam.input_size, device=segmenter.device)
    return gflop(lambda: segmenter.sam(images))
