"""What one command for many scans is worth: `python cohort.py [SCANS]`, 200 unless told otherwise; prints as it goes.

Two slices of the sample CT, many times over, with the shipped checkpoint: one process with all cores against two workers of Ray
with a share of them each. Then three CTs by one command and by three. The load of the machine before and after each part is
printed: with anything else at work on it the numbers say little.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from SAMedCore.cohort.cluster import _connected
from SAMedCore.cohort.run import segment_cohort
from SAMedCore.cohort.scans import Scan, ScanRow
from SAMedCore.demo.sample import fetch_sample
from SAMedCore.files.write import write_volume
from SAMedCore.options import CohortOptions, ModelOptions
from SAMedCore.runtime import prepare_process
from SAMedCore.work import FinishedScan, Work

CHECKPOINT = "abdomen-demo"
SMALL, WHOLE = slice(70, 72), slice(60, 90)
EMPTY_TASKS = 1000


def main() -> None:
    prepare_process()
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _copies(folder / "small", SMALL, count)
        rates = {workers: _rate(folder, workers) for workers in (1, 2)}
        print(f"two workers against one process: {rates[2] / rates[1]:.2f} times the scans an hour", flush=True)
        _empty_tasks()
        _copies(folder / "whole", WHOLE, 3)
        _one_command_against_three(folder)


def _copies(folder: Path, slices: slice, count: int) -> None:
    """So many files with these slices of the sample CT."""
    folder.mkdir()
    volume = fetch_sample()[0]
    write_volume(volume.voxels[slices], volume.ijk_to_lps, folder / "scan000.nii.gz")
    for number in range(1, count):
        shutil.copy(folder / "scan000.nii.gz", folder / f"scan{number:03}.nii.gz")


def _rate(folder: Path, workers: int) -> float:
    """Scans an hour from the first one that is done on, when all is loaded."""
    ends: list[float] = []

    def tell(event: object) -> None:
        if isinstance(event, FinishedScan):
            ends.append(time.perf_counter())

    began, load = time.perf_counter(), _load()
    cohort = CohortOptions(workers=workers)
    result = segment_cohort(
        folder / "small", folder / f"by{workers}", ModelOptions(CHECKPOINT, device="cpu"), None, cohort, Work(tell)
    )
    whole_s, steady_s = time.perf_counter() - began, ends[-1] - ends[0]
    rate = 3600 * (len(ends) - 1) / steady_s
    stages = {what: sum(row.seconds[what] for row in result.rows) / len(result.rows) for what in ("read", "segment", "write")}
    said = ", ".join(f"{what} {value:.3f} s" for what, value in stages.items())
    print(
        f"{workers} worker(s), {len(ends)} scans: {rate:,.0f} an hour, {whole_s:.1f} s in all, {ends[0] - began:.1f} s to the "
        f"first; a scan: {said}; load {load} to {_load()}",
        flush=True,
    )
    return rate


class _Empty:
    """An actor whose task is nothing: what is left is Ray's own time."""

    def do(self, scan: Scan) -> ScanRow:
        return ScanRow(scan)


def _empty_tasks() -> None:
    scan, load = Scan("a", "/scans/a.nii.gz", "/out/a.seg.nrrd", (0, 0)), _load()
    with _connected(None) as ray:
        actor = ray.remote(_Empty).options(max_concurrency=3).remote()
        actor.do.remote(scan).future().result()
        began = time.perf_counter()
        for _ in range(EMPTY_TASKS):
            actor.do.remote(scan).future().result()
        one_ms = 1000 * (time.perf_counter() - began) / EMPTY_TASKS
        began = time.perf_counter()
        for future in [actor.do.remote(scan).future() for _ in range(EMPTY_TASKS)]:
            future.result()
        many_ms = 1000 * (time.perf_counter() - began) / EMPTY_TASKS
    print(
        f"Ray's own time for a scan: {one_ms:.2f} ms one by one, {many_ms:.2f} ms in a row; load {load} to {_load()}",
        flush=True,
    )


def _one_command_against_three(folder: Path) -> None:
    scans, load = sorted((folder / "whole").iterdir()), _load()

    def seconds(*places: Path) -> float:
        began = time.perf_counter()
        command = [sys.executable, "-m", "SAMedCore", "segment", *map(str, places), "--model", CHECKPOINT, "--device", "cpu"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return time.perf_counter() - began

    three_s = sum(seconds(scan, folder / f"{scan.name}.seg.nrrd") for scan in scans)
    one_s = seconds(folder / "whole", folder / "out")
    slices = WHOLE.stop - WHOLE.start
    print(
        f"three CTs of {slices} slices: three commands {three_s:.1f} s, one {one_s:.1f} s; load {load} to {_load()}", flush=True
    )


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}"


if __name__ == "__main__":
    main()
