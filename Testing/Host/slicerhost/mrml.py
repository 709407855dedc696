"""What is real in the stand-in: Slicer's own scene and module logics, from slicer-core, as the application holds them."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from types import SimpleNamespace

import slicer
import vtk

from slicerhost.subjecthierarchy import SubjectHierarchyItems

MODULE_LOGICS = {
    "Colors": "vtkMRMLColorLogic",
    "Models": "vtkSlicerModelsLogic",
    "Plots": "vtkSlicerPlotsLogic",
    "Segmentations": "vtkSlicerSegmentationsModuleLogic",
    "Sequences": "vtkSlicerSequencesLogic",
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "Tables": "vtkSlicerTablesLogic",
    "Terminologies": "vtkSlicerTerminologiesModuleLogic",
    "Transforms": "vtkSlicerTransformLogic",
    "Units": "vtkSlicerUnitsLogic",
    "Volumes": "vtkSlicerVolumesLogic",
}
"""Class of each module's logic, by the name under which Slicer knows the module."""

SLICE_VIEWS = {"Red": "Axial", "Yellow": "Sagittal", "Green": "Coronal"}
"""The slice views of Slicer's usual layouts, with their orientation."""


class MRMLApplication:
    """The part of `slicer.app` that is Slicer's own: the scene and its logics.

    Attributes:
        temporaryPath: a folder of this process, removed at its end.
        modules: the modules by lower-case name, each with `name` and `logic()`; what `slicer.modules` is.
        sliceLogics: by the name of the view, "Red", "Yellow" and "Green".
    """

    def __init__(self) -> None:
        self.temporaryPath = tempfile.mkdtemp(prefix="slicerhost-")
        atexit.register(shutil.rmtree, self.temporaryPath, ignore_errors=True)
        self._scene = slicer.vtkMRMLScene()
        self._logic = slicer.vtkSlicerApplicationLogic()
        self._startApplicationLogic()
        self._startFileAccess()
        self.modules = SimpleNamespace()
        for name, className in MODULE_LOGICS.items():
            self._startModule(name, getattr(slicer, className)())
        self.sliceLogics = {name: self._startSliceView(name, orientation) for name, orientation in SLICE_VIEWS.items()}
        self._addThreeDView()
        self._hierarchyItems = SubjectHierarchyItems(self._scene)

    def applicationLogic(self) -> slicer.vtkSlicerApplicationLogic:
        return self._logic

    def mrmlScene(self) -> slicer.vtkMRMLScene:
        return self._scene

    def _startApplicationLogic(self) -> None:
        scene, logic = self._scene, self._logic
        crosshair = slicer.vtkMRMLCrosshairNode()
        crosshair.SetCrosshairName("default")
        scene.AddNode(crosshair)
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene, True)
        logic.SetTemporaryPath(self.temporaryPath)
        logic.SetSliceLogics(vtk.vtkCollection())
        logic.SetViewLogics(vtk.vtkCollection())
        logic.SetMRMLScene(scene)  # adds the selection and the interaction node
        factories = (slicer.vtkMRMLSliceViewDisplayableManagerFactory, slicer.vtkMRMLThreeDViewDisplayableManagerFactory)
        for factory in factories:
            factory.GetInstance().SetMRMLApplicationLogic(logic)

    def _startFileAccess(self) -> None:
        """What loads and unpacks files, .mrb among them."""
        self._remoteLogic = slicer.vtkMRMLRemoteIOLogic()
        self._remoteLogic.GetCacheManager().SetRemoteCacheDirectory(self.temporaryPath)
        self._fileLogic = slicer.vtkDataIOManagerLogic()
        self._fileLogic.SetMRMLApplicationLogic(self._logic)
        self._fileLogic.SetAndObserveDataIOManager(self._remoteLogic.GetDataIOManager())
        self._logic.SetMRMLSceneDataIO(self._scene, self._remoteLogic, self._fileLogic)

    def _startModule(self, name: str, logic: slicer.vtkMRMLAbstractLogic) -> None:
        logic.SetMRMLApplicationLogic(self._logic)
        # slicer-core has no terminology files, and the logic complains about each of them
        vtk.vtkObject.SetGlobalWarningDisplay(name != "Terminologies")
        logic.SetMRMLScene(self._scene)
        vtk.vtkObject.SetGlobalWarningDisplay(True)
        self._logic.SetModuleLogic(name, logic)
        if name == "Colors":
            self._logic.SetColorLogic(logic)
            logic.AddDefaultColorNodes()
        setattr(self.modules, name.lower(), SimpleNamespace(name=name, logic=lambda: logic))

    def _startSliceView(self, name: str, orientation: str) -> slicer.vtkMRMLSliceLogic:
        """A slice view without a window: its node, its composite node and what computes its picture."""
        logic = slicer.vtkMRMLSliceLogic()
        logic.SetMRMLApplicationLogic(self._logic)
        self._logic.GetSliceLogics().AddItem(logic)
        logic.SetMRMLScene(self._scene)
        node = logic.AddSliceNode(name)
        node.SetOrientation(orientation)
        node.SetMappedInLayout(1)
        return logic

    def _addThreeDView(self) -> None:
        """A 3D view without a window: its node alone, which closing the scene leaves there."""
        node = slicer.vtkMRMLViewNode()
        node.SetName("View1")
        node.SetLayoutName("1")
        node.SetSingletonTag("1")
        node.SetMappedInLayout(1)
        self._scene.AddNode(node)
