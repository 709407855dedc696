"""A segmented volume: its label map and, where asked for, what the model thought of it; by a checkpoint, or from prompts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from SAMedCore.image.volume import LabelMap


@dataclass(frozen=True)
class Segmentation:
    """A segmentation and, where asked for, its class probabilities.

    Attributes:
        labelmap: on the volume's own grid.
        probabilities: (classes + 1, k, j, i) float16 on the same grid, background first; or None.
        uncertainty: (k, j, i) float16 on the same grid, 0..1, and 0 on slices that were not segmented; or None.
        slice_doubt: for each axial slice from the feet 0..1, NaN where none was segmented; or None, also where the model works
            on other than axial slices.
        label_doubt: label name -> 0..1 over all segmented slices; or None.
    """

    labelmap: LabelMap
    probabilities: np.ndarray | None = None
    uncertainty: np.ndarray | None = None
    slice_doubt: tuple[float, ...] | None = None
    label_doubt: Mapping[str, float] | None = None

    def doubt_row(self) -> dict[str, Any]:
        """`label_doubt` and `slice_doubt` as plain JSON, {"labels": {name: 0..1}, "slices": [0..1 or None, ...] or None}."""
        slices = self.slice_doubt
        known = None if slices is None else [None if math.isnan(value) else value for value in slices]
        return {"labels": dict(self.label_doubt or {}), "slices": known}


@dataclass(frozen=True, eq=False)
class Prompted:
    """What came of the prompts.

    Attributes:
        labelmap: on the volume's own grid; values 1, 2, ... in the order of the structures, or with an answer as it has them.
        confidence: structure -> slice from the feet -> 0 to 1.
        kept: structure -> the slices on which a person prompted it, from the feet.
    """

    labelmap: LabelMap
    confidence: Mapping[str, Mapping[int, float]]
    kept: Mapping[str, tuple[int, ...]]
