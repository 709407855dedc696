"""The devices that torch finds here, and the numbers that they compute with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch

from SAMedCore.address import check_device
from SAMedCore.errors import DeviceNeeded, InputError

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def choose_device(name: str) -> torch.device:
    """The torch device of that name; "auto" is the best there is.

    Raises:
        DeviceNeeded: there is no such device here, or this build of torch has no kernels for it.
        InputError: the name is none of ours. Torch knows more, such as "meta", on which nothing is computed.
    """
    check_device(name)
    if name == "auto":
        here = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
        return next((torch.device(kind) for kind in here if here[kind] and _computes(kind)), torch.device("cpu"))
    if not _computes(name):
        raise DeviceNeeded(f'the device "{name}" is not usable here: choose auto or cpu.')
    return torch.device(name)


def _computes(name: str) -> bool:
    try:
        # a kernel has to run: torch finds GPUs, and has room on them, that are too old or too new for its build
        torch.ones(1, device=torch.device(name))
    except (RuntimeError, AssertionError):
        return False
    return True


def choose_dtype(precision: str, device: torch.device) -> torch.dtype:
    """The type to segment in; "auto" is bf16 where a GPU has it, else float32.

    Raises:
        InputError: the precision is none of "auto" and `PRECISIONS`.
    """
    if precision == "auto":
        return torch.bfloat16 if has_bf16(device) else torch.float32
    if precision not in PRECISIONS:
        raise InputError(f'unknown precision "{precision}": choose from auto, {", ".join(PRECISIONS)}.')
    return PRECISIONS[precision]


def has_bf16(device: torch.device) -> bool:
    """Whether it is a GPU that multiplies bf16 in hardware, from NVIDIA's Ampere on.

    `torch.cuda.is_bf16_supported` is true for older ones too, which emulate it, slower than float32; and asks the current one.
    """
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)


def exact_products() -> AbstractContextManager[None]:
    """Inside the block a GPU multiplies float32 as it is, not rounded to TF32; afterwards as before."""
    try:
        older = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    except RuntimeError:
        # torch refuses to tell, and to multiply, where its older settings and its newer ones disagree: keep to those in use
        return _exact_by_newer_settings()
    return _exact_by_older_settings(*older)


@contextmanager
def _exact_by_older_settings(products: str, convolutions: bool) -> Iterator[None]:
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(products)
        torch.backends.cudnn.allow_tf32 = convolutions


@contextmanager
def _exact_by_newer_settings() -> Iterator[None]:
    backends: Any = torch.backends
    settings = (backends.cuda.matmul, backends.cudnn.conv, backends.mkldnn.matmul)
    before = [each.fp32_precision for each in settings]
    for each in settings:
        each.fp32_precision = "ieee"
    try:
        yield
    finally:
        for each, precision in zip(settings, before, strict=True):
            each.fp32_precision = precision


def found_devices() -> list[tuple[str, str]]:
    """(name for `choose_device`, what a person calls it) of every device here, the best first."""
    devices = []
    for index in range(torch.cuda.device_count()) if torch.cuda.is_available() else ():
        properties = torch.cuda.get_device_properties(index)
        devices.append((f"cuda:{index}", f"CUDA: {properties.name}, {properties.total_memory / 2**30:.0f} GB"))
    if torch.backends.mps.is_available():
        devices.append(("mps", "MPS: Apple GPU"))
    threads = torch.get_num_threads()
    return [*devices, ("cpu", f"CPU, {threads} thread{'s' if threads > 1 else ''}")]
