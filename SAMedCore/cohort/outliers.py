"""What is unusual in a cohort: volumes and doubt far from those of the other scans. Imports nothing but Python's own.

By robust z-scores, `0.6745 (x - median) / MAD` (Iglewicz & Hoaglin, "How to Detect and Handle Outliers", 1993, who take more
than 3.5 for an outlier): the outliers themselves hardly move the median and the median absolute deviation. Volumes are
compared by their logarithm, so that half as large is as far away as twice as large.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from SAMedCore.cohort.scans import ScanRow

LIMIT = 3.5
FEWEST_SCANS = 8
"""With fewer values nothing is called unusual: their median says too little."""

MAD_TO_SIGMA = 0.6745
LEAST_MAD = {"volume": math.log(1.05), "doubt": 0.01}
"""Smaller differences are of no interest, however alike the scans are: 5 % of a volume, a hundredth of doubt."""

USUALLY_FOUND = 0.75
"""A structure is missed in a scan where at least this part of the others has it."""

MISSING_SCORE = 10.0


@dataclass(frozen=True)
class Finding:
    """What is unusual in one scan.

    Attributes:
        kind: "volume", "doubt" or "missing".
        structure: its name.
        value: ml, or doubt; 0 for a missing one.
        usual: the cohort's median.
        score: the z-score's size; `MISSING_SCORE` for a missing structure.
    """

    kind: str
    structure: str
    value: float
    usual: float
    score: float

    def __str__(self) -> str:
        """For people: "liver 320 ml (usual 1,450)"."""
        if self.kind == "missing":
            return f"{self.structure} not found (usual {self.usual:,.0f} ml)"
        if self.kind == "volume":
            digits = 1 if self.usual < 20 else 0
            return f"{self.structure} {self.value:,.{digits}f} ml (usual {self.usual:,.{digits}f})"
        return f"doubt in {self.structure} {self.value:.2f} (usual {self.usual:.2f})"


def findings(rows: Sequence[ScanRow]) -> dict[str, list[Finding]]:
    """By the name of each segmented scan what is unusual in it, the most unusual first."""
    done = [row for row in rows if row.error is None]
    found: dict[str, list[Finding]] = {row.scan.name: [] for row in done}
    for name in dict.fromkeys(name for row in done for name in row.volumes_ml):
        present = [row for row in done if row.volumes_ml.get(name)]
        volumes = {row.scan.name: math.log(row.volumes_ml[name]) for row in present}
        doubts = {row.scan.name: row.doubt[name] for row in present if name in row.doubt}
        for scan, score, usual in _far(volumes, LEAST_MAD["volume"]):
            found[scan].append(Finding("volume", name, math.exp(volumes[scan]), math.exp(usual), abs(score)))
        for scan, score, usual in _far(doubts, LEAST_MAD["doubt"]):
            if score > 0:
                found[scan].append(Finding("doubt", name, doubts[scan], usual, score))
        if len(done) >= FEWEST_SCANS and USUALLY_FOUND * len(done) <= len(present) < len(done):
            usual_ml = math.exp(median(volumes.values()))
            for row in (row for row in done if not row.volumes_ml.get(name)):
                found[row.scan.name].append(Finding("missing", name, 0.0, usual_ml, MISSING_SCORE))
    return {scan: sorted(each, key=lambda finding: -finding.score) for scan, each in found.items()}


def outliers_first(rows: Sequence[ScanRow], found: dict[str, list[Finding]]) -> list[ScanRow]:
    """The rows: the failed scans, then the unusual ones from the most unusual on, then the others from the most doubtful on."""

    def order(row: ScanRow) -> tuple[float, float, str]:
        score = max((finding.score for finding in found.get(row.scan.name, ())), default=0.0)
        return (-math.inf if row.error is not None else -score, -(row.mean_doubt or 0.0), row.scan.name)

    return sorted(rows, key=order)


def _far(values: dict[str, float], least_mad: float) -> list[tuple[str, float, float]]:
    """(scan, z-score, median) of each value beyond the limit."""
    if len(values) < FEWEST_SCANS:
        return []
    middle = median(values.values())
    spread = max(median(abs(value - middle) for value in values.values()), least_mad)
    scores = {scan: MAD_TO_SIGMA * (value - middle) / spread for scan, value in values.items()}
    return [(scan, score, middle) for scan, score in scores.items() if abs(score) > LIMIT]
