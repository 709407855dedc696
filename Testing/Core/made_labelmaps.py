"""Label maps and images on grids that are awkward enough, for tests."""

from pathlib import Path

import numpy as np
import SimpleITK
from scipy.spatial.transform import Rotation

from SAMedCore.image.labels import SYNAPSE_ORGANS
from SAMedCore.image.volume import LabelMap

OBLIQUE = Rotation.from_euler("xyz", (12, -7, 30), degrees=True).as_matrix()


def a_matrix(directions=OBLIQUE, spacing_mm=(0.7, 0.8, 2.5), origin_mm=(-123.456, 98.765, -1000.123)) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = directions * spacing_mm
    matrix[:3, 3] = origin_mm
    return matrix


def a_labelmap(matrix, shape=(6, 30, 41), values=9, dtype=np.uint8) -> LabelMap:
    voxels = np.random.default_rng(0).integers(0, values, shape).astype(dtype)
    return LabelMap(voxels, matrix, SYNAPSE_ORGANS)


def write_image(path: Path, array: np.ndarray, **options) -> None:
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(array, **options), str(path))
