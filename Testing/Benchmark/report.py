"""`python report.py JSON_FOLDER DOCS_FOLDER`: writes benchmark.md and benchmark.png from what the benchmark stored."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path

import report_picture as picture
import report_tables as tables
from results import Results

INTRODUCTION = """\
# How fast, and how much memory

Written by `make benchmark` on {day}; do not edit. Wall-clock times, medians of {rounds} rounds ({starts} where a process is
started). Measured on:

{machines}

**Plain** is the paper's procedure written plainly (`Testing/Benchmark/plain_procedure.py`): LoRA beside the weights, float32,
one slice at a time, scipy's zooms, softmax and argmax. It has the same seeded random weights and is measured in turn with
SAMedCore, so that the machine is the same for both; the ratio is that of the medians. In float32 both give the same label in
every voxel, ties left out.

**Floor** is what the network's products and convolutions alone would take at the rate of the machine's fastest large matrix
product ({product}), which is measured between the rounds.

CT to label map counts everything from the volume in memory to the label map in memory. GFLOP are 1e9 operations, MB 1e6 bytes.

![Speed, stages and growth](benchmark.png)
"""

PROMPTING = """\
Slices of 512 x 512. A box on an encoded slice, through the worker's own process; the encoding of a slice; and the worker's own
memory, to which the volume's voxels, in a file that it maps, do not count.
"""

ON_A_BUSY_MACHINE = """\
`samed segment` of eight slices with vit_b, from process start to finished file, on all cores: by itself, with another one that
is started at the same moment, and beside a program that keeps one core busy as a working Slicer does.
"""

GROWTH_ON_CPU = """\
These use vit_b with **one** of its twelve blocks, at its 512 pixels: what surrounds the encoder is what grows otherwise. Memory
is the peak above that of the loaded model. The blocks run one after the other, so that twelve need no more than one.
"""

GROWTH_ON_GPU = "These use vit_b. Memory is the peak above that of the loaded model.\n"

NOT_MEASURED_ON_CPU = """\
CUDA: there was no GPU on this machine. So nothing is known here of the ratio to the plain procedure on a GPU (wanted: ≥ 20 x),
150 slices with vit_b in bf16 (< 1.5 s, Dice against float32 ≥ 0.999) and with vit_h (< 5 s), GPU memory, and a warm worker's
first slices on a GPU (< 1 s).
"""

NOT_MEASURED = "SAM's own trained weights (all are seeded random ones of the same sizes), Windows, macOS and MPS.\n"


def report(results: Results, day: date) -> str:
    """The whole document."""
    machines = results.machines()
    on_gpu = any(machine["gpu"] for machine in machines)
    sections = [
        _introduction(results, day, on_gpu),
        ("Beside the plain procedure", tables.comparison(results)),
        ("The encoders beside the matrix product", tables.encoders(results)),
        ("Slices a second", tables.slice_rates(results)),
        *([("150 slices on the GPU", tables.gpu(results))] if on_gpu else []),
        ("Where a slice's time goes", "In milliseconds, each stage's share beside it.\n\n" + tables.stages(results)),
        ("Start-up", tables.start_up(results)),
        ("Boxes and clicks", PROMPTING + "\n" + tables.prompting(results)),
        ("On a busy machine", ON_A_BUSY_MACHINE + "\n" + tables.at_once(results)),
        ("Growth", (GROWTH_ON_GPU if on_gpu else GROWTH_ON_CPU) + "\n" + _growth(results)),
        ("Not measured", NOT_MEASURED if on_gpu else NOT_MEASURED_ON_CPU + "\n" + NOT_MEASURED),
    ]
    return "\n".join(each if isinstance(each, str) else f"## {each[0]}\n\n{each[1].rstrip()}\n" for each in sections)


def _introduction(results: Results, day: date, on_gpu: bool) -> str:
    machines = "\n".join(f"- {tables.machine_text(machine)}" for machine in results.machines())
    rounds = min(len(result.seconds) for result in results.named("segment"))
    starts = min((len(result.seconds) for result in results.named("cold_worker")), default=0)
    product = "8192 cubed, bf16" if on_gpu else "2048 cubed, float32, torch's BLAS or oneDNN"
    return INTRODUCTION.format(day=day.isoformat(), machines=machines, rounds=rounds, starts=starts, product=product)


def _growth(results: Results) -> str:
    return "\n\n".join(
        [
            "Number of slices of 512 x 512, from file to file, each in a process of its own:",
            tables.growth_by_slices(results),
            "Pixels along a slice's side, one slice:",
            tables.growth_by(results, "slice_size", "pixels"),
            "Classes, one slice:",
            tables.growth_by(results, "classes", "classes"),
            "Slices at a time, of the same slices:",
            tables.growth_by(results, "batch", "batch"),
        ]
    )


def main(stored: Path, docs: Path) -> None:
    results = Results.read(stored)
    (docs / "benchmark.md").write_text(report(results, date.today()), encoding="utf-8")
    picture.draw(results, docs / "benchmark.png")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
