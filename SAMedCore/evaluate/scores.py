"""The scores of many cases: summaries, a table for the terminal, a CSV file for everything else."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from SAMedCore.files.atomic import replacing

MEASURES = {
    "standard": ("dice", "hd95_mm", "mean_surface_distance_mm", "surface_dice"),
    "paper": ("dice", "hd95_voxels"),
}
"""What each protocol measures, as named in `OrganScore`."""

HD95 = {
    "standard": "greater of the two directed 95th percentiles of the surface distance, weighted by area, in mm",
    "paper": "95th percentile of the surface distances of both directions taken together, in voxels (medpy's hd95)",
}
"""Which of the measures that are called HD95 each protocol's is. They differ by far more than two models do."""

_NAN = float("nan")


@dataclass(frozen=True)
class OrganScore:
    """One organ of one case. What the protocol does not measure, or what is undefined, is NaN.

    Attributes:
        case: the file's name without its ending.
        label: the organ's name.
        reference_ml: volume in the reference; 0 where the organ is not there.
        prediction_ml: volume in the prediction.
        dice: 0..1.
        hd95_mm: see `HD95["standard"]`.
        mean_surface_distance_mm: mean of both directed mean surface distances.
        surface_dice: normalised surface Dice, 0..1, at the tolerance that `Scores` names.
        hd95_voxels: see `HD95["paper"]`.
    """

    case: str
    label: str
    reference_ml: float
    prediction_ml: float
    dice: float = _NAN
    hd95_mm: float = _NAN
    mean_surface_distance_mm: float = _NAN
    surface_dice: float = _NAN
    hd95_voxels: float = _NAN


@dataclass(frozen=True)
class Summary:
    """One organ over all cases, or all organs: by measure the mean, the standard deviation and the number of values.

    Undefined values (NaN) are left out of all three. `missed` counts the cases where the organ is only in the
    reference, `invented` those where it is only in the prediction.
    """

    label: str
    mean: dict[str, float]
    sd: dict[str, float]
    n: dict[str, int]
    missed: int
    invented: int


@dataclass(frozen=True)
class Scores:
    """All rows of an evaluation.

    Attributes:
        rows: one for each case and organ.
        protocol: "standard" or "paper".
        tolerance_mm: of the surface Dice.
    """

    rows: tuple[OrganScore, ...]
    protocol: str = "standard"
    tolerance_mm: float = 2.0

    @property
    def measures(self) -> tuple[str, ...]:
        return MEASURES[self.protocol]

    @property
    def hd95(self) -> str:
        """What HD95 means here, in words."""
        return HD95[self.protocol]

    @property
    def labels(self) -> tuple[str, ...]:
        """The organs' names in the order of the rows."""
        return tuple(dict.fromkeys(row.label for row in self.rows))

    def summaries(self) -> list[Summary]:
        """One summary for each organ, over the cases; sd is the sample standard deviation, NaN for a single value."""
        return [self._summary(label) for label in self.labels]

    def mean(self) -> Summary:
        """The mean over the organs of their means over the cases, as the paper reports it; n counts organs."""
        organs = self.summaries()
        by_measure = {measure: [organ.mean[measure] for organ in organs] for measure in self.measures}
        missed, invented = sum(organ.missed for organ in organs), sum(organ.invented for organ in organs)
        return _summarise("mean", by_measure, missed, invented)

    def _summary(self, label: str) -> Summary:
        rows = [row for row in self.rows if row.label == label]
        by_measure = {measure: [getattr(row, measure) for row in rows] for measure in self.measures}
        missed = sum(row.reference_ml > 0 and row.prediction_ml == 0 for row in rows)
        invented = sum(row.reference_ml == 0 and row.prediction_ml > 0 for row in rows)
        return _summarise(label, by_measure, missed, invented)

    def write_csv(self, path: Path) -> None:
        """Writes one line for each case and organ, undefined values left blank; the last column says what HD95 means.

        Raises:
            InputError: it cannot be written.
        """
        names = ["case", "label", "reference_ml", "prediction_ml", *self.measures]
        with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow([*names, "hd95_definition"])
            for row in self.rows:
                writer.writerow([*(_cell(getattr(row, name)) for name in names), self.hd95])

    def table(self) -> str:
        """The summaries as text for a terminal; see `SAMedCore.evaluate.table`."""
        from SAMedCore.evaluate.table import table

        return table(self)


def _summarise(label: str, by_measure: dict[str, list[float]], missed: int, invented: int) -> Summary:
    defined = {name: [value for value in values if not math.isnan(value)] for name, values in by_measure.items()}
    return Summary(
        label,
        mean={name: float(np.mean(values)) if values else _NAN for name, values in defined.items()},
        sd={name: float(np.std(values, ddof=1)) if len(values) > 1 else _NAN for name, values in defined.items()},
        n={name: len(values) for name, values in defined.items()},
        missed=missed,
        invented=invented,
    )


def _cell(value: str | float) -> str:
    if isinstance(value, str):
        return value
    return "" if math.isnan(value) else f"{value:.6g}"
