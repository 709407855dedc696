"""How long a person waits for a mask after a box, through the worker's own process, and how much memory that takes."""

import re
import time
from dataclasses import replace
from pathlib import Path

import pytest
from machine import MEGABYTE
from settings import DEVICE, IS_TINY, ROUNDS
from worker_process import WorkerProcess, segmented

from SAMedCore.checkpoint.load import load_promptable
from SAMedCore.image.prompts import SlicePrompt
from SAMedCore.image.volume import Volume
from SAMedCore.options import PromptOptions
from SAMedCore.prompt.session import open_session
from SAMedCore.service.events import Ready
from SAMedCore.service.messages import EncodeAhead, Prompt

ROOT = Path(__file__).parents[2]
OPTIONS = PromptOptions("lite", str(DEVICE), "ct")
PROMPTS = 5 if IS_TINY else 100
SLICES = 20 if IS_TINY else 1000
REST_S = 2.0
"""A worker that has used no processor for so long has encoded all that it keeps."""


@pytest.fixture
def worker(tmp_path, lite_weights):
    running = WorkerProcess(tmp_path / "private", path=str(ROOT))
    running.wait_for(Ready)
    yield running
    running.process.stdin.close()
    running.process.wait()


def box(ct: Volume, k: int, shift: int = 0) -> SlicePrompt:
    """From a fourth to a half of the slice along both axes, moved by so many pixels."""
    _, rows, columns = ct.voxels.shape
    first, second = (ct.ijk_to_lps @ [columns * share + shift, rows * share, k, 1] for share in (0.25, 0.5))
    return SlicePrompt((tuple(map(float, first[:3])), tuple(map(float, second[:3]))))


def test_prompt(benchmark, worker, make_ct):
    """From the request, written to the worker's stdin, to its answer on stdout: a box on an encoded slice."""
    ct = make_ct(3)
    handle, answers = worker.open(ct), []

    def prompt(shift: int) -> None:
        answers.append(worker.ask(Prompt(handle, box(ct, 1, shift), OPTIONS)))

    def next_box():
        segmented(answers[-1])
        return (len(answers),), {}

    prompt(0)
    benchmark.pedantic(prompt, setup=next_box, rounds=PROMPTS)


@pytest.mark.parametrize("base", ["lite", "vit_b"])
def test_encode_for_prompting(benchmark, base, make_ct, lite_weights, vit_b_files):
    """A slice of 512 x 512, its preparation with it."""
    options = OPTIONS if base == "lite" else replace(OPTIONS, base=str(vit_b_files.base))
    session = open_session(make_ct(1), options, load_promptable(options.base, options.device))

    def encode():
        session.embeddings.clear()
        session.encode(0)

    benchmark.pedantic(encode, rounds=ROUNDS, warmup_rounds=1)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="a process's memory is read on Linux alone")
def test_prompting_memory(benchmark, worker, make_ct):
    """Of the worker with a CT of 1,000 slices open, and encoded ahead as far as is kept."""
    ct = make_ct(SLICES)
    before = own_megabytes(worker)
    handle = worker.open(ct)

    def encode_ahead():
        worker.ask(EncodeAhead(handle, SLICES // 2, OPTIONS))
        used = -1
        while (now := processor_ticks(worker)) > used:
            used = now
            time.sleep(REST_S)

    benchmark.pedantic(encode_ahead, rounds=1)
    benchmark.extra_info.update(slices=SLICES, before_mb=before, host_mb=own_megabytes(worker))


def own_megabytes(worker: WorkerProcess) -> float:
    """Of its memory; the volume's voxels are in a file that it maps, and do not count."""
    status = Path(f"/proc/{worker.pid}/status").read_text()
    return 1024 * int(re.search(r"RssAnon:\s+(\d+) kB", status)[1]) / MEGABYTE


def processor_ticks(worker: WorkerProcess) -> int:
    """How much of the processors' time it has taken so far."""
    fields = Path(f"/proc/{worker.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])
