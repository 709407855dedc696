"""Slicer's slice and 3D views, rendered off screen by its own displayable managers, with its own styles of interaction.

They are what `viewwidgets` shows and sends the mouse to; alone they serve screenshots and tests of colours.

Needs OpenGL without a screen (Debian: libegl1, libgl1-mesa-dri).
"""

from __future__ import annotations

import os
import sys

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow" if sys.platform == "linux" else "")

IN_SLICES = (
    "vtkMRMLModelSliceDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager2D",
    "vtkMRMLOrientationMarkerDisplayableManager",
    "vtkMRMLRulerDisplayableManager",
    "vtkMRMLCrosshairDisplayableManager",
    "vtkMRMLScalarBarDisplayableManager",
)
IN_3D = (
    "vtkMRMLCameraDisplayableManager",
    "vtkMRMLViewDisplayableManager",
    "vtkMRMLModelDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager3D",
)


class View:
    """An off-screen window in which displayable managers show the scene.

    Attributes:
        size: width and height in pixels.
        window, renderer, interactor, style: VTK's, the style Slicer's for this kind of view.
        managers: the group of displayable managers.
    """

    styleClass = slicer.vtkMRMLThreeDViewInteractorStyle

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        self.window = vtk.vtkRenderWindow()
        self.window.SetOffScreenRendering(True)
        self.window.SetMultiSamples(0)
        self.window.SetSize(*size)
        self.renderer = vtk.vtkRenderer()
        self.window.AddRenderer(self.renderer)
        self.interactor = vtk.vtkGenericRenderWindowInteractor()  # without one, managers do not start
        self.interactor.SetRenderWindow(self.window)
        self.managers = slicer.vtkMRMLDisplayableManagerGroup()
        self.managers.SetRenderer(self.renderer)
        self.style = self.styleClass()

    def resize(self, width: int, height: int) -> None:
        self.size = (width, height)
        self.window.SetSize(width, height)
        self.interactor.UpdateSize(width, height)

    def picture(self) -> np.ndarray:
        """What the view shows now: (height, width, 3) uint8, the top row first."""
        self.window.Render()
        grabber = vtk.vtkWindowToImageFilter()
        grabber.SetInput(self.window)
        grabber.ReadFrontBufferOff()
        grabber.Update()
        image = grabber.GetOutput()
        width, height, _one = image.GetDimensions()
        return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(height, width, 3)[::-1].copy()

    def _start(self, factoryClass: type, managerNames: tuple[str, ...], node: slicer.vtkMRMLAbstractViewNode) -> None:
        factory = factoryClass.GetInstance()
        for name in managerNames:
            if not factory.IsDisplayableManagerRegistered(name):
                factory.RegisterDisplayableManager(name)
        self.managers.Initialize(factory, self.renderer)
        self.managers.SetMRMLDisplayableNode(node)
        self.style.SetDisplayableManagers(self.managers)
        self.style.SetInteractor(self.interactor)
        self.interactor.SetInteractorStyle(vtk.vtkInteractorStyleUser())
        self.interactor.Enable()


class SliceView(View):
    """One of the application's slice views: "Red" (axial), "Yellow" (sagittal) or "Green" (coronal)."""

    styleClass = slicer.vtkMRMLSliceViewInteractorStyle

    def __init__(self, name: str = "Red", size: tuple[int, int] = (500, 500)) -> None:
        super().__init__(size)
        self._logic = slicer.app.sliceLogics[name]
        self.renderer.GetActiveCamera().ParallelProjectionOn()
        self._mapper = vtk.vtkImageMapper()
        self._mapper.SetColorWindow(255)
        self._mapper.SetColorLevel(127.5)
        self._background = vtk.vtkActor2D()
        self._background.SetMapper(self._mapper)
        self._background.GetProperty().SetDisplayLocationToBackground()
        self._background.VisibilityOff()
        self.renderer.AddViewProp(self._background)  # before the managers' own: what comes later is drawn over it
        self.style.SetSliceLogic(self._logic)
        self._start(slicer.vtkMRMLSliceViewDisplayableManagerFactory, IN_SLICES, self._logic.GetSliceNode())

    def show(self, volumeNode: slicer.vtkMRMLScalarVolumeNode) -> None:
        """Show the volume, fitted into the view, cut in its middle."""
        self._logic.GetSliceCompositeNode().SetBackgroundVolumeID(volumeNode.GetID())
        self._logic.ResizeSliceNode(*self.size)
        self._logic.FitSliceToBackground(*self.size)

    def resize(self, width: int, height: int) -> None:
        super().resize(width, height)
        self._logic.ResizeSliceNode(width, height)

    def picture(self) -> np.ndarray:
        image = self._logic.GetImageDataConnection()
        self._mapper.SetInputConnection(image)
        self._background.SetVisibility(image is not None)
        return super().picture()

    def pixelOf(self, ras: np.ndarray) -> tuple[int, int]:
        """Row and column of the pixel that shows this point (3,) of the world, or of the point nearest to it in the slice."""
        toRAS = slicer.util.arrayFromVTKMatrix(self._logic.GetSliceNode().GetXYToRAS())
        x, y = np.linalg.solve(toRAS, [*ras, 1.0])[:2]
        return self.size[1] - 1 - round(float(y)), round(float(x))


class ThreeDView(View):
    """The application's 3D view."""

    def __init__(self, size: tuple[int, int] = (500, 500)) -> None:
        super().__init__(size)
        node = slicer.mrmlScene.GetSingletonNode("1", "vtkMRMLViewNode")
        node.SetBoxVisible(False)
        node.SetAxisLabelsVisible(False)
        self._start(slicer.vtkMRMLThreeDViewDisplayableManagerFactory, IN_3D, node)

    def fit(self, nearer: float = 1.5) -> None:
        """Look from the front at all that is there, from so much nearer than where it could be turned without being cut."""
        cameras = self.managers.GetDisplayableManagerByClassName("vtkMRMLCameraDisplayableManager")
        cameras.GetCameraNode().RotateTo(slicer.vtkMRMLCameraNode.Anterior)
        self.renderer.ResetCamera()
        self.renderer.GetActiveCamera().Dolly(nearer)
        self.renderer.ResetCameraClippingRange()
