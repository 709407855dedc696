"""What was given on a slice and what the model made of it, drawn into the slice views; nothing of it is in the scene."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray

from SAMedCore.image.prompts import SlicePrompt
from SAMedLib.scene.axialSlices import AxialSlices
from SAMedLib.scene.volumes import showsAxialSlices

BELONGS, BELONGS_NOT, BOX = (0.2, 0.9, 0.2), (0.95, 0.2, 0.2), (1.0, 0.85, 0.2)
FILL_OPACITY = 0.35
POINT_PIXELS, LINE_PIXELS = 9, 2


@dataclass(frozen=True, eq=False)
class Drawing:
    """What is to be seen on one slice.

    Attributes:
        axial: the slices that `k` counts.
        k: the slice, from the feet.
        prompt: what was given; None for nothing.
        mask: (k, j, i) bool of that slice, or None.
        color: of the mask, RGB, 0 to 1.
    """

    axial: AxialSlices
    k: int
    prompt: SlicePrompt | None
    mask: np.ndarray | None
    color: tuple[float, float, float]


class Preview:
    """Draws into every slice view that it is shown to, where that shows the slice; `clear` leaves nothing behind."""

    def __init__(self, scriptedEffect) -> None:
        self._effect = scriptedEffect
        self._views: dict[object, _View] = {}
        self._drawing: Drawing | None = None

    def show(self, drawing: Drawing | None, sliceWidgets: list) -> None:
        """Draw this instead of what was drawn; None for nothing.

        Args:
            sliceWidgets: the slice views of the layout (qMRMLSliceWidget); others are forgotten.
        """
        for widget in [each for each in self._views if each not in sliceWidgets]:
            self._views.pop(widget).remove()
        self._drawing = drawing
        for widget in sliceWidgets:
            if widget not in self._views:
                self._views[widget] = _View(widget, self._effect.renderer(widget))
            self._views[widget].draw(drawing)

    def follow(self, sliceWidget) -> None:
        """The view has been moved, zoomed or turned."""
        if sliceWidget in self._views:
            self._views[sliceWidget].place(self._drawing)

    def clear(self) -> None:
        """Take everything out of the views."""
        for view in self._views.values():
            view.remove()
        self._views.clear()
        self._drawing = None


class _View:
    """The actors of one slice view."""

    def __init__(self, sliceWidget, renderer: vtk.vtkRenderer) -> None:
        self._widget = sliceWidget
        self._renderer = renderer
        self._node = sliceWidget.mrmlSliceNode()
        self._fill, self._outline = _Shape(), _Shape()
        self._box, self._pointsIn, self._pointsOut = _Shape(BOX), _Shape(BELONGS), _Shape(BELONGS_NOT)
        self._shapes = (self._fill, self._outline, self._box, self._pointsIn, self._pointsOut)
        self._fill.actor.GetProperty().SetOpacity(FILL_OPACITY)
        for shape in self._shapes:
            self._renderer.AddViewProp(shape.actor)

    def draw(self, drawing: Drawing | None) -> None:
        for shape in self._shapes:
            shape.empty()
        if drawing is not None:
            if drawing.mask is not None and drawing.mask.any():
                self._fill.set(*_runsOf(drawing.axial, drawing.k, drawing.mask), drawing.color)
                self._outline.set(*_edgesOf(drawing.axial, drawing.k, drawing.mask), drawing.color)
            if drawing.prompt is not None:
                self._drawPrompt(drawing.axial, drawing.prompt)
        self.place(drawing)

    def place(self, drawing: Drawing | None) -> None:
        """Put the shapes where the view shows their places now, or hide them where it shows another slice."""
        isShown = drawing is not None and drawing.axial.isUnchanged and self._shows(drawing)
        toXY = np.linalg.inv(slicer.util.arrayFromVTKMatrix(self._node.GetXYToRAS()))
        for shape in self._shapes:
            shape.actor.SetVisibility(isShown and shape.isThere)
            if isShown and shape.isThere:
                shape.place(drawing.axial, toXY)
        self._widget.sliceView().scheduleRender()

    def remove(self) -> None:
        for shape in self._shapes:
            self._renderer.RemoveViewProp(shape.actor)
        self._widget.sliceView().scheduleRender()

    def _shows(self, drawing: Drawing) -> bool:
        if not showsAxialSlices(self._node, drawing.axial.volumeNode):
            return False
        middle = slicer.util.arrayFromVTKMatrix(self._node.GetSliceToRAS())[:3, 3]
        return drawing.axial.numberAt(drawing.axial.indexAt(middle)) == drawing.k

    def _drawPrompt(self, axial: AxialSlices, prompt: SlicePrompt) -> None:
        if prompt.box is not None:
            corners = axial.rectangle(*(axial.index(point) for point in prompt.box))
            self._box.set(corners, np.array([[0, 1, 2, 3, 0]]), BOX)
        for shape, points in ((self._pointsIn, prompt.points_in), (self._pointsOut, prompt.points_out)):
            if points:
                shape.set(np.array([axial.index(point) for point in points]), np.arange(len(points))[:, None], None)


class _Shape:
    """Points, lines or polygons at voxel indices, each cell with as many corners as the others.

    Attributes:
        actor: to be put into a view.
    """

    def __init__(self, color: tuple[float, float, float] = BOX) -> None:
        self._indices: np.ndarray | None = None
        self._data, mapper = vtk.vtkPolyData(), vtk.vtkPolyDataMapper2D()
        mapper.SetInputData(self._data)
        self.actor = vtk.vtkActor2D()
        self.actor.SetMapper(mapper)
        self.actor.GetProperty().SetColor(color)
        self.actor.GetProperty().SetPointSize(POINT_PIXELS)
        self.actor.GetProperty().SetLineWidth(LINE_PIXELS)
        self.actor.VisibilityOff()

    @property
    def isThere(self) -> bool:
        return self._indices is not None

    def empty(self) -> None:
        self._indices = None
        self._data.Initialize()

    def set(self, indices: np.ndarray, cells: np.ndarray, color: tuple[float, float, float] | None) -> None:
        """Voxel indices (n, 3), cells (m, corners): one corner is a point, four are a polygon, others a line."""
        self._indices = indices
        if color is not None:
            self.actor.GetProperty().SetColor(color)
        corners = cells.shape[1]
        array = vtk.vtkCellArray()
        offsets = np.arange(0, cells.size + 1, corners, dtype=np.int64)
        array.SetData(numpy_to_vtkIdTypeArray(offsets, deep=1), numpy_to_vtkIdTypeArray(cells.astype(np.int64).ravel(), deep=1))
        {1: self._data.SetVerts, 4: self._data.SetPolys}.get(corners, self._data.SetLines)(array)

    def place(self, axial: AxialSlices, toXY: np.ndarray) -> None:
        places = axial.world(self._indices) @ toXY[:3, :3].T + toXY[:3, 3]
        places[:, 2] = 0
        points = vtk.vtkPoints()
        points.SetData(numpy_to_vtk(np.ascontiguousarray(places), deep=1))
        self._data.SetPoints(points)
        self._data.Modified()


def _runsOf(axial: AxialSlices, k: int, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A rectangle for each run of voxels in a row: voxel indices of corners (n, 3) and cells (m, 4)."""
    steps = np.diff(np.pad(axial.flat(mask).astype(np.int8), ((0, 0), (1, 1))), axis=1)
    rows, starts = np.nonzero(steps == 1)
    _rows, stops = np.nonzero(steps == -1)
    across = np.stack([starts, stops, stops, starts], axis=1) - 0.5
    down = np.stack([rows, rows, rows + 1, rows + 1], axis=1) - 0.5
    return _indices(axial, k, across.ravel(), down.ravel()), np.arange(4 * len(rows)).reshape(-1, 4)


def _edgesOf(axial: AxialSlices, k: int, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A line for each side of a voxel inside next to one outside: voxel indices of ends (n, 3) and cells (m, 2)."""
    flat = np.pad(axial.flat(mask).astype(np.int8), 1)
    row, column = np.nonzero(np.diff(flat, axis=1)[1:-1])
    upright = np.stack([column, row, column, row + 1], axis=1)
    row, column = np.nonzero(np.diff(flat, axis=0)[:, 1:-1])
    level = np.stack([column, row, column + 1, row], axis=1)
    ends = np.concatenate([upright, level]).reshape(-1, 2) - 0.5
    return _indices(axial, k, ends[:, 0], ends[:, 1]), np.arange(len(ends)).reshape(-1, 2)


def _indices(axial: AxialSlices, k: int, across: np.ndarray, down: np.ndarray) -> np.ndarray:
    """(n, 3) voxel indices on a slice."""
    indices = np.tile(axial.onSlice(np.zeros(3), k), (len(across), 1))
    first, second = axial.inPlaneAxes
    indices[:, first], indices[:, second] = across, down
    return indices
