"""How long a person waits for the first result, from the start of the process."""

import subprocess
import sys
from pathlib import Path

import pytest
from settings import DEVICE, IS_TINY, ONE_BLOCK, ROUNDS, SLICES, STARTS
from worker_process import REAL, WorkerProcess

from SAMedCore.files.write import write_volume
from SAMedCore.options import ModelOptions
from SAMedCore.service.events import Result, Slices
from SAMedCore.service.messages import Segment

ROOT = Path(__file__).parents[2]
IMPORT = "import time; began = time.perf_counter(); import SAMedCore; print(time.perf_counter() - began)"


def python(*arguments) -> str:
    """What a new interpreter prints."""
    return subprocess.run([sys.executable, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def workers(tmp_path, vit_b_files, make_ct):
    """Workers that are started, asked to segment, and ended."""
    running = Workers(tmp_path, vit_b_files, make_ct(SLICES))
    yield running
    running.end()


class Workers:
    """One worker after another."""

    def __init__(self, folder, files, ct):
        self._folder, self._files, self._ct = folder, files, ct
        self._worker, self._started = None, 0

    def start(self):
        program = (ONE_BLOCK, REAL[1]) if IS_TINY else REAL
        self._started += 1
        self._worker = WorkerProcess(self._folder / f"worker {self._started}", program, str(ROOT))

    def ask_for_slices(self):
        """Hand over a volume, of which nothing is encoded yet, have it segmented, and wait until the first slices are there."""
        model = ModelOptions(str(self._files.checkpoint), str(self._files.base), str(DEVICE))
        self._worker.send(Segment(self._worker.open(self._ct), model))
        self._worker.wait_for(Slices)

    def finish(self):
        """Wait until it can be asked again."""
        self._worker.wait_for(Result)

    def end(self):
        if self._worker is not None:
            self._worker.process.stdin.close()
            self._worker.process.wait()
            self._worker = None


def test_import(benchmark):
    seconds = [float(python("-c", IMPORT)) for _ in range(ROUNDS)]
    benchmark.pedantic(python, ("-c", IMPORT), rounds=1)
    benchmark.extra_info["seconds"] = seconds


def test_help(benchmark):
    benchmark.pedantic(python, ("-m", "SAMedCore", "--help"), rounds=ROUNDS, warmup_rounds=1)


def test_segment_one_slice(benchmark, samed, vit_b_files, make_ct, tmp_path):
    ct = make_ct(2)  # files with a single slice are refused
    write_volume(ct.voxels, ct.ijk_to_lps, tmp_path / "ct.nii.gz")
    model = ("--model", vit_b_files.checkpoint, "--base", vit_b_files.base, "--device", DEVICE)
    command = (*samed, "segment", tmp_path / "ct.nii.gz", tmp_path / "organs.seg.nrrd", "--slices", "0:1", *model)
    benchmark.pedantic(python, command, rounds=STARTS, warmup_rounds=1)


def test_cold_worker(benchmark, workers):
    def first_slices():
        workers.start()
        workers.ask_for_slices()

    benchmark.pedantic(first_slices, rounds=STARTS, warmup_rounds=1, teardown=workers.end)


def test_warm_worker(benchmark, workers):
    workers.start()
    workers.ask_for_slices()
    benchmark.pedantic(workers.ask_for_slices, setup=workers.finish, rounds=ROUNDS)
