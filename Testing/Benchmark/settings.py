"""How much the benchmark measures, and on what."""

import os
from pathlib import Path

import torch

IS_TINY = "SAMED_BENCHMARK_TINY" in os.environ
"""A benchmark of two minutes that shows that everything runs; its numbers mean nothing."""

ONE_BLOCK = str(Path(__file__).with_name("one_block.py"))
"""The program that runs a module of ours with the network of the tiny benchmark."""

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
ON_GPU = DEVICE.type == "cuda"

ROUNDS = 2 if IS_TINY else 5
"""Measurements, or pairs of them, from which the median is taken."""

STARTS = 2 if IS_TINY else 3
"""Likewise of a new process."""

CLASSES = 8
SLICE_SIZE = 512
"""Rows and columns of the CT."""

SLICES = 150 if ON_GPU and not IS_TINY else 1
"""Of the CT that is segmented by both paths."""

TRAINING_BATCH = 12 if ON_GPU and not IS_TINY else 1

SLICE_COUNTS = (1, 10) if IS_TINY else (1, 10, 100, 1000)
SLICE_SIZES = (64, 512) if IS_TINY else (64, 128, 256, 512, 1024)
CLASS_COUNTS = (2, 8) if IS_TINY else (2, 4, 8, 16, 32, 64)
BATCH_SIZES = (1, 2) if IS_TINY else (1, 4, 16, 64) if ON_GPU else (1, 2, 4, 8)

SLICES_AT_ONCE = 2 if IS_TINY else 8
"""Of each CT when two are segmented at the same time."""
