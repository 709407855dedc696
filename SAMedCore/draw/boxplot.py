"""Scores by organ as box plots."""

from __future__ import annotations

import math
from pathlib import Path
from textwrap import fill

import numpy as np

from SAMedCore.draw.saving import padded_layout, save
from SAMedCore.errors import InputError
from SAMedCore.evaluate.scores import Scores

BLUE, INK, GREY = "#2f6db5", "#1d2530", "#6b7684"


def box_plot(scores: Scores, path: Path, title: str | None = None) -> None:
    """Draws Dice and HD95 by organ, a point for each case: median, quartiles, whiskers to 1.5 times their distance.

    Args:
        scores: of either protocol; undefined values are left out and their number is given.
        path: where to; the ending .png, .pdf or .svg decides the format.
        title: a line above the picture.

    Raises:
        InputError: there are no scores, or the file cannot be written.
    """
    from matplotlib.figure import Figure

    if not scores.rows:
        raise InputError(f'"{path}" cannot be drawn, there are no scores: evaluate at least one case.')
    labels = scores.labels
    figure = Figure(figsize=(12, 1.9 + 0.5 * len(labels)), layout=padded_layout(), facecolor="white")
    axes = figure.subplots(1, 2, sharey=True)
    measures = ("dice", "hd95_voxels" if scores.protocol == "paper" else "hd95_mm")
    titles = ("Dice", "HD95 in " + ("voxels" if scores.protocol == "paper" else "mm"))
    for panel, measure, heading in zip(axes, measures, titles, strict=True):
        _draw(panel, scores, measure)
        panel.set_title(heading, fontsize=14, color=INK, loc="left", weight="bold")
    axes[1].set_xlabel(fill(scores.hd95, 60), fontsize=10, color=GREY, loc="left")
    axes[0].set(xlim=(-0.02, 1.02), ylim=(len(labels) - 0.4, -0.6))
    axes[1].set_xlim(0, max(axes[1].get_xlim()[1], 1))
    axes[0].set_yticks(range(len(labels)), labels, fontsize=13, color=INK)
    if title:
        figure.suptitle(title, fontsize=17, color=INK, weight="bold", x=0.015, ha="left")
    save(figure, path)


def _draw(axes, scores: Scores, measure: str) -> None:
    jitter = np.random.default_rng(0)
    for row, label in enumerate(scores.labels):
        values = [getattr(score, measure) for score in scores.rows if score.label == label]
        defined = [value for value in values if not math.isnan(value)]
        if len(defined) > 1:
            axes.boxplot(
                [defined], positions=[row], orientation="horizontal", widths=0.5, patch_artist=True, showfliers=False,
                manage_ticks=False, boxprops={"facecolor": BLUE + "33", "edgecolor": BLUE},
                medianprops={"color": BLUE, "linewidth": 2.5}, whiskerprops={"color": BLUE}, capprops={"color": BLUE},
            )  # fmt: skip
        spread = row + jitter.uniform(-0.13, 0.13, len(defined)) * (len(defined) > 1)
        axes.scatter(defined, spread, s=22, color=INK, alpha=0.65, linewidths=0, zorder=3, clip_on=False)
        if len(defined) < len(values):
            axes.text(1, row - 0.3, f"{len(values) - len(defined)} of {len(values)} undefined", fontsize=9, color=GREY,
                      transform=axes.get_yaxis_transform(), ha="right", va="center")  # fmt: skip
    axes.grid(axis="x", color="#d9dee5", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelsize=11, colors=GREY)
