"""A segmentation at a glance: slices with the organs on them, two upright planes and a legend."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from SAMedCore.draw.planes import Plane, Scene, body_box, richest_index, spread_slices
from SAMedCore.draw.saving import save
from SAMedCore.errors import InputError
from SAMedCore.image.grid import same_grid
from SAMedCore.image.intensities import intensities_of
from SAMedCore.image.labels import Label
from SAMedCore.image.orientation import reorient
from SAMedCore.image.volume import LabelMap, Volume
from SAMedCore.model.preprocessing import window

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SOFT_TISSUE_HU = (-160.0, 240.0)
"""Window of width 400 around level 40."""

DARK, LIGHT, GREY = "#0f1216", "#f2f4f7", "#9aa4b2"

# All in inches of a 16:9 slide.
_WIDTH, _HEIGHT, _MARGIN, _GAP, _SIDE, _TITLE = 13.333, 7.5, 0.3, 0.06, 4.1, 0.62
_MOST_SLICES = 12
_ROOM_FOR_NUMBER_MM = 6.0
_LEAST_HEIGHT_MM = 60.0
_DASHES = (0, (3, 2))


def overview(
    volume: Volume, labelmap: LabelMap, path: Path, title: str | None = None, reference: LabelMap | None = None
) -> None:
    """Draws axial slices spread over the labelled range, a coronal and a sagittal plane, and a legend with volumes.

    Slices hang as radiologists are used to: seen from the feet, the patient's right on the left, the front up, at true
    proportions in mm, whatever the orientation in which the volume is stored. A CT in a window 400 HU wide around 40 HU,
    another scan from its lowest values to its highest, but for a hundredth of them.

    Args:
        volume: the scan.
        labelmap: the structures, on the same grid; filled and outlined in the colours of its table.
        path: where to; the ending .png, .pdf or .svg decides the format.
        title: a line above the picture.
        reference: another label map on the same grid, outlined in dashes.

    Raises:
        InputError: the grids differ, or the file cannot be written.
    """
    from matplotlib.figure import Figure

    scene = scene_of(volume, labelmap, reference)
    figure = Figure(figsize=(_WIDTH, _HEIGHT), facecolor=DARK)
    top = _HEIGHT - (_TITLE if title else _MARGIN)
    if title:
        figure.text(_MARGIN / _WIDTH, (top + 0.2) / _HEIGHT, title, color=LIGHT, fontsize=19, weight="bold")
    width = _WIDTH - 3 * _MARGIN - _SIDE
    _draw_slices(figure, scene, (_MARGIN, _MARGIN, width, top - _MARGIN))
    side = _MARGIN * 2 + width
    bottom = _draw_upright(figure, scene, (side, _MARGIN, _SIDE, top - _MARGIN))
    _draw_legend(figure, scene, (side, _MARGIN, _SIDE, bottom - _MARGIN - 0.15))
    save(figure, path, dpi=200)


def scene_of(volume: Volume, labelmap: LabelMap, reference: LabelMap | None = None) -> Scene:
    """What planes are cut from: all turned to LPS, cut to the body, with the window in which the scan is shown.

    Raises:
        InputError: the grids differ.
    """
    volume, labelmap = reorient(volume, "LPS"), reorient(labelmap, "LPS")
    reference = None if reference is None else reorient(reference, "LPS")
    for image, what in ((labelmap, "label map"), (reference, "reference")):
        if image is not None and not same_grid(volume.grid, image.grid):
            raise InputError(f"the {what} does not lie on the volume's grid: resample it to the volume first.")
    return Scene(volume, labelmap, reference, body_box(volume.voxels, labelmap.voxels), _window(volume))


def _window(volume: Volume) -> tuple[float, float]:
    if intensities_of(volume) == "ct":
        return SOFT_TISSUE_HU
    low, high = (float(value) for value in np.nanpercentile(volume.voxels, (0.5, 99.5)))
    return low, high if high > low else low + 1.0


def _draw_slices(figure: Figure, scene: Scene, place: tuple[float, float, float, float]) -> None:
    left, bottom, width, height = place
    size_mm = scene.axial(0).size_mm
    available = len(spread_slices(scene.labelmap.voxels, _MOST_SLICES))
    count, columns = _best_grid(available, size_mm, width, height)
    rows = -(-count // columns)
    scale = _inches_per_mm(rows, columns, size_mm, width, height)
    panel = size_mm[0] * scale, size_mm[1] * scale
    # Any room to spare goes between and around the slices, evenly.
    free = width - columns * panel[1], height - rows * panel[0]
    gap = min(free[0] / max(columns - 1, 1), 0.25), min(free[1] / max(rows - 1, 1), 0.25)
    for number, k in enumerate(spread_slices(scene.labelmap.voxels, count)):
        row, column = divmod(number, columns)
        x = left + column * (panel[1] + gap[0])
        y = bottom + height - (row + 1) * panel[0] - row * gap[1]
        axes = _panel(figure, scene, scene.axial(k), (x, y, panel[1], panel[0]))
        if number == 0:
            _mark_sides(axes, "R", "L")


def _best_grid(available: int, size_mm: tuple[float, float], width: float, height: float) -> tuple[int, int]:
    """Number of slices and columns that fill the place best; of equal ones the one with more slices."""
    fewest = min(available, _MOST_SLICES // 2)
    grids = [(count, columns) for count in range(fewest, available + 1) for columns in range(1, count + 1)]
    full = [(count, columns) for count, columns in grids if count % columns == 0] or grids

    def area(grid: tuple[int, int]) -> tuple[float, int]:
        count, columns = grid
        scale = _inches_per_mm(-(-count // columns), columns, size_mm, width, height)
        return round(count * scale**2, 9), count

    return max(full, key=area)


def _inches_per_mm(rows: int, columns: int, size_mm: tuple[float, float], width: float, height: float) -> float:
    return min((width - _GAP * (columns - 1)) / columns / size_mm[1], (height - _GAP * (rows - 1)) / rows / size_mm[0])


def _draw_upright(figure: Figure, scene: Scene, place: tuple[float, float, float, float]) -> float:
    """The coronal and the sagittal plane side by side at the top, unless the scan is too short for them; gives the lower edge
    of what they take, in inches."""
    left, bottom, width, height = place
    labels = scene.labelmap.voxels
    if scene.coronal(0).size_mm[0] < _LEAST_HEIGHT_MM:
        return bottom + height + 0.15
    planes = scene.coronal(richest_index(labels, 1)), scene.sagittal(richest_index(labels, 2))
    height_mm, width_mm = planes[0].size_mm[0], planes[0].size_mm[1] + planes[1].size_mm[1]
    scale = min((width - 0.1) / width_mm, 0.5 * height / height_mm)
    y = bottom + height - height_mm * scale
    for plane, sides in zip(planes, ("RL", "AP"), strict=True):
        axes = _panel(figure, scene, plane, (left, y, plane.size_mm[1] * scale, height_mm * scale))
        _mark_sides(axes, *sides)
        left += plane.size_mm[1] * scale + 0.1
    return y


def _panel(figure: Figure, scene: Scene, plane: Plane, place: tuple[float, float, float, float]) -> Axes:
    x, y, width, height = place
    axes = figure.add_axes((x / _WIDTH, y / _HEIGHT, width / _WIDTH, height / _HEIGHT))
    axes.set_axis_off()
    height_mm, width_mm = plane.size_mm
    grey = window(plane.voxels, scene.window)
    axes.imshow(grey, cmap="gray", vmin=0, vmax=1, extent=(0, width_mm, height_mm, 0), interpolation="bicubic")
    for label in scene.labelmap.labels:
        _draw_mask(axes, plane.labels == label.value, plane.pixel_mm, label)
    for label in scene.reference.labels if scene.reference is not None else ():
        _draw_dashes(axes, np.asarray(plane.reference) == label.value, plane.pixel_mm)
    axes.set(xlim=(0, width_mm), ylim=(height_mm, 0))
    _write(axes, 0.5, 0.02, plane.caption, "center", "bottom", GREY)
    return axes


def _draw_mask(axes: Axes, mask: np.ndarray, pixel_mm: tuple[float, float], label: Label) -> None:
    if not mask.any():
        return
    x, y, inside = _outline(mask, pixel_mm)
    axes.contourf(x, y, inside, levels=[0.5, 2.0], colors=[_colour(label)], alpha=0.4)
    axes.contour(x, y, inside, levels=[0.5], colors=[_colour(label)], linewidths=1.3)
    _number(axes, mask, pixel_mm, label)


def _number(axes: Axes, mask: np.ndarray, pixel_mm: tuple[float, float], label: Label) -> None:
    # Anatomical colours are alike (liver and stomach, both kidneys): the number tells them apart.
    from scipy.ndimage import distance_transform_edt

    depth_mm = distance_transform_edt(np.pad(mask, 1), sampling=pixel_mm)[1:-1, 1:-1]
    row, column = np.unravel_index(depth_mm.argmax(), mask.shape)
    if depth_mm.max() >= _ROOM_FOR_NUMBER_MM:
        place = (float(column) + 0.5) * pixel_mm[1], (float(row) + 0.5) * pixel_mm[0]
        axes.text(*place, str(label.value), color="white", fontsize=9, weight="bold", ha="center", va="center")


def _draw_dashes(axes: Axes, mask: np.ndarray, pixel_mm: tuple[float, float]) -> None:
    if mask.any():
        x, y, inside = _outline(mask, pixel_mm)
        axes.contour(x, y, inside, levels=[0.5], colors=[LIGHT], linewidths=0.9, linestyles=[_DASHES])


def _outline(mask: np.ndarray, pixel_mm: tuple[float, float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coordinates in mm and values 0..1 of the mask in finer pixels, where 0.5 is its edge without the steps of voxels."""
    # Smoothed by less than half a voxel, which would already make single voxels vanish.
    from scipy.ndimage import find_objects, gaussian_filter, zoom

    finer, margin = 4, 2
    ((rows, columns),) = find_objects(mask.astype(np.uint8))
    cut = np.pad(mask[rows, columns].astype(np.float32), margin)
    fine = gaussian_filter(zoom(cut, finer, order=0, grid_mode=True, mode="grid-constant"), 0.42 * finer)
    y = (rows.start - margin + (np.arange(fine.shape[0]) + 0.5) / finer) * pixel_mm[0]
    x = (columns.start - margin + (np.arange(fine.shape[1]) + 0.5) / finer) * pixel_mm[1]
    return x, y, fine


