"""What a Segment Editor effect does with views: their renderers, actors, cursors and coordinates."""

from __future__ import annotations

import logging

import numpy as np
import slicer
import vtk
from PySide6 import QtCore, QtGui

from slicerhost.viewwidgets import qMRMLSliceWidget, qMRMLThreeDWidget

ViewWidget = qMRMLSliceWidget | qMRMLThreeDWidget
SegmentEditorLogic = slicer.vtkSlicerSegmentEditorLogic


class EffectViews:
    """All of them are called of an object: PythonQt asks for one even where C++ has a static method.

    Coordinates are Slicer's: RAS in mm, xy in pixels from the view's lower left corner, IJK of an image's voxels.
    """

    def renderWindow(self, viewWidget: ViewWidget | None) -> vtk.vtkRenderWindow | None:
        return viewWidget._viewOf().renderWindow() if viewWidget is not None else None

    def renderer(self, viewWidget: ViewWidget | None) -> vtk.vtkRenderer | None:
        window = self.renderWindow(viewWidget)
        return window.GetRenderers().GetItemAsObject(0) if window is not None else None

    def viewNode(self, viewWidget: ViewWidget | None) -> slicer.vtkMRMLAbstractViewNode | None:
        return viewWidget.mrmlAbstractViewNode() if viewWidget is not None else None

    def forceRender(self, viewWidget: ViewWidget) -> None:
        viewWidget._viewOf().forceRender()

    def scheduleRender(self, viewWidget: ViewWidget) -> None:
        viewWidget._viewOf().scheduleRender()

    def addActor2D(self, viewWidget: ViewWidget, actor: vtk.vtkActor2D) -> None:
        self._withRenderer(viewWidget, "AddViewProp", actor)

    def removeActor2D(self, viewWidget: ViewWidget, actor: vtk.vtkActor2D) -> None:
        self._withRenderer(viewWidget, "RemoveViewProp", actor)

    def addActor3D(self, viewWidget: ViewWidget, actor: vtk.vtkProp3D) -> None:
        self._withRenderer(viewWidget, "AddViewProp", actor)

    def removeActor3D(self, viewWidget: ViewWidget, actor: vtk.vtkProp3D) -> None:
        self._withRenderer(viewWidget, "RemoveViewProp", actor)

    def cursorOff(self, viewWidget: ViewWidget) -> None:
        self._savedCursor = viewWidget.cursor
        viewWidget._viewOf().setDefaultViewCursor(QtGui.QCursor(QtCore.Qt.BlankCursor))

    def cursorOn(self, viewWidget: ViewWidget) -> None:
        saved = self.__dict__.get("_savedCursor", QtGui.QCursor(QtCore.Qt.ArrowCursor))
        viewWidget._viewOf().setDefaultViewCursor(saved)

    def createCursor(self, _viewWidget: ViewWidget) -> QtGui.QCursor:
        """Slicer draws the effect's icon below an arrow; here it is an arrow alone."""
        return QtGui.QCursor(QtCore.Qt.ArrowCursor)

    def rasToXy(self, ras: QtGui.QVector3D, sliceWidget: qMRMLSliceWidget) -> QtCore.QPoint:
        """Cut to whole pixels, not rounded."""
        toRAS = slicer.util.arrayFromVTKMatrix(sliceWidget.sliceLogic().GetSliceNode().GetXYToRAS())
        x, y = np.linalg.solve(toRAS, [ras.x(), ras.y(), ras.z(), 1.0])[:2]
        return QtCore.QPoint(int(x), int(y))

    def xyzToRas(self, inputXyz: QtGui.QVector3D, sliceWidget: qMRMLSliceWidget) -> QtGui.QVector3D:
        ras = [0.0, 0.0, 0.0]
        SegmentEditorLogic.XyzToRas(_listOf(inputXyz), ras, sliceWidget.sliceLogic().GetSliceNode())
        return QtGui.QVector3D(*ras)

    def xyToRas(self, xy: QtCore.QPoint, sliceWidget: qMRMLSliceWidget) -> QtGui.QVector3D:
        return self.xyzToRas(QtGui.QVector3D(xy.x(), xy.y(), 0.0), sliceWidget)

    def xyzToIjk(
        self,
        inputXyz: QtGui.QVector3D,
        sliceWidget: qMRMLSliceWidget,
        image: slicer.vtkOrientedImageData,
        parentTransform: slicer.vtkMRMLTransformNode | None = None,
    ) -> QtGui.QVector3D:
        ijk = [0, 0, 0]
        sliceNode = sliceWidget.sliceLogic().GetSliceNode()
        SegmentEditorLogic.XyzToIjk(_listOf(inputXyz), ijk, sliceNode, image, parentTransform)
        return QtGui.QVector3D(*ijk)

    def xyToIjk(
        self,
        xy: QtCore.QPoint,
        sliceWidget: qMRMLSliceWidget,
        image: slicer.vtkOrientedImageData,
        parentTransform: slicer.vtkMRMLTransformNode | None = None,
    ) -> QtGui.QVector3D:
        return self.xyzToIjk(QtGui.QVector3D(xy.x(), xy.y(), 0.0), sliceWidget, image, parentTransform)

    def sliceSpacing(self, sliceWidget: qMRMLSliceWidget) -> float:
        logic = sliceWidget.sliceLogic()
        return SegmentEditorLogic.GetSliceSpacing(logic.GetSliceNode(), logic)

    def _withRenderer(self, viewWidget: ViewWidget | None, method: str, actor: vtk.vtkProp) -> None:
        renderer = self.renderer(viewWidget)
        if renderer is None:
            logging.error("Failed to get renderer for view widget")
            return
        getattr(renderer, method)(actor)
        self.scheduleRender(viewWidget)


def _listOf(vector: QtGui.QVector3D) -> list[float]:
    return [vector.x(), vector.y(), vector.z()]
