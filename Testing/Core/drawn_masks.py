"""Masks of cubes and blobs, as label maps and as scores, for tests."""

import math
from dataclasses import replace

import numpy as np
import pytest

from SAMedCore.evaluate.compare import evaluate_case
from SAMedCore.evaluate.scores import OrganScore
from SAMedCore.image.labels import SYNAPSE_ORGANS, LabelTable
from SAMedCore.image.volume import LabelMap

# The library still imports from namespaces that SciPy is going to remove.
SCIPY_WARNS = pytest.mark.filterwarnings("ignore:.*scipy.ndimage:DeprecationWarning")
SPACING_KJI_MM = (5.0, 1.0, 2.0)
LIVER = SYNAPSE_ORGANS.subset(["liver"])


def cube(start=(4, 4, 4), size=10, shape=(20, 20, 20)) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[tuple(slice(first, first + size) for first in start)] = True
    return mask


def blob(seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    k, j, i = np.indices((14, 15, 16)) - generator.uniform(5, 9, (3, 1, 1, 1))
    return (k**2 + j**2 + i**2 < generator.uniform(12, 30)) & (generator.random(k.shape) < 0.9)


def label_map(mask: np.ndarray, value: int = 5, labels: LabelTable = SYNAPSE_ORGANS) -> LabelMap:
    return LabelMap(mask.astype(np.uint8) * value, np.diag([*reversed(SPACING_KJI_MM), 1.0]), labels)


def oblique(image: LabelMap, degrees: float = 25.0) -> LabelMap:
    turn, angle = np.eye(4), math.radians(degrees)
    turn[1:3, 1:3] = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    return replace(image, ijk_to_lps=turn @ image.ijk_to_lps)


def score(prediction: np.ndarray, reference: np.ndarray, protocol: str = "standard") -> OrganScore:
    (row,) = evaluate_case(label_map(prediction, labels=LIVER), label_map(reference, labels=LIVER), protocol)
    return row


NOTHING, THING = np.zeros((20, 20, 20), bool), cube()