def _mark_sides(axes: Axes, left: str, right: str) -> None:
    _write(axes, 0.02, 0.5, left, "left", "center", LIGHT)
    _write(axes, 0.98, 0.5, right, "right", "center", LIGHT)


def _write(axes: Axes, x: float, y: float, text: str, horizontal: str, vertical: str, colour: str) -> None:
    from matplotlib.patheffects import withStroke

    axes.text(
        x, y, text, color=colour, fontsize=10, ha=horizontal, va=vertical, transform=axes.transAxes,
        path_effects=[withStroke(linewidth=2, foreground=DARK)],
    )  # fmt: skip


def _draw_legend(figure: Figure, scene: Scene, place: tuple[float, float, float, float]) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Rectangle

    left, bottom, width, height = place
    axes = figure.add_axes((left / _WIDTH, bottom / _HEIGHT, width / _WIDTH, height / _HEIGHT))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    volumes_ml = scene.labelmap.volumes_ml()
    step = min(0.42, height / (len(volumes_ml) + 1))
    font: dict[str, Any] = {"fontsize": step * 72 * 0.5, "va": "center_baseline"}
    y = step / 2
    for label, volume_ml in volumes_ml.items():
        axes.add_patch(Rectangle((0, y - 0.32 * step), step, 0.64 * step, color=_colour(label), linewidth=0))
        axes.text(step / 2, y, str(label.value), color=_ink_on(label), ha="center", weight="bold", **font)
        ink = LIGHT if volume_ml else GREY
        axes.text(1.35 * step, y, label.name, color=ink, **font)
        axes.text(width, y, f"{volume_ml:,.0f} ml" if volume_ml else "not found", color=ink, ha="right", **font)
        y += step
    if scene.reference is not None:
        axes.add_line(Line2D((0, step), (y, y), color=LIGHT, linewidth=1.4, linestyle=_DASHES))
        axes.text(1.35 * step, y, "reference", color=LIGHT, **font)


def _colour(label: Label) -> tuple[float, float, float]:
    red, green, blue = label.rgb
    return red / 255, green / 255, blue / 255


def _ink_on(label: Label) -> str:
    red, green, blue = _colour(label)
    return DARK if 0.299 * red + 0.587 * green + 0.114 * blue > 0.68 else "white"
