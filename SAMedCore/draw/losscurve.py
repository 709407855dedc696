"""How a training went."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from SAMedCore.draw.saving import padded_layout, save
from SAMedCore.errors import InputError

LOSS, DICE, INK, GREY = "#2f6db5", "#c4561b", "#1d2530", "#6b7684"


def loss_curve(history: Sequence[Mapping[str, float | None]], path: Path, title: str | None = None) -> None:
    """Draws the training loss and, where it was measured, the validation Dice over the epochs, its best epoch marked.

    Args:
        history: one entry for each epoch with "epoch", "loss" and "validation_dice" (None where it was not measured).
        path: where to; the ending .png, .pdf or .svg decides the format.
        title: a line above the picture.

    Raises:
        InputError: the history is empty, or the file cannot be written.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    if not history:
        raise InputError(f'"{path}" cannot be drawn, the history is empty: train at least one epoch.')
    validated = _points(history, "validation_dice")
    figure = Figure(figsize=(9, 6.2 if validated else 3.8), layout=padded_layout(), facecolor="white")
    panels = figure.subplots(2 if validated else 1, 1, sharex=True, squeeze=False)[:, 0]
    _draw(panels[0], _points(history, "loss"), LOSS, "training loss")
    panels[0].set_ylim(bottom=0)
    if validated:
        _draw(panels[1], validated, DICE, "validation Dice")
        _mark_best(panels[1], validated)
        panels[1].set_ylim(0, 1)
    panels[-1].set_xlim(0, 1.02 * max(float(entry["epoch"] or 1) for entry in history))
    panels[-1].set_xlabel("epoch", fontsize=12, color=INK)
    panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    if title:
        figure.suptitle(title, fontsize=16, color=INK, weight="bold", x=0.015, ha="left")
    save(figure, path)


def _points(history: Sequence[Mapping[str, float | None]], name: str) -> list[tuple[float, float]]:
    points = ((entry["epoch"], entry.get(name)) for entry in history)
    return [(epoch, value) for epoch, value in points if epoch is not None and value is not None and math.isfinite(value)]


def _draw(axes, points: list[tuple[float, float]], colour: str, heading: str) -> None:
    epochs, values = zip(*points, strict=True) if points else ((), ())
    # Few epochs need their points marked: a single one would be invisible as a line.
    axes.plot(epochs, values, color=colour, linewidth=2.2, marker="o" if len(points) <= 30 else None, markersize=5)
    axes.set_title(heading, fontsize=13, color=colour, weight="bold", loc="left")
    axes.grid(color="#e3e7ec", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=11, colors=GREY)


def _mark_best(axes, points: list[tuple[float, float]]) -> None:
    epoch, best = max(points, key=lambda point: point[1])
    axes.scatter([epoch], [best], s=110, facecolors="none", edgecolors=DICE, linewidths=2, zorder=4)
    axes.set_title(f"best {best:.3f} in epoch {epoch:g}", fontsize=12, color=INK, loc="right")
