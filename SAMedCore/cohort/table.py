"""The report as a table, a line a scan, for a spreadsheet or a program. Imports nothing but Python's own."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from SAMedCore.cohort.outliers import findings, outliers_first
from SAMedCore.cohort.scans import ScanRow
from SAMedCore.files.atomic import replacing

NAMED = 5
"""So many scans are named in a sentence."""


@dataclass(frozen=True)
class TableLine:
    """What another program needs of a line: the scan's name, its image, and its segmentation or why there is none."""

    name: str
    image: Path
    segmentation: Path | None
    error: str | None


def write_table(rows: Sequence[ScanRow], structures: Sequence[str], path: Path) -> None:
    """Write the table, in the page's order; columns of the structures are in the order given.

    Raises:
        InputError: it cannot be written.
    """
    found = findings(rows)
    lines = [
        _line(row, [str(each) for each in found.get(row.scan.name, ())], structures) for row in outliers_first(rows, found)
    ]
    with replacing(path) as unfinished, unfinished.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)


def read_table(path: Path) -> list[TableLine]:
    """What `write_table` wrote."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        return [
            TableLine(
                row["scan"],
                Path(row["image"]),
                Path(row["segmentation"]) if row["segmentation"] else None,
                row["error"] or None,
            )
            for row in csv.DictReader(file)
        ]


def failures_in_words(failed: Mapping[str, str], scans: int, page: Path) -> str:
    """A sentence that names the first scans that failed, and why the last one did.

    Args:
        failed: the reason by the image's file name.
        scans: how many there are in all.
        page: of the report.
    """
    names = list(failed)
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    reason = failed[names[-1]].removesuffix(".")
    return f'{len(names)} of {scans} scans failed ({", ".join(names[:NAMED])}{more}): {reason}; "{page}" has all.'


def _line(row: ScanRow, unusual: list[str], structures: Sequence[str]) -> dict[str, Any]:
    doubt = row.mean_doubt
    return {
        "scan": row.scan.name,
        "image": row.scan.image,
        "segmentation": "" if row.error else row.scan.output,
        "error": row.error or "",
        "unusual": "; ".join(unusual),
        "doubt": "" if doubt is None else f"{doubt:.4f}",
        **{f"{name} ml": _number(row.volumes_ml, name, 2) for name in structures},
        **{f"{name} doubt": _number(row.doubt, name, 4) for name in structures},
        **{f"seconds to {what}": _number(row.seconds, what, 3) for what in ("read", "segment", "write")},
        "voxels": " ".join(map(str, row.shape)),
        "spacing mm": " ".join(f"{mm:.6g}" for mm in row.spacing_mm),
        "tries": row.tries,
        "worker": row.worker,
        "notes": " ".join(row.notes),
    }


def _number(values: Mapping[str, float], name: str, digits: int) -> str:
    return f"{values[name]:.{digits}f}" if name in values else ""
