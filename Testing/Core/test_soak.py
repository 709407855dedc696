"""The soak's short form: 20 segmentations and 200 prompts leave nothing in a worker, and are answered alike to the last bit."""

import os
from pathlib import Path

import pytest
from soak import Asked, check_counts, soak

from SAMedCore.image.orientation import reorient
from SAMedCore.options import PromptOptions

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/smaps_rollup").exists() or os.name == "nt", reason="Linux tells of a process"
)


def test_nothing_stays_of_what_a_worker_was_asked(files, worker, volume, small_model):
    asked = Asked(reorient(volume, "LPS"), small_model, PromptOptions(str(files.base), "cpu", "ct"))
    first, samples = soak(worker, asked, cycles=2)
    assert len(set(first)) > 20  # of four slices, eleven requests each
    # The first round loads what is needed.
    check_counts(samples[10:])
