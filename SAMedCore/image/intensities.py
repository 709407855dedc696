"""What the values of a scan are, and a slice as another scanner would have shown it."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from SAMedCore.errors import InputError
from SAMedCore.image.volume import Volume
from SAMedCore.work import SILENT, Work

LOOKED_AT = 128
"""Voxels along each axis, at most, by which it is told what the values of a scan are: enough, and soon done."""

TAKEN_AS = {"ct": "values are taken as HU", "other": "values are scaled by percentiles, as for other scans than CT"}
"""What is done with a scan, in words."""

BELOW_WATER_HU = -50
BELOW_WATER_SHARE = 0.01
"""Fat, lung and air lie below -50 HU; hardly a CT has less than a hundredth of them, and hardly an MR a value below 0."""


def intensities_of(volume: Volume, asked: str = "auto", work: Work = SILENT) -> str:
    """What the values of a volume are: "ct" (HU) or "other".

    Args:
        asked: of `options.INTENSITIES`: "ct" or "other" decides; "auto" goes by the volume's modality, and where nothing says
            that, by its values.
        work: told where what was asked for does not fit.
    """
    if asked == "auto":
        return "ct" if (is_ct(volume.voxels) if volume.modality is None else volume.modality == "CT") else "other"
    reason = misfit(volume, asked)
    if reason is not None:
        work.note(f"this scan {reason}, but {TAKEN_AS[asked]}, as was asked for: what is drawn may be wrong.")
    return asked


def misfit(volume: Volume, taken_as: str) -> str | None:
    """What speaks against taking a volume's values as "ct" or as "other", to stand after "this scan"; None where it is that."""
    if intensities_of(volume) == taken_as:
        return None
    if volume.modality is not None:
        return f"is of the modality {volume.modality}"
    return "does not have the values of a CT" if taken_as == "ct" else "has the values of a CT"


def is_ct(voxels: np.ndarray) -> bool:
    """Whether the values, of any shape, are HU: a hundredth of them lies below -50, as fat and air do.

    The lowest value and NaN do not count: scanners and resampling pad with -1024, -2000 or -3024, in an MR as well. A CT cut to
    the inside of the body still has its fat. One cut to the brain has none; with percentiles it is shown well all the same.
    """
    voxels = voxels[tuple(slice(None, None, -(-length // LOOKED_AT)) for length in voxels.shape)]
    finite = voxels[np.isfinite(voxels)] if voxels.dtype.kind == "f" else voxels.ravel()
    counted = finite[finite > finite.min()] if finite.size else finite
    return bool(counted.size and np.count_nonzero(counted < BELOW_WATER_HU) >= BELOW_WATER_SHARE * counted.size)


def percentile_window(voxels: np.ndarray, percentiles: tuple[float, float]) -> tuple[float, float]:
    """The two percentiles of the values above 0, of any shape; the upper one is raised where the two are equal.

    Raises:
        InputError: no value is above 0.
    """
    bright = voxels[np.isfinite(voxels) & (voxels > 0)]
    if not bright.size:
        raise InputError("the volume has no value above 0, so that its intensities cannot be scaled: pass one that has.")
    low, high = (float(value) for value in np.percentile(bright, percentiles))
    return low, high if high > low else low + 1.0


def other_intensities(image: np.ndarray, draw: Generator, strength: float = 1.0) -> np.ndarray:
    """The image, float32 in [0, 1], with other contrast, brightness and noise, within [0, 1]; same shape and dtype.

    Args:
        strength: of every change, 1 as another scanner would have shown it.
    """
    gamma, gain, offset = draw.uniform(-0.25, 0.25), draw.uniform(-0.1, 0.1), draw.uniform(-0.05, 0.05)
    noise = draw.normal(scale=draw.uniform(0, 0.03), size=image.shape)
    changed = (1 + strength * gain) * np.clip(image, 0, 1) ** np.exp(strength * gamma) + strength * (offset + noise)
    return np.clip(changed, 0, 1).astype(np.float32)
