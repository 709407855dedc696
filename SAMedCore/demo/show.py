"""The whole job on a small real CT: fetch, segment with the shipped checkpoint, score, draw."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from SAMedCore.checkpoint import catalogue
from SAMedCore.complete.shapes import SliceShapes, interpolated, nearest
from SAMedCore.demo import sample
from SAMedCore.files.write import write_labelmap
from SAMedCore.image.labels import LabelTable
from SAMedCore.image.orientation import reorient
from SAMedCore.image.volume import LabelMap
from SAMedCore.options import DEFAULT_BASE
from SAMedCore.work import SILENT, Work

ANNOTATED = sample.ORGAN_SLICES[:: sample.ANNOTATED_EVERY]
SCORED = tuple(k for k in sample.ORGAN_SLICES if k not in ANNOTATED)
CAVEAT = (
    f"A demonstration on one scan: trained on every {sample.ANNOTATED_EVERY}th slice of it, scored on "
    "the others. The labels are TotalSegmentator's predictions, not a person's. Not a model for other patients."
)


@dataclass(frozen=True)
class Outcome:
    """Dice per organ on the slices never trained on: the checkpoint's and that of both baselines without a network.

    Attributes:
        labels: the organs.
        dice: method -> one value per organ, in the order of `labels`.
        segmentation, overview: the files written.
    """

    labels: LabelTable
    dice: dict[str, list[float]]
    segmentation: Path
    overview: Path

    def text(self) -> str:
        width = max(len(method) for method in self.dice) + 2
        lines = [f"Dice on {len(SCORED)} slices".ljust(24) + "".join(method.rjust(width) for method in self.dice)]
        rows = zip(("mean", *self.labels.names), *([np.mean(values), *values] for values in self.dice.values()), strict=True)
        for name, *values in rows:
            lines.append(f"  {name}".ljust(24) + "".join(f"{value:.3f}".rjust(width) for value in values))
        return "\n".join([*lines, CAVEAT, f"Segmentation: {self.segmentation}", f"Overview picture: {self.overview}"])

    def facts(self) -> dict[str, Any]:
        return {
            "labels": self.labels.names,
            "dice": self.dice,
            "segmentation": str(self.segmentation),
            "overview": str(self.overview),
        }


def demonstrate(folder: Path, device: str = "auto", work: Work = SILENT) -> Outcome:
    """Run the demo and leave segmentation and overview in `folder`.

    Raises:
        SAMedError: the sample CT or the base model cannot be fetched.
        InputError: the folder cannot be written to.
    """
    from SAMedCore.draw.overview import overview
    from SAMedCore.files.atomic import make_folder
    from SAMedCore.segment import load_model

    catalogue.fetch_base(catalogue.find_base(DEFAULT_BASE), work)
    volume, reference = sample.fetch_sample(work)
    make_folder(folder)
    # The pelvis below these slices holds none of the organs and was never shown to the checkpoint.
    labelmap = load_model(catalogue.DEMO_FOLDER, device).segment(volume, work=work, slices=sample.ORGAN_SLICES)
    files = folder / "segmentation.seg.nrrd", folder / "overview.png"
    write_labelmap(labelmap, files[0])
    overview(volume, labelmap, files[1], title="SAMed on the sample CT (dashed: TotalSegmentator)", reference=reference)
    return Outcome(reference.labels, score(labelmap, reference), *files)


def score(labelmap: LabelMap, reference: LabelMap) -> dict[str, list[float]]:
    """Dice on the slices never trained on, of a segmentation of the sample and of both baselines.

    Returns:
        method -> one value per organ, in the order of the reference's label table.
    """
    truth = reorient(reference, "LPS")
    methods = {"checkpoint": reorient(labelmap, "LPS").voxels, **baselines(truth, ANNOTATED)}
    return {method: organ_dice(voxels, truth, SCORED) for method, voxels in methods.items()}


def baselines(truth: LabelMap, annotated: range) -> dict[str, np.ndarray]:
    """What the annotated slices give without a network: label voxels (k, j, i) by method."""
    spacing_i, spacing_j, _ = truth.grid.spacing_mm
    shapes = SliceShapes(truth.voxels, annotated, (spacing_j, spacing_i))
    copied, blended = np.zeros_like(truth.voxels), np.zeros_like(truth.voxels)
    for k in sample.ORGAN_SLICES:
        copied[k] = truth.voxels[nearest(annotated, k)]
        blended[k] = interpolated(shapes, k, annotated)
    return {"nearest slice": copied, "interpolated": blended}


def organ_dice(voxels: np.ndarray, truth: LabelMap, slices: tuple[int, ...]) -> list[float]:
    """Dice of each of the table's organs over these slices."""
    from SAMedCore.evaluate.measures import dice

    chosen = list(slices)
    return [dice(voxels[chosen] == value, truth.voxels[chosen] == value) for value in truth.labels.values]
