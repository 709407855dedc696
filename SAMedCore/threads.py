"""How the threads of a layer wait for each other."""

from __future__ import annotations

import os

SPINS = "1000"
"""Some microseconds, as long as threads on cores of their own wait for each other."""


def wait_without_holding_cores() -> None:
    """Have threads that wait for others give up their core soon; for this process, if torch is not loaded yet.

    By default GNU's OpenMP, which torch has on Linux, spins for milliseconds. That is harmless where every thread has a core.
    Where another program wants one too, each layer waits for a thread that the spinning ones keep from running: two processes
    at once then take many times as long as one after the other. What the user's environment says goes before.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
