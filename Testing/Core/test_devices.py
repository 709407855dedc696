"""What torch finds here is named, and what it does not find is refused."""

import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from cuda_rehearsal import NEEDS_CUDA_BUILD, rehearsal

from SAMedCore.devices import choose_device, choose_dtype, exact_products, found_devices
from SAMedCore.errors import InputError
from SAMedCore.train.optimization import precision_on
from SAMedCore.train.recipe import PRESETS


def test_the_cpu_is_always_there_and_comes_last():
    threads = torch.get_num_threads()
    assert found_devices()[-1] == ("cpu", f"CPU, {threads} threads" if threads > 1 else "CPU, 1 thread")


def test_gpus_come_first_with_their_memory(monkeypatch):
    gpus = [SimpleNamespace(name="NVIDIA H100", total_memory=80 * 2**30), SimpleNamespace(name="old", total_memory=4 * 2**30)]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(gpus))
    monkeypatch.setattr(torch.cuda, "get_device_properties", gpus.__getitem__)
    assert found_devices()[:2] == [("cuda:0", "CUDA: NVIDIA H100, 80 GB"), ("cuda:1", "CUDA: old, 4 GB")]


def test_every_device_that_is_found_can_be_chosen():
    for name, _ in found_devices():
        assert choose_device(name) == torch.device(name)


def test_a_device_that_is_not_here_is_refused():
    with pytest.raises(InputError, match='device "cuda:99" is not usable'):
        choose_device("cuda:99")


def test_precisions_go_by_name():
    assert choose_dtype("bf16", torch.device("cpu")) == torch.bfloat16
    assert choose_dtype("auto", torch.device("cpu")) == torch.float32
    with pytest.raises(InputError, match="fp32, bf16, fp16"):
        choose_dtype("fp8", torch.device("cpu"))


def test_tf32_is_off_inside_and_as_before_afterwards(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    torch.set_float32_matmul_precision("high")
    try:
        with exact_products():
            inside = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
        assert inside == ("highest", False)
        assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32) == ("high", True)
    finally:
        torch.set_float32_matmul_precision("highest")


SET_BY_NEWER_NAMES = """
import torch
from SAMedCore.devices import exact_products
backends = torch.backends
settings = backends.cuda.matmul, backends.cudnn.conv
for each in (backends.cuda.matmul, backends.cudnn.conv, backends.cudnn, backends):
    for precision in ("tf32", "ieee", "tf32"):
        each.fp32_precision = precision
        before = [setting.fp32_precision == "tf32" for setting in settings]
        with exact_products():
            assert "tf32" not in [setting.fp32_precision for setting in settings], (each, precision)
            assert torch.get_float32_matmul_precision() == "highest", (each, precision)
        assert [setting.fp32_precision == "tf32" for setting in settings] == before, (each, precision)
"""


@pytest.mark.skipif(not hasattr(torch.backends, "fp32_precision"), reason="this torch has the older names alone")
def test_tf32_is_off_inside_for_those_too_who_set_it_by_torchs_newer_names():
    """In a process of its own: torch refuses to put back what was set by both."""
    subprocess.run([sys.executable, "-c", SET_BY_NEWER_NAMES], check=True)


@pytest.mark.parametrize(("capability", "used"), [((7, 5), torch.float32), ((8, 0), torch.bfloat16), ((12, 0), torch.bfloat16)])
def test_a_gpu_that_only_emulates_bf16_computes_in_float32(monkeypatch, capability, used):
    """`torch.cuda.is_bf16_supported` is true for all of them."""
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    gpu = torch.device("cuda:1")
    assert choose_dtype("auto", gpu) == used
    assert precision_on(gpu, PRESETS["few-shot"]) == used


@NEEDS_CUDA_BUILD
def test_a_gpu_that_this_torch_has_no_kernels_for_is_not_chosen():
    with rehearsal() as gpu:
        assert choose_device("auto") == torch.device("cuda")
        gpu.has_kernels = False
        assert choose_device("auto") == torch.device("cpu")
        with pytest.raises(InputError, match='device "cuda:0" is not usable'):
            choose_device("cuda:0")
