"""The scores as a table of fixed columns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from SAMedCore.evaluate.scores import Scores, Summary

_DECIMALS = {"dice": 3, "surface_dice": 3}

_STANDARD_NOTE = """\
Mean ± standard deviation over cases; last line: over organs.
HD95: {hd95}.
MASD: mean of the two directed mean surface distances, in mm. NSD: normalised surface Dice. An organ in neither label map
is not counted. One that is missed (only in the reference) or invented (only in the prediction) counts Dice 0 and NSD 0
and has no distance (Metrics Reloaded, 2024): read HD95 and MASD beside these counts."""

_PAPER_NOTE = """\
SAMed's own protocol: every voxel a cube of edge 1; mean ± standard deviation over cases; last line: over organs.
HD95: {hd95}.
An organ that is invented (only in the prediction) counts Dice 1 and HD95 0; without a prediction both count 0."""


def table(scores: Scores) -> str:
    """A line for each organ and one for their mean; below, what HD95 means and the rule for empty masks; "-": no value."""
    titles = {
        "dice": "Dice",
        "hd95_mm": "HD95 mm",
        "mean_surface_distance_mm": "MASD mm",
        "surface_dice": f"NSD at {scores.tolerance_mm:g} mm",
        "hd95_voxels": "HD95 voxels",
    }
    header = ["organ", *(titles[measure] for measure in scores.measures), "cases", "missed", "invented"]
    mean, cases = scores.mean(), len({row.case for row in scores.rows})
    organs = [_cells(scores, organ, organ.n["dice"]) for organ in scores.summaries()]
    body = [*organs, _cells(scores, mean, cases)]
    widths = [max(len(cells[column]) for cells in (header, *body)) for column in range(len(header))]
    lines = [_align(cells, widths) for cells in (header, *body)]
    rule = "-" * len(lines[0])
    note = _PAPER_NOTE if scores.protocol == "paper" else _STANDARD_NOTE
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1], "", note.format(hd95=scores.hd95)])


def _cells(scores: Scores, summary: Summary, cases: int) -> list[str]:
    values = [_value(summary, measure) for measure in scores.measures]
    return [summary.label, *values, str(cases), str(summary.missed), str(summary.invented)]


def _value(summary: Summary, measure: str) -> str:
    mean, sd, decimals = summary.mean[measure], summary.sd[measure], _DECIMALS.get(measure, 2)
    if math.isnan(mean):
        return "-"
    return f"{mean:.{decimals}f}" if math.isnan(sd) else f"{mean:.{decimals}f} ± {sd:.{decimals}f}"


def _align(cells: Sequence[str], widths: Sequence[int]) -> str:
    numbers = (f"{cell:>{width}}" for cell, width in zip(cells[1:], widths[1:], strict=True))
    return "  ".join([f"{cells[0]:<{widths[0]}}", *numbers])
