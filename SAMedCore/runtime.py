"""What a process of ours asks of the operating system before it computes."""

from __future__ import annotations

import ctypes
import logging
import os
import sys

WHAT_A_LAUNCHER_SETS = {"RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
LARGEST_TEMPORARY = 2**30
"""Bytes: more than any one tensor of a slice takes."""

SPINS = "1000"
"""Some microseconds, as long as threads on cores of their own wait for each other."""


def prepare_process() -> None:
    """Keep freed memory for the next slice, let waiting threads give up their core, and libraries keep to themselves what is no
    error; before torch is loaded.

    - glibc returns large temporaries to the system at every step, which then clears each page anew: on a CPU that takes up to
      a third of the time. The variables MALLOC_MMAP_THRESHOLD_ and MALLOC_TRIM_THRESHOLD_ do the same. Nothing where there
      is no glibc.
    - GNU's OpenMP, which torch has on Linux, spins for milliseconds. That is harmless where every thread has a core; where
      another program wants one too, two processes at once take many times as long as one after the other. What the user's
      environment says goes before.
    - matplotlib tells that it has no folder for its cache, or is looking for fonts, around whatever else is said.
    """
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGEST_TEMPORARY)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def is_one_of_several() -> bool:
    """Whether a launcher (`accelerate launch`, `torchrun`) started this process with others, to train together."""
    return os.environ.keys() >= WHAT_A_LAUNCHER_SETS and os.environ["WORLD_SIZE"] != "1"


def speaks_for_its_machine() -> bool:
    """Whether it is the one of several processes on a machine that says what all of them have to say, or the only one."""
    return not is_one_of_several() or os.environ["LOCAL_RANK"] == "0"
