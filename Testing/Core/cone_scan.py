"""A scan of a cone and what a filler sees of it, for tests of completing."""

from collections.abc import Iterable

import numpy as np

from SAMedCore.complete.filler import PartialScan, Scores
from SAMedCore.complete.shapes import SliceShapes, to_labels
from SAMedCore.image.volume import LabelMap, Volume
from SAMedCore.model.promptable import Promptable
from SAMedCore.options import CompleteOptions
from SAMedCore.work import SILENT

SPACING_MM = (1.5, 2.0)
SIZE = 40
ANNOTATED = (2, 6, 10, 14)
ONE_STEP = CompleteOptions(steps=1)


def disc(radius_mm: float, centre: tuple[float, float] = (30.0, 40.0)) -> np.ndarray:
    rows, columns = np.indices((SIZE, SIZE))
    return np.hypot(rows * SPACING_MM[0] - centre[0], columns * SPACING_MM[1] - centre[1]) <= radius_mm


def annotated_only(labelmap: LabelMap) -> LabelMap:
    voxels = np.zeros_like(labelmap.voxels)
    voxels[list(ANNOTATED)] = labelmap.voxels[list(ANNOTATED)]
    return LabelMap(voxels, labelmap.ijk_to_lps, labelmap.labels)


def partial(volume: Volume, truth: LabelMap, model: Promptable | None, options: CompleteOptions) -> PartialScan:
    """The cone as a filler sees it."""
    shapes = SliceShapes(truth.voxels, ANNOTATED, SPACING_MM)
    return PartialScan(volume, shapes, options, SILENT, model)


def labels_of(filled: Iterable[tuple[int, Scores]]) -> dict[int, np.ndarray]:
    """Slice -> (j, i) labels, of what a filler gave."""
    return {k: to_labels(scores, (SIZE, SIZE), np.dtype(np.uint8)) for k, scores in filled}
