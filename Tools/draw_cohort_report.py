"""Make the report that Docs/cohort-report.png shows, of a made-up cohort: `python Tools/draw_cohort_report.py FOLDER [SCANS]`.

Each scan is the sample CT with its reference labels, cut and stretched at random as scans of other people would differ; the
doubt is made up. Then any browser takes the picture, for example

    chromium --headless --screenshot=Docs/cohort-report.png --window-size=1480,1500 FOLDER/report.html
"""

import sys
from pathlib import Path

import numpy as np

from SAMedCore.cohort.page import write_page
from SAMedCore.cohort.scans import Request, Scan, ScanRow, request_for
from SAMedCore.demo.sample import fetch_sample
from SAMedCore.draw.thumbnail import write_thumbnail
from SAMedCore.image.volume import LabelMap, Volume
from SAMedCore.options import ModelOptions, SegmentOptions

ABDOMEN = slice(30, 112)
FAILED = {
    "ct-0107": '"scans/ct-0107" has slices 2.5 to 5 mm apart: slices are missing or doubled; export the series again, complete '
    "and one phase at a time.",
    "ct-0119": '"scans/ct-0119.nii.gz" is empty: choose an image file.',
}


def main() -> None:
    folder, count = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 24
    request = request_for(folder, ModelOptions("abdomen-demo"), SegmentOptions())
    request.thumbnail("any").parent.mkdir(parents=True, exist_ok=True)
    volume, labels, *_ = fetch_sample()
    random = np.random.default_rng(7)
    rows = [ScanRow(_scan(folder, name), error) for name, error in FAILED.items()]
    rows += [_row(f"ct-{101 + number:04}", number, volume, labels, request, random) for number in range(count)]
    write_page(
        [row for row in rows if row.error or row.scan.name not in FAILED], labels.labels, request, folder / "report.html"
    )


def _row(name: str, number: int, volume: Volume, labels: LabelMap, request: Request, random: np.random.Generator) -> ScanRow:
    low, high = random.integers(0, 12, 2)
    part = slice(ABDOMEN.start + low, ABDOMEN.stop - (45 if number == 4 else high // 3))
    matrix = volume.ijk_to_lps @ np.diag([*random.normal(1, 0.05, 3), 1])
    found = labels.voxels[part].copy()
    if number == 9:
        found[found == 4] = 0
    labelmap = LabelMap(found, matrix, labels.labels)
    write_thumbnail(Volume(volume.voxels[part], matrix), labelmap, request.thumbnail(name))
    doubts = {each: float(value) for each, value in zip(labels.labels.names, random.beta(4, 36, 8), strict=True)}
    if number == 13:
        doubts["pancreas"] = 0.47
    return ScanRow(
        _scan(Path(request.folder).parent, name),
        volumes_ml={label.name: ml for label, ml in labelmap.volumes_ml().items()},
        doubt=doubts,
        shape=tuple(reversed(found.shape)),
        spacing_mm=labelmap.grid.spacing_mm,
        seconds={"read": 0.4, "segment": float(random.normal(9, 1)), "write": 0.3},
        worker="cuda:0",
    )


def _scan(folder: Path, name: str) -> Scan:
    return Scan(name, f"scans/{name}.nii.gz", str(folder / f"{name}.seg.nrrd"), (0, 0))


if __name__ == "__main__":
    main()
