"""What stays of 500 segmentations and 5,000 prompts in one worker: memory, descriptors, threads, files; `make soak`.

The real worker with LiteMedSAM and the shipped checkpoint, asked by real messages for slices of the sample CT. It is asked the
same over and over, a cycle of 10 rounds at a time, the volume being opened before and closed after each, so that every answer
can be compared with that of the first cycle, and those of the first with another worker's. Draws Docs/soak.png.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "Core")]

import numpy as np  # noqa: E402
from soak_picture import draw  # noqa: E402
from worker_process import WorkerProcess  # noqa: E402

from SAMedCore.demo.sample import fetch_sample  # noqa: E402
from SAMedCore.image.orientation import reorient  # noqa: E402
from SAMedCore.image.prompts import SlicePrompt  # noqa: E402
from SAMedCore.image.volume import Volume  # noqa: E402
from SAMedCore.options import ModelOptions, PromptOptions, SegmentOptions  # noqa: E402
from SAMedCore.service.events import Error, Event, Ready, Result  # noqa: E402
from SAMedCore.service.messages import Prompt, Segment  # noqa: E402

ROOT = Path(__file__).parents[2]
SLICES = slice(70, 78)
CYCLES, ROUNDS, PROMPTS = 50, 10, 10
"""A cycle is `ROUNDS` rounds; a round is a segmentation of one slice and `PROMPTS` boxes on another."""

WARM_UP = 0.1
"""The part of the samples that is not compared: networks are loaded, and the allocator finds its size."""

COMPARED, FLAT = ("rss_mb", "anonymous_mb"), 0.02
"""What may grow by so much; the share of what others have too changes with them."""

MEGABYTE = 2**20


@dataclass(frozen=True)
class Sample:
    """The worker between two rounds.

    Attributes:
        answers: how many segmentations and prompts it has answered so far.
        seconds: since the first one was asked.
        rss_mb, pss_mb, anonymous_mb, peak_mb: memory in MiB: resident; that, with what other processes share counted in part;
            its own that is no file's; and the most that was ever resident.
        descriptors, threads: open now.
        files: in its private folder and in the folder for temporary files, the log and the open volume's own left out.
        log_bytes: of its log.
    """

    answers: int
    seconds: float
    rss_mb: float
    pss_mb: float
    anonymous_mb: float
    peak_mb: float
    descriptors: int
    threads: int
    files: int
    log_bytes: int


@dataclass(frozen=True)
class Asked:
    """What the worker is asked for: a volume in the orientation LPS, and with which networks."""

    volume: Volume
    model: ModelOptions
    prompting: PromptOptions

    def segment(self, handle: str, number: int) -> Segment:
        """One slice, every other time with its uncertainty."""
        return Segment(handle, self.model, SegmentOptions(slices=(self._slice(number),), uncertainty=number % 2 == 1))

    def prompt(self, handle: str, number: int, shift: int) -> Prompt:
        """A box over a quarter of the slice, moved by so many pixels, with a point in its middle."""
        _, rows, columns = self.volume.voxels.shape
        i, j = columns // 4 + shift, rows // 4 + shift
        first, middle, last = (
            self._point(i + columns * part // 4, j + rows * part // 4, self._slice(number + 3)) for part in (0, 0.5, 1)
        )
        return Prompt(handle, SlicePrompt((first, last), (middle,)), self.prompting)

    def outside(self, handle: str) -> Prompt:
        """A box beside the volume, which is refused."""
        far = self._point(0, 0, self.volume.voxels.shape[0] + 50)
        return Prompt(handle, SlicePrompt((far, far)), self.prompting)

    def _slice(self, number: int) -> int:
        return number % self.volume.voxels.shape[0]

    def _point(self, i: float, j: float, k: float) -> tuple[float, float, float]:
        x, y, z, _ = (self.volume.ijk_to_lps @ [i, j, k, 1]).tolist()
        return x, y, z


def soak(
    worker: WorkerProcess, asked: Asked, cycles: int = CYCLES, sampled: Callable[[Sample], None] = lambda sample: None
) -> tuple[list[str], list[Sample]]:
    """Ask a worker `cycles` times for the same.

    Args:
        sampled: told each sample, one a round.

    Returns:
        What it answered in the first cycle, as digests, and the samples.

    Raises:
        AssertionError: it has answered something else in a later cycle.
    """
    first: list[str] = []
    samples: list[Sample] = []
    began = time.monotonic()
    for cycle in range(cycles):
        handle = worker.open(asked.volume)
        assert isinstance(worker.ask(asked.outside(handle))[-1], Error)
        digests = []
        for number in range(ROUNDS):
            requests = [asked.segment(handle, number), *(asked.prompt(handle, number, shift) for shift in range(PROMPTS))]
            digests += [digest(worker.ask(request)[-1]) for request in requests]
            answers = cycle * ROUNDS * (1 + PROMPTS) + len(digests)
            samples.append(sample(worker, answers, time.monotonic() - began))
            sampled(samples[-1])
        worker.close(handle)
        first = first or digests
        assert digests == first, f"cycle {cycle} is answered otherwise than the first one"
    return first, samples


def digest(answer: Event) -> str:
    """Of all that a result says and of the voxels that it names, whose files are removed as the panel does."""
    assert isinstance(answer, Result), answer
    said, content = dict(answer.values), hashlib.sha256()
    for name in ("labelmap", "uncertainty"):
        if file := said.get(name):
            path = Path(file["path"])
            content.update(path.read_bytes())
            path.unlink()
            said[name] = {**file, "path": None}
    content.update(json.dumps(said, sort_keys=True).encode())
    return content.hexdigest()


def sample(worker: WorkerProcess, answers: int, seconds: float) -> Sample:
    """Read what Linux says of the worker."""
    process = Path("/proc") / str(worker.pid)
    memory, status = (process / "smaps_rollup").read_text(), (process / "status").read_text()
    rss, pss, anonymous, peak = (
        int(re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE)[1]) * 1024 / MEGABYTE
        for name, text in (("Rss", memory), ("Pss", memory), ("Anonymous", memory), ("VmHWM", status))
    )
    threads = int(re.search(r"^Threads:\s+(\d+)", status, re.MULTILINE)[1])
    own = {"worker.log", *(f"volume-{number}.npy" for number in range(worker.volumes + 1))}
    names = [path.name for path in worker.folder.parent.rglob("*") if path.is_file()]
    return Sample(
        answers, seconds, rss, pss, anonymous, peak, len(list((process / "fd").iterdir())), threads,
        len([name for name in names if name not in own]), (worker.folder / "worker.log").stat().st_size,
    )  # fmt: skip


def halves(samples: list[Sample], name: str) -> tuple[float, float]:
    """The means of a measure over both halves of the samples, those of the warm-up left out."""
    values = [getattr(each, name) for each in samples[round(WARM_UP * len(samples)) :]]
    middle = len(values) // 2
    return float(np.mean(values[:middle])), float(np.mean(values[middle:]))


def check(samples: list[Sample]) -> None:
    """Nothing may stay.

    Raises:
        AssertionError: the second half takes more than 2 % more memory than the first, or descriptors, threads or files.
    """
    for name in COMPARED:
        first, second = halves(samples, name)
        assert abs(second / first - 1) <= FLAT, f"{name}: {first:.1f}, then {second:.1f}"
    kept = samples[round(WARM_UP * len(samples)) :]
    check_counts(kept)
    assert kept[-1].files == 0
    assert kept[-1].log_bytes == kept[0].log_bytes


def check_counts(samples: list[Sample]) -> None:
    """As many descriptors, threads and files at the end as at the beginning.

    Raises:
        AssertionError: there are others.
    """
    for name in ("descriptors", "threads", "files"):
        before, after = getattr(samples[0], name), getattr(samples[-1], name)
        assert before == after, f"{name}: {before}, then {after}"


def started(folder: Path) -> WorkerProcess:
    """A worker whose temporary files lie below the folder too."""
    worker = WorkerProcess(folder / "private", path=str(ROOT))
    worker.wait_for(Ready)
    return worker


def ended(worker: WorkerProcess) -> None:
    """Have it leave, and see that nothing of it is left."""
    worker.process.stdin.close()
    assert worker.process.wait() == 0
    worker.wait_until_gone()
    assert not worker.folder.exists()


def main() -> None:
    """The whole run; writes build/soak.json and Docs/soak.png."""
    ct = reorient(fetch_sample()[0], "LPS")
    ct = replace(ct, voxels=np.ascontiguousarray(ct.voxels[SLICES]))
    asked = Asked(ct, ModelOptions("abdomen-demo", device="cpu"), PromptOptions("lite", "cpu", "ct"))

    def tell(each: Sample) -> None:
        if each.answers % (ROUNDS * (1 + PROMPTS)) == 0:
            print(json.dumps({name: round(value, 1) for name, value in asdict(each).items()}), flush=True)

    with tempfile.TemporaryDirectory() as folder:
        worker = started(Path(folder))
        first, samples = soak(worker, asked, CYCLES, tell)
        ended(worker)
        another = started(Path(folder))
        again, _ = soak(another, asked, 1)
        ended(another)
    stored = ROOT / "build" / "soak.json"
    stored.parent.mkdir(exist_ok=True)
    stored.write_text(json.dumps([asdict(each) for each in samples]))
    assert again == first, "another worker answers otherwise"
    draw(samples, WARM_UP, ROOT / "Docs" / "soak.png")
    for name in ("pss_mb", *COMPARED):
        before, after = halves(samples, name)
        print(f"{name}: {before:.1f} in the first half, {after:.1f} in the second ({100 * (after / before - 1):+.2f} %)")
    check(samples)
    print(f"{len(set(first))} different answers of {len(first)} a cycle, the same in {CYCLES} cycles and in another worker")


if __name__ == "__main__":
    main()
