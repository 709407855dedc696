"""How much longer it takes where the cores are not for one process alone."""

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from settings import DEVICE, SLICES_AT_ONCE, STARTS

from SAMedCore.files.write import write_volume

ROOT = Path(__file__).parents[2]
BUSY = "while True: pass"


@pytest.fixture
def segmenting(samed, vit_b_files, make_ct, tmp_path):
    """Starts one more process that segments a CT of `SLICES_AT_ONCE` slices."""
    ct = make_ct(SLICES_AT_ONCE)
    write_volume(ct.voxels, ct.ijk_to_lps, tmp_path / "ct.nii.gz")
    model = ("--model", vit_b_files.checkpoint, "--base", vit_b_files.base, "--device", DEVICE)

    def start(number: int) -> subprocess.Popen:
        command = (*samed, "segment", tmp_path / "ct.nii.gz", tmp_path / f"{number}.seg.nrrd", *model)
        return subprocess.Popen([sys.executable, *map(str, command)], cwd=ROOT, stderr=subprocess.DEVNULL)

    return start


@pytest.mark.parametrize("company", ["alone", "two at once", "beside a busy program"])
def test_at_once(benchmark, segmenting, company):
    def until_the_last_is_done():
        running = [segmenting(number) for number in range(2 if company == "two at once" else 1)]
        assert [process.wait() for process in running] == [0] * len(running)

    with ExitStack() as stack:
        if company == "beside a busy program":
            busy = stack.enter_context(subprocess.Popen([sys.executable, "-c", BUSY]))
            stack.callback(busy.kill)
        benchmark.pedantic(until_the_last_is_done, rounds=STARTS, warmup_rounds=int(company == "alone"))
