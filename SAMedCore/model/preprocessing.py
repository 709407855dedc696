"""From a scan's values to the network's input, and from the network's labels back to the slice. Imports no torch.

SAMed (arXiv 2304.13785, section 4.1 and the published test procedure): HU clipped and scaled to [0, 1], each axial slice
resized to 224 and then to 512 by cubic splines (`resizing`); the predicted labels return by nearest neighbour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from SAMedCore.errors import InputError
from SAMedCore.files.json_values import an_object, numbers, shown
from SAMedCore.image.intensities import percentile_window
from SAMedCore.image.orientation import axes_of

if TYPE_CHECKING:
    from SAMedCore.image.volume import Volume


NARROWEST, WIDEST = 1e-30, 1e30
"""Of a window, in any unit that a scan may have: what float32 divides by."""

FARTHEST_HU = 1e6
"""From water, of a checkpoint's window; a CT of 16 bits ends at 65,535."""

LARGEST_SIZE = 4096
"""Pixels along each side of a slice; the largest input of any base model has half of it."""

MOST_SIZES = 8

OTHER_PERCENTILES = (0.5, 99.5)
"""Of the values above 0: how LiteMedSAM's training scaled everything but CT."""


@dataclass(frozen=True)
class Preprocessing:
    """How a volume becomes the network's input; part of every checkpoint.

    Attributes:
        window_hu: lower and upper HU, mapped to 0 and 1; without a meaning where there are `percentiles`.
        sizes: in-plane sizes in pixels, resized to one after the other; the last is the network's input size.
        orientation: three letters towards which i, j and k increase, for example "LPS"; or "auto", see `Segmenter`.
        padded: the shorter side is padded with 0 to a square first.
        clipped: what the splines overshoot is cut off at 0 and 1.
        percentiles: of a volume's values above 0, which `fit` makes its window; None for the fixed `window_hu`.

    Raises:
        InputError: the window or the percentiles are empty or endless, a size is not positive or too large, or there is no such
            orientation.
    """

    window_hu: tuple[float, float] = (-125.0, 275.0)
    sizes: tuple[int, ...] = (224, 512)
    orientation: str = "LPS"
    padded: bool = False
    clipped: bool = False
    percentiles: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.percentiles is not None and not 0 <= self.percentiles[0] < self.percentiles[1] <= 100:
            raise InputError(f"the percentiles {self.percentiles} are not a range within 0..100: give the lower one first.")
        low, high = self.window_hu
        if not low < high:
            raise InputError(f"the HU window {low}..{high} is empty: give the lower value first.")
        if not NARROWEST <= high - low <= WIDEST:
            raise InputError(f"the HU window {low}..{high} is {high - low:g} wide: give one that can be computed with.")
        if not self.sizes or min(self.sizes) < 1:
            raise InputError(f"the slice sizes {self.sizes} are not positive: give one or more sizes in pixels.")
        if max(self.sizes) > LARGEST_SIZE or len(self.sizes) > MOST_SIZES:
            few = ", ".join(map(str, self.sizes[:MOST_SIZES]))
            raise InputError(f"the slice sizes {few} are too large or too many: give {MOST_SIZES} up to {LARGEST_SIZE} pixels.")
        if self.orientation != "auto":
            axes_of(self.orientation)

    @property
    def input_size(self) -> int:
        return self.sizes[-1]

    @property
    def intensities(self) -> str:
        """What it takes a volume's values as: "ct" or "other", of `options.INTENSITIES`."""
        return "ct" if self.percentiles is None else "other"

    def suited(self, intensities: str) -> Preprocessing:
        """The same for "ct", in its HU window, or for "other" scans, by the percentiles of each."""
        return replace(self, percentiles=OTHER_PERCENTILES if intensities == "other" else None)

    def to_json(self) -> dict[str, Any]:
        """With the window or the percentiles, whichever counts."""
        counts: dict[str, Any] = (
            {"window_hu": list(self.window_hu)} if self.percentiles is None else {"percentiles": list(self.percentiles)}
        )
        return {
            **counts,
            "sizes": list(self.sizes),
            "orientation": self.orientation,
            "padded": self.padded,
            "clipped": self.clipped,
        }

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Preprocessing:
        """From what `to_json` gave.

        Raises:
            InputError: a value is missing or none that it can have; a window is less than a HU wide, or endless.
        """
        counts = "percentiles" if isinstance(row, dict) and "percentiles" in row else "window_hu"
        what = "the preprocessing"
        an_object(row, what, (counts, "sizes", "orientation", "padded", "clipped"))
        low, high = numbers(row.get(counts), 2, f"{what}'s {counts}")
        sizes, orientation = row.get("sizes"), row.get("orientation")
        if not isinstance(sizes, list) or not all(type(size) is int for size in sizes):
            raise InputError(f"{what}'s sizes are {shown(sizes)}: they have to be whole numbers in brackets.")
        if not isinstance(orientation, str) or not all(isinstance(row.get(key), bool) for key in ("padded", "clipped")):
            raise InputError(f"{what} has to have an orientation, and true or false for padded and clipped.")
        if counts == "window_hu" and (high - low < 1 or max(abs(low), abs(high)) > FARTHEST_HU):
            raise InputError(f"the HU window {low:g}..{high:g} is no window: give the lower value first, in HU.")
        return cls(
            **{counts: (low, high)},
            sizes=tuple(sizes),
            orientation=orientation,
            padded=row["padded"],
            clipped=row["clipped"],
        )

    def fit(self, volume: Volume) -> Preprocessing:
        """This preprocessing for one volume: call it before any slice of that volume is prepared, once for all of them.

        A fixed window is the same for every volume, so that this is itself; percentiles become a fixed window.

        Args:
            volume: the whole scan, in any orientation.

        Raises:
            InputError: percentiles are wanted, and no voxel is above 0.
        """
        if self.percentiles is None:
            return self
        return replace(self, window_hu=percentile_window(volume.voxels, self.percentiles), percentiles=None)

    def images_of(self, voxels: np.ndarray) -> np.ndarray:
        """Slices (B, H, W) of the volume it is fitted to in [0, 1], padded: float32 (B, H', W') for `resizing.resize`."""
        return self.pad(window(voxels, self.window_hu))

    def pad(self, slices: np.ndarray) -> np.ndarray:
        """Slices or labels (B, H, W), padded with 0 to (B, max(H, W), max(H, W)) if this preprocessing pads."""
        rows, columns = (full - given for full, given in zip(self._full(slices.shape[-2:]), slices.shape[-2:], strict=True))
        return np.pad(slices, ((0, 0), (0, rows), (0, columns))) if rows or columns else slices

    def sources(self, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """For each row and each column of a slice of `shape` (H, W) the input pixel that it takes its label from, int64."""
        full = self._full(shape)
        rows, columns = (nearest_index(self.input_size, size) for size in full)
        return rows[: shape[0]], columns[: shape[1]]

    def restore_labels(self, labels: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
        """Predicted labels (B, S, S) back to slices of `shape` (H, W), by nearest neighbour; dtype kept."""
        rows, columns = self.sources(shape)
        return labels[..., rows[:, None], columns]

    def _full(self, shape: tuple[int, ...]) -> tuple[int, int]:
        return (max(shape),) * 2 if self.padded else (shape[0], shape[1])


def window(voxels: np.ndarray, window_hu: tuple[float, float]) -> np.ndarray:
    """Values clipped to the window, HU in a CT, and scaled to [0, 1], float32, same shape.

    NaN, as outside a resampled scan, counts as air.
    """
    low, high = window_hu
    clipped = np.clip(voxels, low, high).astype(np.float32)
    if voxels.dtype.kind == "f":
        clipped[np.isnan(clipped)] = low
    return (clipped - np.float32(low)) / np.float32(high - low)


@lru_cache(maxsize=64)
def nearest_index(size_in: int, size_out: int) -> np.ndarray:
    """For each of size_out pixels the one of size_in that `scipy.ndimage.zoom(order=0)` takes, int64.

    The published code lets rounding push the last pixel outside, where it becomes background (512 to 224); here it stays.
    """
    from scipy.ndimage import zoom

    return zoom(np.arange(size_in, dtype=np.int64), size_out / size_in, order=0, mode="nearest")


def resize_labels(labels: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """Labels (B, H, W) to (B, S, S) through each size in turn, by nearest neighbour; dtype kept."""
    for size in sizes:
        rows, columns = nearest_index(labels.shape[-2], size), nearest_index(labels.shape[-1], size)
        labels = labels[..., rows[:, None], columns]
    return labels
