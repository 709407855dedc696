"""The MRML half of the stand-in: Slicer's own scene and module logics, from slicer-core, as an application holds them.

What is real here is Slicer's: the scene, its nodes, the logics, saving and loading. What is missing is Qt.
"""

from __future__ import annotations

import atexit
import shutil
import sys
import tempfile
from pathlib import Path
from types import ModuleType, SimpleNamespace

import slicer
import slicer.util
import vtk

from slicerhost import segmentstatistics
from slicerhost.iomanager import CoreIOManager
from slicerhost.subjecthierarchy import SubjectHierarchyItems

MODULE_LOGICS = {
    "Colors": "vtkMRMLColorLogic",
    "Data": "vtkSlicerDataModuleLogic",
    "Markups": "vtkSlicerMarkupsLogic",
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


class Application:
    """What `slicer.app` is in Slicer, as far as it does without Qt.

    Attributes:
        temporaryPath: a folder of this process, removed at its end.
        modules: the modules by lower-case name, each with `name` and `logic()`; what `slicer.modules` is.
        sliceLogics: by the name of the view, "Red", "Yellow" and "Green".
    """

    applicationName = "Slicer"
    applicationVersion = "5.12.4"
    majorVersion, minorVersion = 5, 12

    def __init__(self, shareFolder: Path | str | None = None) -> None:
        """With `shareFolder`, the module logics find their own files (terminologies, colour tables) in it."""
        self.temporaryPath = tempfile.mkdtemp(prefix="slicerhost-")
        atexit.register(shutil.rmtree, self.temporaryPath, ignore_errors=True)
        self._scene = slicer.vtkMRMLScene()
        self._logic = slicer.vtkSlicerApplicationLogic()
        self._startApplicationLogic()
        self._startFileAccess()
        self.modules = SimpleNamespace()
        for name, className in MODULE_LOGICS.items():
            self._startModule(name, getattr(slicer, className)(), shareFolder)
        self.sliceLogics = {name: self._startSliceView(name, orientation) for name, orientation in SLICE_VIEWS.items()}
        self._addThreeDView()
        self._hierarchyItems = SubjectHierarchyItems(self._scene)

    def applicationLogic(self) -> slicer.vtkSlicerApplicationLogic:
        return self._logic

    def mrmlScene(self) -> slicer.vtkMRMLScene:
        return self._scene

    def coreIOManager(self) -> CoreIOManager:
        return CoreIOManager()

    def layoutManager(self) -> None:
        """None, as in Slicer without a main window."""

    def processEvents(self, *_flags: object) -> None:
        """Nothing is waiting where no event loop runs."""

    def pauseRender(self) -> None:
        """No view renders by itself here."""

    def resumeRender(self) -> None:
        """No view renders by itself here."""

    def testingEnabled(self) -> bool:
        return True

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

    def _startModule(self, name: str, logic: slicer.vtkMRMLAbstractLogic, shareFolder: Path | str | None) -> None:
        if shareFolder is not None and hasattr(logic, "SetModuleShareDirectory"):
            logic.SetModuleShareDirectory(str(Path(shareFolder) / name))
        logic.SetMRMLApplicationLogic(self._logic)
        # slicer-core has no terminology files, and the logic complains about each of them
        vtk.vtkObject.SetGlobalWarningDisplay(name != "Terminologies" or shareFolder is not None)
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


def _installModules() -> None:
    """What is not in slicer-core: `slicer.i18n`, here with every text as it stands, and the module SegmentStatistics."""
    translation = ModuleType("slicer.i18n")
    translation.tr = lambda text: text
    translation.translate = lambda _context, text: text
    slicer.i18n = sys.modules.setdefault("slicer.i18n", translation)
    sys.modules.setdefault("SegmentStatistics", segmentstatistics)


def boot(shareFolder: Path | str | None = None) -> Application:
    """Start the application, once a process: afterwards `slicer.app`, `slicer.mrmlScene` and `slicer.modules` are there."""
    if getattr(slicer, "app", None) is None:
        _installModules()
        slicer.app = Application(shareFolder)
        slicer.mrmlScene = slicer.app.mrmlScene()
        slicer.modules = slicer.app.modules
    return slicer.app
