"""What completing is worth: Dice on the slices that were not annotated, scan by scan, beside what fills in without it.

`make completing` prints the tables and writes build/completing.json. Names of rows, as arguments, run these alone; `--seeds N`.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from completing_scans import dicom_ct_scan
from prompt_scans import Scan, ct_scan, mr_scan, second_ct_scan

from SAMedCore.complete.baselines import Carrying, Copy, Interpolation
from SAMedCore.complete.filler import PartialScan
from SAMedCore.complete.scan import complete
from SAMedCore.complete.shapes import SliceShapes, reach, to_labels
from SAMedCore.demo.sample import ORGAN_SLICES
from SAMedCore.evaluate.measures import dice
from SAMedCore.image.labels import LabelTable
from SAMedCore.image.orientation import reorient
from SAMedCore.image.volume import LabelMap
from SAMedCore.options import CompleteOptions
from SAMedCore.work import SILENT

OUT = Path(__file__).parents[2] / "build" / "completing.json"
ROWS = {
    "sample, every 6th": (ct_scan, 6),
    "sample, every 10th": (ct_scan, 10),
    "sample, every 2nd": (ct_scan, 2),
    "CT 0.98 x 0.98 x 2 mm, every 4th": (dicom_ct_scan, 4),
    "MR, every 4th": (mr_scan, 4),
    "chest CT, every 10th": (second_ct_scan, 10),
}


@dataclass(frozen=True, eq=False)
class Task:
    """A scan annotated on some slices: (k, j, i) labels, and which slices are scored."""

    scan: Scan
    labels: LabelMap
    annotated: tuple[int, ...]
    scored: tuple[int, ...]

    def partly(self) -> LabelMap:
        voxels = np.zeros_like(self.labels.voxels)
        voxels[list(self.annotated)] = self.labels.voxels[list(self.annotated)]
        return LabelMap(voxels, self.labels.ijk_to_lps, self.labels.labels)

    def dices(self, found: np.ndarray) -> dict[str, float]:
        """Of each structure, on the scored slices together."""
        slices, table = list(self.scored), self.labels.labels
        pairs = zip(table.values, self.scan.structures, strict=True)
        return {name: dice(found[slices] == value, self.labels.voxels[slices] == value) for value, name in pairs}


def make_task(make_scan: Callable[[], Scan], every: int) -> Task:
    scan = make_scan()
    volume = reorient(scan.volume, "LPS")
    voxels = np.zeros(volume.voxels.shape, np.uint8)
    for value, mask in enumerate(scan.structures.values(), start=1):
        voxels[mask] = value
    holding = np.flatnonzero(voxels.any(axis=(1, 2)))
    slices = ORGAN_SLICES if make_scan is ct_scan else range(holding[0], holding[-1] + 1)
    annotated = tuple(slices[::every])
    table = LabelTable.generic(range(1, len(scan.structures) + 1))
    return Task(scan, LabelMap(voxels, volume.ijk_to_lps, table), annotated, tuple(k for k in slices if k not in annotated))


def without_network(task: Task) -> dict[str, dict[str, float]]:
    """Title -> Dice by structure of what takes little time, and of ITK's interpolator where it is installed."""
    volume, partly = reorient(task.scan.volume, "LPS"), task.partly()
    i_mm, j_mm, _ = volume.grid.spacing_mm
    shapes = SliceShapes(partly.voxels, task.annotated, (j_mm, i_mm))
    partial = PartialScan(volume, shapes, CompleteOptions(), SILENT)
    missing = [k for k in reach(task.annotated, len(partly.voxels)) if k not in task.annotated]
    results = {}
    copied = partly.voxels
    for filler in (Copy, Interpolation, Carrying):
        found = partly.voxels.copy()
        for k, scores in filler(partial).fill(missing):
            found[k] = to_labels(scores, found.shape[1:], found.dtype)
        results[filler.title] = task.dices(found)
        copied = found if filler is Copy else copied
    try:
        import itk
    except ImportError:
        return results
    interpolator = itk.MorphologicalContourInterpolator.New(itk.image_from_array(np.ascontiguousarray(partly.voxels)))
    interpolator.SetAxis(2)
    interpolator.Update()
    found = itk.array_from_image(interpolator.GetOutput())
    results["ITK, as Slicer's Fill between slices"] = task.dices(found)
    ends = [k for k in missing if not task.annotated[0] < k < task.annotated[-1]]
    found[ends] = copied[ends]
    results["the same, the ends copied"] = task.dices(found)
    return results


def with_network(task: Task, seed: int) -> dict[str, object]:
    start = time.perf_counter()
    result = complete(task.scan.volume, task.partly(), CompleteOptions(task.annotated, device="cpu", seed=seed))
    names = dict(zip(task.labels.labels.values, task.scan.structures, strict=True))
    return {
        "seconds": time.perf_counter() - start,
        "dice": task.dices(reorient(result.labelmap, "LPS").voxels),
        "methods": {names[value]: method for value, method in result.by_label.items()},
        "estimates": {name: estimate.mean_dice for name, estimate in result.estimates.items()},
    }


def show(title: str, dices: dict[str, float], end: str = "") -> None:
    each = "  ".join(f"{name} {value:.3f}" for name, value in dices.items())
    print(f"  {title:42s} {np.nanmean(list(dices.values())):.3f}   {each}{end}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", choices=[*ROWS, []], help="default: all")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    stored = json.loads(OUT.read_text()) if OUT.exists() else {}
    for row in options.rows or ROWS:
        make_scan, every = ROWS[row]
        task = make_task(make_scan, every)
        print(row)
        stored[row] = {"without": without_network(task), "seeds": {}}
        for title, dices in stored[row]["without"].items():
            show(title, dices)
        for seed in range(options.seeds):
            stored[row]["seeds"][str(seed)] = found = with_network(task, seed)
            show(f"completed, seed {seed}", found["dice"], f"   {found['seconds']:.0f} s, {found['methods']}")
            OUT.parent.mkdir(exist_ok=True)
            OUT.write_text(json.dumps(stored, indent=1))


if __name__ == "__main__":
    main()
