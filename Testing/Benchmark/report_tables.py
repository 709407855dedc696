"""The results as Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import reaches
from results import Result, Results

TITLES = {
    "segment": "CT to label map",
    "training_step": "training step",
    "import": "`import SAMedCore`",
    "help": "`samed --help`",
    "segment_one_slice": "`samed segment`, one slice, vit_b: process start to finished file",
    "cold_worker": "worker: process start to the first slices",
    "warm_worker": "the same worker asked again: request to the first slices",
}


def seconds_text(seconds: float) -> str:
    if seconds < 1:
        return f"{1000 * seconds:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 100 else f"{seconds:.0f} s"


def megabytes_text(megabytes: float) -> str:
    return f"{megabytes:,.0f} MB" if megabytes else ""


def machine_text(machine: Mapping[str, Any]) -> str:
    """A line on what it was measured with."""
    malloc = (
        "default malloc" if machine["allocator"] == "default" else "tuned malloc (both `MALLOC_` variables of the Makefile)"
    )
    gpu = f"{machine['gpu']}; host: " if machine["gpu"] else ""
    cores = f"{machine['cores']} core{'s' if machine['cores'] > 1 else ''} to run on"
    threads = f"{machine['threads']} thread{'s' if machine['threads'] > 1 else ''}"
    processor = f"{machine['processor']} ({machine['capability']})"
    return f"{gpu}{processor}, {cores}, {threads}, {malloc}, torch {machine['torch']}"


def comparison(results: Results) -> str:
    """Beside the plain procedure."""
    rows = []
    for result in [*results.named("segment"), *results.named("training_step")]:
        rows.append(
            [
                f"{TITLES[result.name]}, {result.variant or 'vit_b'}, {_amount(result)}",
                result.setting,
                seconds_text(result.median_s),
                seconds_text(result.plain_median_s),
                f"{result.ratio:.2f}",
                _reach(reaches.of_ratio(result)),
                seconds_text(result.floor_s),
            ]
        )
    return table(["measure", "CPU, malloc", "SAMedCore", "plain", "ratio", "reach", "floor"], rows)


def encoders(results: Results) -> str:
    """How near the encoders come to the machine's own matrix product."""
    rows = []
    for result in results.named("encode"):
        product = result.facts["product_gflops"]
        rows.append(
            [
                f"{result.variant}, {_amount(result)}",
                result.setting,
                f"{result.facts['gflop'] / result.facts['batch']:.1f}",
                seconds_text(result.median_s),
                seconds_text(result.floor_s),
                f"{result.gflops:.0f}",
                f"{product:.0f}",
                f"{100 * result.gflops / product:.0f} %",
                _reach(reaches.of_encoder_share(result)),
            ]
        )
    head = ["encoder", "CPU, malloc", "GFLOP a slice", "time", "floor", "GFLOP/s", "product's GFLOP/s", "share", "reach"]
    return table(head, rows)


def slice_rates(results: Results) -> str:
    """Slices a second, and lite beside vit_b."""
    rows = []
    for result in results.named("segment"):
        rate = result.facts["slices"] / result.median_s
        cells = [result.variant, result.setting, f"{rate:.2f}", "", ""]
        for vit_b in results.named("segment", "vit_b", result.setting) if result.variant == "lite" else ():
            times = rate / (vit_b.facts["slices"] / vit_b.median_s)
            reach = None if result.machine["gpu"] else reaches.at_least(times, 2.5, " x")
            cells[3:] = [f"{times:.2f}", _reach(reach)]
        rows.append(cells)
    return table(["network", "CPU, malloc", "slices a second", "times vit_b's", "reach"], rows)


def gpu(results: Results) -> str:
    """What is wanted of a GPU alone."""
    rows = []
    for result in [*results.named("segment"), *results.named("segment_vit_h")]:
        times = [seconds_text(result.median_s), _reach(reaches.of_seconds(result)), seconds_text(result.floor_s)]
        agreement = [f"{result.facts['dice_of_plain']:.5f}", _reach(reaches.of_dice(result))] if result.plain_s else ["", ""]
        rows.append([result.variant or "vit_h", result.setting, *times, *agreement])
    return table(["network", "CPU, malloc", "time", "reach", "floor", "Dice against plain", "reach"], rows)


