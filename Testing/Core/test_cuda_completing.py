"""Completing a scan on a GPU, rehearsed."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from cuda_networks import annotated_scan, dtypes_seen, unset_sam
from cuda_rehearsal import NEEDS_CUDA_BUILD

from SAMedCore.complete.scan import complete
from SAMedCore.complete.together import Together
from SAMedCore.model.architectures import LITE_MEDSAM_INPUT
from SAMedCore.model.preprocessing import Preprocessing
from SAMedCore.model.promptable import Promptable
from SAMedCore.options import CompleteOptions

pytestmark = NEEDS_CUDA_BUILD

ANNOTATED = (0, 2, 4)


@pytest.mark.parametrize(
    ("architecture", "preprocessing"), [("lite", LITE_MEDSAM_INPUT), ("vit_b", Preprocessing(sizes=(512,), padded=True))]
)
def test_the_network_is_tuned_and_fills_in_on_the_gpu_in_float32(gpu, monkeypatch, architecture, preprocessing):
    monkeypatch.setattr(Together, "worth_it_by", -np.inf)
    monkeypatch.setattr("SAMedCore.complete.network.VERSIONS", 2)
    volume, labelmap = annotated_scan(5)
    drawn = np.zeros_like(labelmap.voxels)
    drawn[list(ANNOTATED)] = labelmap.voxels[list(ANNOTATED)]
    model = Promptable(unset_sam(architecture).to("cuda"), preprocessing)
    tf32: set[bool] = set()
    model.sam.image_encoder.register_forward_pre_hook(lambda *_: tf32.add(torch.backends.cudnn.allow_tf32))
    with dtypes_seen(model.sam, "neck", "attn.qkv", "output_upscaling", "mask_downscaling") as seen:
        completion = complete(volume, replace(labelmap, voxels=drawn), CompleteOptions(ANNOTATED, steps=1), model=model)
    assert set(seen) == {name for name, dtypes in seen.items() if dtypes == {torch.float32}}
    assert tf32 == {False}
    assert completion.method == "together"
    assert completion.completed == (1, 3)
    assert (completion.labelmap.voxels[list(ANNOTATED)] == drawn[list(ANNOTATED)]).all()
    assert completion.labelmap.voxels[[1, 3]].any(axis=(1, 2)).all()
    assert {parameter.device.type for parameter in model.sam.parameters()} == {"cuda"}
    assert "aten::_scaled_dot_product_efficient_attention_backward" in gpu.kernels
