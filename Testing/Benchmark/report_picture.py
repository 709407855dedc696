"""The results as one picture."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from report_tables import seconds_text, stage_medians, stage_names
from results import Result, Results

from SAMedCore.draw.saving import padded_layout, save

FAST, PLAIN, INK, GREY, RULE = "#2f6db5", "#c3cad3", "#1d2530", "#6b7684", "#e3e7ec"
STAGES = ("#8fb4dc", "#5c93cc", "#2f6db5", "#c4561b", "#e6b35a", "#a9b3bf")
MEASURES = (
    ("segment", "vit_b", "segment, vit_b"),
    ("segment", "lite", "segment, lite"),
    ("training_step", "", "training step"),
)


def draw(results: Results, path: Path) -> None:
    """Draws speed beside the plain procedure, the stages of a slice, and the growth of time and memory."""
    figure = Figure(figsize=(12, 8.4), layout=padded_layout(), facecolor="white")
    (speed, stages), (slices, growth) = figure.subplots(2, 2)
    _draw_speed(speed, results)
    _draw_stages(stages, results)
    _draw_slices(slices, results)
    _draw_growth(growth, results)
    for axes in (speed, stages, slices, growth):
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(GREY)
        axes.tick_params(labelsize=10, colors=GREY)
        axes.set_axisbelow(True)
    save(figure, path)


def _draw_speed(axes: Axes, results: Results) -> None:
    """Bars of the plain procedure and of SAMedCore, both as parts of the plain procedure's time; a line at the floor."""
    rows = [
        (f"{title}\n{result.setting}", result) for name, variant, title in MEASURES for result in results.named(name, variant)
    ]
    for place, (_, result) in enumerate(rows):
        share = 1 / result.ratio
        axes.barh(place - 0.19, 1, 0.34, color=PLAIN, label="plain procedure" if place == 0 else None)
        axes.barh(place + 0.19, share, 0.34, color=FAST, label="SAMedCore" if place == 0 else None)
        floor = result.floor_s / result.plain_median_s
        axes.plot([floor, floor], [place + 0.02, place + 0.36], color=INK, linewidth=2, label="floor" if place == 0 else None)
        axes.text(1.015, place - 0.19, seconds_text(result.plain_median_s), va="center", fontsize=9, color=GREY)
        text = f"{seconds_text(result.median_s)}  ({result.ratio:.2f} x)"
        axes.text(share + 0.015, place + 0.19, text, va="center", fontsize=9, color=FAST, weight="bold")
    axes.set_yticks(range(len(rows)), [title for title, _ in rows])
    axes.invert_yaxis()
    axes.set_xlim(0, 1.2)
    axes.set_xticks([])
    (floor, *bars), (floor_label, *bar_labels) = axes.get_legend_handles_labels()
    legend = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.01), "fontsize": 9, "frameon": False, "ncols": 3}
    axes.legend([*bars, floor], [*bar_labels, floor_label], **legend)
    _title(axes, "Time beside the plain procedure's")


def _draw_stages(axes: Axes, results: Results) -> None:
    """A slice's time, cut into its stages."""
    rows = results.named("stages")
    for place, result in enumerate(rows):
        medians, left = stage_medians(result), 0.0
        whole = sum(medians.values())
        for colour, name in zip(STAGES, stage_names(results), strict=False):
            share = 100 * medians.get(name, 0) / whole
            axes.barh(place, share, 0.5, left=left, color=colour, label=name if place == 0 else None)
            if share >= 4:
                axes.text(left + share / 2, place, f"{share:.0f} %", ha="center", va="center", fontsize=9, color="white")
            left += share
    axes.set_yticks(range(len(rows)), [f"{result.variant}\n{result.setting}" for result in rows])
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel("% of a slice's time", fontsize=10, color=INK)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), fontsize=9, frameon=False, ncols=3)
    _title(axes, "Where a slice's time goes")


def _draw_slices(axes: Axes, results: Results) -> None:
    """Time and host memory by the number of slices."""
    rows = sorted(results.named("slices"), key=_number)
    counts = [_number(result) for result in rows]
    for stage, colour in (("segment", FAST), ("write", STAGES[4]), ("read", STAGES[5])):
        axes.loglog(counts, [result.facts["stages_s"][stage] for result in rows], "o-", color=colour, label=f"{stage}, s")
    memory = axes.twinx()
    memory.semilogx(counts, [result.facts["host_mb"] for result in rows], "s--", color=STAGES[3])
    memory.set_ylim(bottom=0)
    memory.set_ylabel("peak host memory above the model, MB", fontsize=10, color=STAGES[3])
    memory.spines[:].set_visible(False)
    memory.tick_params(labelsize=10, colors=STAGES[3])
    axes.set_xticks(counts, [f"{count:,}" for count in counts])
    axes.set_xlabel("slices of 512 x 512", fontsize=10, color=INK)
    axes.set_ylabel("seconds", fontsize=10, color=INK)
    axes.grid(color=RULE, linewidth=0.8)
    axes.legend(loc="upper left", fontsize=9, frameon=False)
    _title(axes, "Growth with the number of slices")


def _draw_growth(axes: Axes, results: Results) -> None:
    """Time by slice size, classes and batch, each beside its own smallest."""
    highest = 1.0
    for name, title, colour in (
        ("slice_size", "pixels along a slice's side", FAST),
        ("classes", "classes", STAGES[3]),
        ("batch", "batch, the same slices", STAGES[4]),
    ):
        rows = sorted(results.named(name), key=_number)
        if rows:
            times = [result.median_s / rows[0].median_s for result in rows]
            axes.plot([_number(result) for result in rows], times, "o-", color=colour, label=title)
            highest = max(highest, *times)
    axes.set_xscale("log", base=2)
    axes.set_ylim(0, 1.15 * highest)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_ylabel("time, beside the smallest's", fontsize=10, color=INK)
    axes.grid(color=RULE, linewidth=0.8)
    axes.legend(loc="lower right", fontsize=9, frameon=False)
    _title(axes, "Growth with size, classes and batch")


def _number(result: Result) -> int:
    return int(result.variant)


def _title(axes: Axes, text: str) -> None:
    axes.set_title(text, fontsize=13, color=INK, weight="bold", loc="left")
