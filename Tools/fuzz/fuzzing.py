"""What the fuzzers of this folder have in common: seeds, changes that keep JSON whole, and when to stop.

A target calls `fuzz`. What it keeps lies in build/fuzz/NAME: the corpus, which the next run goes on from, and each input that
was a finding, as libFuzzer names it (crash-, timeout-, oom-). Run one again with `python Tools/fuzz/NAME.py FILE`.
"""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import atheris

BUILD = Path(__file__).parents[2] / "build" / "fuzz"
MINUTES = float(os.environ.get("MINUTES", "1"))
LONGEST = 4096
"""Bytes of an input."""

_SHARED = Path("/dev") / "shm"
IN_MEMORY = _SHARED if _SHARED.is_dir() else None
"""For the files of a target, as `tempfile` takes it; a disk would be as slow as the reader."""

ODD = (None, True, -1, 0, 10**30, 0.5, 1e308, "", "\x00", "\ud800", "a" * 300, "1", "nan", [], {}, [[]], [0] * 9)
"""What stands in JSON where something else was meant."""


def fuzz(name: str, seeds: Iterable[bytes], try_one: Callable[[bytes], None]) -> None:
    """Give `try_one` changed inputs for MINUTES (environment, 1 unless it says otherwise); whatever it raises is a finding.

    Args:
        name: of the target; its folder below build/fuzz.
        seeds: inputs to begin with.
        try_one: calls the reader and swallows what it may raise.
    """
    folder = BUILD / name
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    limits = [f"-max_total_time={round(60 * MINUTES)}", f"-max_len={LONGEST}", "-timeout=10", "-rss_limit_mb=3072"]
    given = sys.argv[1:] or [str(corpus), *limits, f"-artifact_prefix={folder}/", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], *given], try_one, custom_mutator=_changed)
    atheris.Fuzz()


def _changed(data: bytes, max_size: int, seed: int) -> bytes:
    """The input with one JSON value changed; every third time, and where it is no JSON, with any bytes changed."""
    chance = random.Random(seed)
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return atheris.Mutate(data, max_size)
    if chance.random() < 1 / 3:
        return atheris.Mutate(data, max_size)
    return json.dumps(_with_change(value, chance)).encode()[:max_size]


def _with_change(value: Any, chance: random.Random) -> Any:
    if not value or not isinstance(value, dict | list) or chance.random() < 0.2:
        return chance.choice(ODD)
    changed = value.copy()
    key = chance.choice(list(changed) if isinstance(changed, dict) else range(len(changed)))
    what = chance.random()
    if what < 0.1:
        del changed[key]
    elif what < 0.2 and isinstance(changed, list):
        changed.append(changed[key])
    elif what < 0.2:
        changed[f"{key}?"] = changed[key]
    else:
        changed[key] = _with_change(changed[key], chance)
    return changed
