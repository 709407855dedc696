"""The soak as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from report_picture import FAST, GREY, INK, RULE, STAGES

from SAMedCore.draw.saving import padded_layout, save

COUNTS = (("threads", "threads", STAGES[3]), ("descriptors", "open descriptors", STAGES[4]), ("files", "files left", INK))


def draw(samples: Sequence[Any], warm_up: float, path: Path) -> None:
    """Draws memory, and what else is counted, over the answers.

    Args:
        samples: each a `soak.Sample`.
        warm_up: the part of them that is not compared.
        path: of the picture.
    """
    answers = [each.answers for each in samples]
    figure = Figure(figsize=(10, 6.4), layout=padded_layout(), facecolor="white")
    memory, counts = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    memory.plot(answers, [each.peak_mb for each in samples], color=STAGES[5], linewidth=1.6, label="highest so far (VmHWM)")
    memory.plot(answers, [each.rss_mb for each in samples], color=STAGES[0], linewidth=1.6, label="resident (RSS)")
    memory.plot(
        answers, [each.anonymous_mb for each in samples], color=FAST, linewidth=2.2, label="its own, no file's (anonymous)"
    )
    memory.set_ylabel("MiB", fontsize=10, color=INK)
    memory.set_ylim(0, 1.35 * max(each.peak_mb for each in samples))
    memory.set_title("Memory of one worker", fontsize=13, color=INK, weight="bold", loc="left")
    for name, label, colour in COUNTS:
        counts.plot(answers, [getattr(each, name) for each in samples], color=colour, linewidth=2, label=label)
    counts.set_ylim(-1, 1.6 * max(max(each.threads, each.descriptors) for each in samples))
    counts.set_title("Threads, descriptors, files", fontsize=13, color=INK, weight="bold", loc="left")
    counts.set_xlabel("segmentations and prompts answered", fontsize=10, color=INK)
    counts.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    kept = answers[round(warm_up * len(answers)) :]
    for axes in (memory, counts):
        axes.axvspan(0, kept[0], color="#f3f5f8", zorder=0)
        axes.axvline(kept[len(kept) // 2], color=GREY, linewidth=1, linestyle=":")
        axes.set_xlim(0, answers[-1])
        axes.grid(color=RULE, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(GREY)
        axes.tick_params(labelsize=10, colors=GREY)
        axes.legend(loc="upper right", fontsize=9, frameon=False, ncols=3)
    memory.text(kept[0] / 2, memory.get_ylim()[1] * 0.03, "warm-up", ha="center", fontsize=9, color=GREY)
    for part, text in ((0.25, "first half"), (0.75, "second half")):
        place = kept[0] + part * (kept[-1] - kept[0])
        memory.text(place, memory.get_ylim()[1] * 0.03, text, ha="center", fontsize=9, color=GREY)
    save(figure, path)
