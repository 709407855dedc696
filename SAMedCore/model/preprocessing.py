"""From HU to the network's input grid, and from the network's labels back to the slice.

SAMed (arXiv 2304.13785, section 4.1 and the published test procedure): HU clipped and scaled to [0, 1], each axial slice
resized to 224 and then to 512 by cubic splines; the predicted labels return by nearest neighbour. Both resizings are linear
in the pixels, so each is one matrix per axis, computed once per size and equal to `scipy.ndimage.zoom` within 1e-6.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from SAMedCore.errors import InputError
from SAMedCore.image.orientation import axes_of

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Preprocessing:
    """How a volume becomes the network's input; part of every checkpoint.

    Attributes:
        window_hu: lower and upper HU, mapped to 0 and 1.
        sizes: in-plane sizes in pixels, resized to one after the other; the last is the network's input size.
        orientation: three letters towards which i, j and k increase, for example "LPS"; or "auto", see `Segmenter`.

    Raises:
        InputError: the window is empty, a size is not positive, or there is no such orientation.
    """

    window_hu: tuple[float, float] = (-125.0, 275.0)
    sizes: tuple[int, ...] = (224, 512)
    orientation: str = "LPS"
    padded: bool = False
    clipped: bool = False

    def __post_init__(self) -> None:
        low, high = self.window_hu
        if not low < high:
            raise InputError(f"the HU window {low}..{high} is empty: give the lower value first.")
        if not self.sizes or min(self.sizes) < 1:
            raise InputError(f"the slice sizes {self.sizes} are not positive: give one or more sizes in pixels.")
        if self.orientation != "auto":
            axes_of(self.orientation)

    @property
    def input_size(self) -> int:
        return self.sizes[-1]

    def to_json(self) -> dict[str, Any]:
        return {
            "window_hu": list(self.window_hu),
            "sizes": list(self.sizes),
            "orientation": self.orientation,
            "padded": self.padded,
            "clipped": self.clipped,
        }

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Preprocessing:
        low, high = row["window_hu"]
        sizes = tuple(int(size) for size in row["sizes"])
        return cls((float(low), float(high)), sizes, str(row["orientation"]), bool(row["padded"]), bool(row["clipped"]))

    def images_of(self, voxels: np.ndarray) -> np.ndarray:
        """Slices (B, H, W) in HU, windowed to [0, 1] and padded: float32 (B, H', W') for `resize`."""
        return self.pad(window(voxels, self.window_hu))

    def resize(self, images: torch.Tensor, sizes: Sequence[int] | None = None) -> torch.Tensor:
        """Images (B, H, W) float32 to (B, S, S) through `sizes`, by default all of this preprocessing's."""
        resized = resize_images(images, self.sizes if sizes is None else sizes)
        return resized.clamp(0, 1) if self.clipped else resized

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


LITE_MEDSAM_INPUT = Preprocessing(window_hu=(-160.0, 240.0), sizes=(256,), padded=True, clipped=True)
"""What LiteMedSAM was trained on: soft tissue at level 40 and width 400, the longer side brought to 256, the shorter padded.

All of it counts. With the labels' boxes as prompts the mean Dice on every fifth slice of the sample CT is 0.89 this way, 0.86
where the splines may overshoot, and 0.85 on slices stretched to a square in SAMed's window.
"""


def window(voxels: np.ndarray, window_hu: tuple[float, float]) -> np.ndarray:
    """HU clipped to the window and scaled to [0, 1], float32, same shape; NaN, as outside a resampled scan, counts as air."""
    low, high = window_hu
    clipped = np.clip(voxels, low, high).astype(np.float32)
    if voxels.dtype.kind == "f":
        clipped[np.isnan(clipped)] = low
    return (clipped - np.float32(low)) / np.float32(high - low)


@lru_cache(maxsize=64)
def spline_matrix(size_in: int, size_out: int) -> np.ndarray:
    """The (size_out, size_in) float32 matrix of one axis of `scipy.ndimage.zoom(order=3)`."""
    from scipy.ndimage import zoom

    if size_in == size_out:
        return np.eye(size_in, dtype=np.float32)
    return zoom(np.eye(size_in), (size_out / size_in, 1), order=3).astype(np.float32)


@lru_cache(maxsize=64)
def nearest_index(size_in: int, size_out: int) -> np.ndarray:
    """For each of size_out pixels the one of size_in that `scipy.ndimage.zoom(order=0)` takes, int64.

    The published code lets rounding push the last pixel outside, where it becomes background (512 to 224); here it stays.
    """
    from scipy.ndimage import zoom

    return zoom(np.arange(size_in, dtype=np.int64), size_out / size_in, order=0, mode="nearest")


def resize_images(images: torch.Tensor, sizes: Sequence[int]) -> torch.Tensor:
    """Slices (B, H, W) float32 to (B, S, S) on the same device, by cubic splines through each size in turn."""
    for size in sizes:
        rows, columns = (_matrix_on(images.device, images.shape[axis], size) for axis in (-2, -1))
        images = rows @ (images @ columns.T)
    return images


@lru_cache(maxsize=64)
def _matrix_on(device: torch.device, size_in: int, size_out: int) -> torch.Tensor:
    import torch

    return torch.from_numpy(spline_matrix(size_in, size_out)).to(device)


def resize_labels(labels: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """Labels (B, H, W) to (B, S, S) through each size in turn, by nearest neighbour; dtype kept."""
    for size in sizes:
        rows, columns = nearest_index(labels.shape[-2], size), nearest_index(labels.shape[-1], size)
        labels = labels[..., rows[:, None], columns]
    return labels
