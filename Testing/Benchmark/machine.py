"""The machine in words, its clock, its memory and its fastest matrix product."""

import ctypes
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from settings import DEVICE, ON_GPU

from SAMedCore.model.fast.layers import HAS_ONEDNN

MALLOC = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_")
PRODUCT_SIZE = 8192 if ON_GPU else 2048
MEGABYTE = 1e6


def describe(processor: str) -> dict[str, Any]:
    """What the times depend on; nothing that names this very machine."""
    return {
        "processor": processor,
        "capability": torch.backends.cpu.get_cpu_capability(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": torch.get_num_threads(),
        "allocator": "tuned" if all(name in os.environ for name in MALLOC) else "default",
        "gpu": torch.cuda.get_device_name() if ON_GPU else None,
        "torch": torch.__version__,
    }


def seconds(work: Callable[[], Any]) -> float:
    """Wall-clock time of `work`, on a GPU until it is done there."""
    began = time.perf_counter()
    work()
    wait_for_gpu()
    return time.perf_counter() - began


def wait_for_gpu() -> None:
    if ON_GPU:
        torch.cuda.synchronize()


@torch.inference_mode()
def product_gflops() -> float:
    """What the fastest operator there is makes of one large product, in 1e9 operations a second; on a GPU in bf16."""
    a, b = torch.rand(2, PRODUCT_SIZE, PRODUCT_SIZE, device=DEVICE, dtype=torch.bfloat16 if ON_GPU else torch.float32)
    operators = [lambda: torch.mm(a, b)]
    if HAS_ONEDNN and not ON_GPU:
        operators.append(lambda: torch.ops.mkldnn._linear_pointwise(a, b, None, "none", [], ""))
    wait_for_gpu()
    return 2 * PRODUCT_SIZE**3 / min(seconds(operator) for operator in operators) / 1e9


class PeakMemory:
    """How much memory is taken at most since the start of the measurement, above what was taken then.

    Example:
        >>> peak = PeakMemory()
        >>> work()
        >>> peak.megabytes()
        {'host_mb': 512.3, 'gpu_mb': 0.0}
    """

    def __init__(self) -> None:
        # What is free but not given back to the system would hide what is taken from now on.
        getattr(ctypes.CDLL(None), "malloc_trim", int)(0)
        # Makes Linux forget the process's peak; other systems offer nothing like it.
        Path("/proc/self/clear_refs").write_text("5")
        self._host_before = _status("VmRSS")
        if ON_GPU:
            torch.cuda.reset_peak_memory_stats()
        self._gpu_before = torch.cuda.memory_allocated() if ON_GPU else 0

    def megabytes(self) -> dict[str, float]:
        gpu = torch.cuda.max_memory_allocated() - self._gpu_before if ON_GPU else 0
        return {"host_mb": (_status("VmHWM") - self._host_before) / MEGABYTE, "gpu_mb": gpu / MEGABYTE}


def _status(name: str) -> int:
    """Bytes that Linux gives for this process under that name."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(re.search(rf"{name}:\s+(\d+) kB", status)[1])
