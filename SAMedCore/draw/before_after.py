"""Whether a training made it better, structure by structure."""

from __future__ import annotations

from pathlib import Path
from textwrap import fill

from SAMedCore.draw.saving import padded_layout, save
from SAMedCore.errors import InputError
from SAMedCore.evaluate.before_after import BeforeAfter

BLUE, RED, INK, GREY = "#2f6db5", "#c0262d", "#1d2530", "#6b7684"


def before_after_picture(comparison: BeforeAfter, path: Path) -> None:
    """Draws a line for each structure from its Dice before to that after, and one for the mean; in red what came out worse.

    Args:
        path: where to; the ending .png, .pdf or .svg decides the format.

    Raises:
        InputError: there is no structure, or the file cannot be written.
    """
    from matplotlib.figure import Figure

    if not comparison.names:
        raise InputError(f'"{path}" cannot be drawn, there is no structure: train on at least one.')
    rows = [*zip(comparison.names, comparison.before, comparison.after, strict=True)]
    rows.append(("mean", comparison.mean_before, comparison.mean_after))
    heading = fill(comparison.summary(), 112)
    height_in = 1.5 + 0.34 * len(rows) + 0.24 * heading.count("\n")
    figure = Figure(figsize=(10, height_in), layout=padded_layout(), facecolor="white")
    axes = figure.subplots()
    for place, (name, before, after) in enumerate(rows):
        _draw(axes, place, before, after, name in comparison.worse)
    axes.axhline(len(rows) - 1.5, color=GREY, linewidth=0.8)
    axes.set(xlim=(-0.02, 1.02), ylim=(len(rows) - 0.4, -0.6))
    axes.set_yticks(range(len(rows)), [name for name, _, _ in rows], fontsize=12, color=INK)
    for label, (name, _, _) in zip(axes.get_yticklabels(), rows, strict=True):
        label.set(color=RED if name in comparison.worse else INK, weight="bold" if name == "mean" else "normal")
    axes.set_xlabel("Dice: ring before, dot after the training", fontsize=11, color=GREY)
    axes.grid(axis="x", color="#e3e7ec", linewidth=0.8)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="x", labelsize=11, colors=GREY)
    axes.tick_params(axis="y", length=0)
    figure.suptitle(heading, fontsize=11.5, color=INK, x=0.015, ha="left")
    save(figure, path)


def _draw(axes, place: int, before: float | None, after: float | None, is_worse: bool) -> None:
    colour = RED if is_worse else BLUE
    if before is not None and after is not None:
        axes.plot([before, after], [place, place], color=colour, linewidth=3, alpha=0.45, solid_capstyle="butt", zorder=2)
    if before is not None:
        axes.scatter([before], [place], s=110, facecolors="white", edgecolors=GREY, linewidths=2, zorder=3)
    if after is not None:
        axes.scatter([after], [place], s=45, color=colour, zorder=4)
    values = " to ".join("-" if value is None else f"{value:.2f}" for value in (before, after))
    text = f"{values}{'  worse' if is_worse else ''}"
    beside = {"xycoords": axes.get_yaxis_transform(), "textcoords": "offset points", "annotation_clip": False}
    axes.annotate(text, (1.0, place), (10, 0), va="center", fontsize=11, color=RED if is_worse else INK, **beside)