def stages(results: Results) -> str:
    """Milliseconds of one slice by stage, and what share of it each is."""
    rows = []
    names = stage_names(results)
    for result in results.named("stages"):
        medians = stage_medians(result)
        whole = sum(medians.values())
        cells = [f"{1000 * medians.get(name, 0):.1f} ({100 * medians.get(name, 0) / whole:.1f} %)" for name in names]
        rows.append([result.variant, result.setting, *cells])
    return table(["ms", "CPU, malloc", *names], rows)


def start_up(results: Results) -> str:
    names = ("import", "help", "segment_one_slice", "cold_worker", "warm_worker")
    found = [result for name in names for result in results.named(name)]
    rows = [[TITLES[result.name], seconds_text(result.median_s), _reach(reaches.of_seconds(result))] for result in found]
    return table(["", "median", "reach"], rows)


PROMPTED = {
    "prompt": "box on an encoded slice, request to mask, lite",
    "effect_mask": "the same in the Segment Editor, from the mouse's release to the mask in the view",
    "effect_mask_while_drawing": "the same, while an earlier box of the same movement is still under way",
    "effect_keep": "from Enter to the mask in the segment",
}


def prompting(results: Results) -> str:
    """What a person waits for who prompts, and the memory that it takes."""
    rows = []
    for name, text in PROMPTED.items():
        for result in results.named(name):
            reach = _reach(reaches.of_seconds(result))
            rows.append([text, seconds_text(result.median_s), seconds_text(max(result.seconds)), "", reach])
    for result in results.named("encode_for_prompting"):
        rows.append(
            [f"encoding a slice, {result.variant}", seconds_text(result.median_s), seconds_text(max(result.seconds)), "", ""]
        )
    for result in results.named("prompting_memory"):
        text = f"{result.facts['slices']:,} slices open and encoded as far as is kept, lite; before: "
        rows.append([text + megabytes_text(result.facts["before_mb"]), "", "", megabytes_text(result.facts["host_mb"]), ""])
    return table(["", "median", "worst", "memory", "reach"], rows)


def at_once(results: Results) -> str:
    """How much longer a process takes that has the machine not for itself."""
    found = results.named("at_once")
    rows = [[found[0].variant, seconds_text(found[0].median_s), "", ""]] if found else []
    for result in found[1:]:
        times = result.median_s / found[0].median_s
        rows.append([result.variant, seconds_text(result.median_s), f"{times:.2f}", _reach(reaches.at_most(times, 2.5, " x"))])
    return table(["`samed segment`", "until the last is done", "times alone", "reach"], rows)


def growth_by_slices(results: Results) -> str:
    rows = []
    for result in results.named("slices"):
        times = [seconds_text(result.facts["stages_s"][stage]) for stage in ("read", "segment", "write")]
        memory = [megabytes_text(result.facts[name]) for name in ("host_mb", "gpu_mb")]
        rows.append([f"{int(result.variant):,}", *times, *memory, _reach(reaches.of_memory(result))])
    return table(["slices", "read .nii.gz", "segment", "write .nii.gz", "peak, host", "peak, GPU", "reach"], rows)


def growth_by(results: Results, name: str, heading: str) -> str:
    rows = [
        [
            result.variant,
            seconds_text(result.median_s),
            *(megabytes_text(result.facts[where]) for where in ("host_mb", "gpu_mb")),
        ]
        for result in results.named(name)
    ]
    return table([heading, "segment", "peak, host", "peak, GPU"], rows)


def stage_names(results: Results) -> list[str]:
    """In the order in which a slice meets them."""
    return list(dict.fromkeys(name for result in results.named("stages") for name in result.facts["stages_s"]))


def stage_medians(result: Result) -> dict[str, float]:
    """Seconds of each stage."""
    return {name: statistics.median(times) for name, times in result.facts["stages_s"].items()}


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns that are empty everywhere are left out."""
    rows = list(rows)
    kept = [index for index in range(len(head)) if any(row[index] for row in rows)]
    lines = [[head[index] for index in kept], ["---"] * len(kept), *([row[index] for index in kept] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _amount(result: Result) -> str:
    if "batch" in result.facts:
        return f"batch {result.facts['batch']}"
    return "1 slice" if result.facts["slices"] == 1 else f"{result.facts['slices']} slices"


def _reach(reach: reaches.Reach | None) -> str:
    return "" if reach is None else str(reach)
