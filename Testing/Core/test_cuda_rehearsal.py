"""The rehearsal on a GPU finds what it is there to find."""

import copy

import numpy as np
import pytest
import torch
from cuda_backward import backward
from cuda_networks import annotated_scan, checkpoint_info, dtypes_seen, unset_sam
from cuda_rehearsal import NEEDS_CUDA_BUILD, Event

from SAMedCore.model.lora import LoraSettings, add_lora
from SAMedCore.model.sam import build_sam
from SAMedCore.segment import Segmenter

pytestmark = NEEDS_CUDA_BUILD


@pytest.fixture
def segmenter(gpu) -> Segmenter:
    return Segmenter(unset_sam("vit_b"), checkpoint_info("vit_b"), "cuda", "bf16")


def test_a_tensor_left_on_the_cpu_is_refused(segmenter):
    left = segmenter.sam.prompt_encoder.no_mask_embed
    left.weight = torch.nn.Parameter(torch.zeros(1, 256))
    with pytest.raises(RuntimeError, match="at least two devices, cuda:0 and cpu"):
        segmenter.segment(annotated_scan(1)[0])


def test_a_product_of_two_dtypes_is_refused(segmenter):
    narrow = segmenter.sam.image_encoder.blocks[0].mlp.lin1
    narrow.weight = torch.nn.Parameter(narrow.weight.bfloat16())
    segmenter.dtype = torch.float32
    with pytest.raises(RuntimeError, match=r"one dtype .* \['torch.bfloat16', 'torch.float32'\]"):
        segmenter.segment(annotated_scan(1)[0])


def test_a_forgotten_autocast_shows_in_the_dtypes(segmenter):
    segmenter.dtype = torch.float32
    with dtypes_seen(segmenter.sam, "mlp.lin1") as seen:
        segmenter.segment(annotated_scan(1)[0])
    assert seen == {"mlp.lin1": {torch.float32}}


def test_who_reads_before_the_copy_has_arrived_finds_garbage(segmenter, monkeypatch):
    monkeypatch.setattr(Event, "synchronize", lambda event: None)
    with pytest.raises(IndexError, match="255"):
        segmenter.segment(annotated_scan(1)[0])


def test_a_gradient_on_another_device_is_refused(gpu):
    class Astray(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, grad):
            return torch.zeros(grad.shape)

    x = torch.ones(3, device="cuda", requires_grad=True)
    with pytest.raises(AssertionError, match="a gradient on cpu of a tensor on cuda"):
        Astray.apply(x).sum().backward()


def test_what_comes_back_to_the_host_is_one_number_in_the_right_dtype(gpu):
    there = torch.zeros(2, 3, dtype=torch.float16, device="cuda")
    gpu.brings = 0.5
    back = there.cpu()
    assert (back.dtype, back.shape, back.device.type) == (torch.float16, (2, 3), "cpu")
    assert (back.numpy() == np.float16(0.5)).all()
    assert there.sum().item() == 0.5
    assert there[0].tolist() == [0.5, 0.5, 0.5]


def test_more_than_its_memory_holds_is_refused(gpu):
    gpu.largest_tensor = 1000
    torch.empty(1000, dtype=torch.uint8, device="cuda")
    with pytest.raises(torch.cuda.OutOfMemoryError):
        torch.empty(1001, dtype=torch.uint8, device="cuda")


def test_what_is_let_go_of_is_free_again(gpu):
    kept = torch.empty(1000, dtype=torch.uint8, device="cuda")
    half = kept[500:]
    torch.empty(5000, dtype=torch.uint8, device="cuda")
    assert gpu.bytes_in_use() == 1000
    del kept
    assert gpu.bytes_in_use() == 1000
    del half
    assert gpu.bytes_in_use() == 0


def test_its_backward_passes_are_torchs_own(monkeypatch):
    sam = build_sam("vit_b", 3, input_size=64, seed=0)
    positions = sam.prompt_encoder.get_dense_pe().double()
    monkeypatch.setattr(type(sam.prompt_encoder), "get_dense_pe", lambda encoder: positions)
    sam.image_encoder.blocks = sam.image_encoder.blocks[:1]
    torch.manual_seed(0)
    ours = add_lora(sam, LoraSettings(in_decoder=True)).double()
    torchs = copy.deepcopy(ours)
    images, weights = torch.rand(2, 64, 64).double(), torch.randn(2, 4, 16, 16).double()
    backward((ours(images) * weights).sum())
    (torchs(images) * weights).sum().backward()
    found = {name: parameter.grad for name, parameter in ours.named_parameters() if parameter.grad is not None}
    wanted = {name: parameter.grad for name, parameter in torchs.named_parameters() if parameter.grad is not None}
    assert found.keys() == wanted.keys()
    assert len(wanted) > 50
    for name, gradient in wanted.items():
        assert (found[name] - gradient).norm() <= 1e-9 * gradient.norm(), name
