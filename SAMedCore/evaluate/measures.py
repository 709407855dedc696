"""Measures of the agreement of two masks, in the patient's millimetres and by the paper's protocol."""

from __future__ import annotations

from typing import Any

import numpy as np

from SAMedCore.errors import InputError


def dice(prediction: np.ndarray, reference: np.ndarray) -> float:
    """Dice coefficient `2 |P and R| / (|P| + |R|)` of two bool arrays of one shape; NaN where both are empty."""
    voxels = int(prediction.sum()) + int(reference.sum())
    return 2.0 * int((prediction & reference).sum()) / voxels if voxels else float("nan")


def standard_measures(
    prediction: np.ndarray, reference: np.ndarray, spacing_mm: tuple[float, float, float], tolerance_mm: float
) -> dict[str, float]:
    """Dice and three surface measures in millimetres (Nikolov et al. 2018, arXiv 1809.04430; library surface-distance).

    Surfaces are made of surface elements between the voxels, each weighted by its area.

    - `hd95_mm`: the greater of the two directed 95th percentiles of the distance from surface to surface.
    - `mean_surface_distance_mm`: the mean of the two directed mean distances (MASD in Metrics Reloaded).
    - `surface_dice`: the part of both surfaces that lies within `tolerance_mm` of the other one.

    Empty masks (Maier-Hein et al., Metrics Reloaded, Nature Methods 21, 2024; Reinke et al., Understanding metric-related
    pitfalls, same volume): both empty leaves everything undefined (NaN). Exactly one empty is the worst possible value of
    the bounded measures, Dice 0 and surface Dice 0; the distances have no worst value and are undefined (NaN), so
    that whoever averages them has to count the cases that are left out.

    Args:
        prediction: (k, j, i) bool.
        reference: (k, j, i) bool, of the same shape.
        spacing_mm: along k, j, i.
        tolerance_mm: for the surface Dice.

    Raises:
        InputError: the library is not installed.
    """
    nan = float("nan")
    if not prediction.any() or not reference.any():
        worst = 0.0 if prediction.any() or reference.any() else nan
        return {"dice": worst, "hd95_mm": nan, "mean_surface_distance_mm": nan, "surface_dice": worst}
    library = _surface_distance()
    prediction, reference = _crop(prediction, reference)
    distances = library.compute_surface_distances(reference, prediction, spacing_mm)
    return {
        "dice": dice(prediction, reference),
        "hd95_mm": float(library.compute_robust_hausdorff(distances, 95.0)),
        "mean_surface_distance_mm": float(np.mean(library.compute_average_surface_distance(distances))),
        "surface_dice": float(library.compute_surface_dice_at_tolerance(distances, tolerance_mm)),
    }


def paper_measures(prediction: np.ndarray, reference: np.ndarray) -> dict[str, float]:
    """Dice and HD95 in voxels as the published figures of SAMed have them (arXiv 2304.13785, section 4; TransUNet's protocol).

    HD95 is the 95th percentile of the distances of both directions taken together, between the centres of surface voxels,
    every voxel counted as a cube of edge 1; a surface voxel has a face neighbour outside its mask or the volume.
    A prediction where the reference is empty counts Dice 1 and HD95 0, which rewards false positives; without a prediction
    both count 0, which rewards a missing organ in HD95. Only for comparison with those figures.

    Args:
        prediction: (k, j, i) bool.
        reference: (k, j, i) bool, of the same shape.
    """
    if not prediction.any():
        return {"dice": 0.0, "hd95_voxels": 0.0}
    if not reference.any():
        return {"dice": 1.0, "hd95_voxels": 0.0}
    prediction, reference = _crop(prediction, reference)
    return {"dice": dice(prediction, reference), "hd95_voxels": _hd95_voxels(prediction, reference)}


def _hd95_voxels(prediction: np.ndarray, reference: np.ndarray) -> float:
    from scipy.ndimage import binary_erosion, distance_transform_edt

    surfaces = [mask & ~binary_erosion(mask) for mask in (prediction, reference)]
    to_prediction, to_reference = (distance_transform_edt(~surface) for surface in surfaces)
    distances = np.concatenate([to_reference[surfaces[0]], to_prediction[surfaces[1]]])
    return float(np.percentile(distances, 95))


def _crop(prediction: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    # Distance transforms of a whole scan take seconds for every organ, those of an organ's box a fraction of it.
    from scipy.ndimage import find_objects

    (box,) = find_objects((prediction | reference).astype(np.uint8))
    return prediction[box], reference[box]


def _surface_distance() -> Any:
    try:
        import surface_distance
    except ImportError as error:
        raise InputError(
            'the package "surface-distance" is not installed, which the standard protocol needs: '
            'run pip install "samedcore[evaluation]".'
        ) from error
    return surface_distance
