"""SAMed in 3D Slicer: Segment Anything, LoRA-tuned for medical images. The four classes that Slicer looks for."""

from pathlib import Path

import slicer
import vtk
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

from SAMedLib.locations import makeCoreImportable

makeCoreImportable()

from SAMedLib.consoleApi import ConsoleApi  # noqa: E402 - needs SAMedCore
from SAMedLib.panel import Panel  # noqa: E402
from SAMedLib.parameters import SAMedParameterNode  # noqa: E402
from SAMedLib.sampleData import registerSampleData  # noqa: E402
from SAMedLib.selfTest import SelfTest  # noqa: E402
from SAMedLib.worker import sharedWorker, stopSharedWorker  # noqa: E402


class SAMed(ScriptedLoadableModule):
    """The module as Slicer lists it."""

    def __init__(self, parent) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = "SAMed"
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = ["Segmentations", "SegmentStatistics", "SegmentEditor"]
        self.parent.contributors = ["SlicerSAMed contributors"]
        self.parent.helpText = _(
            "Segments CT with SAMed, Segment Anything tuned by LoRA, fine-tunes it on slices that you correct, and completes "
            "partly annotated scans. For research use only. See the "
            '<a href="https://github.com/SlicerSAMed/SlicerSAMed">documentation</a>.'
        )
        self.parent.acknowledgementText = _(
            "SAMed: K. Zhang and D. Liu, Customized Segment Anything Model for Medical Image Segmentation, arXiv 2304.13785. "
            "Segment Anything: Meta AI. LiteMedSAM: J. Ma and others."
        )
        slicer.app.connect("startupCompleted()", lambda: registerSampleData(Path(__file__).parent))
        slicer.app.connect("aboutToQuit()", stopSharedWorker)


class SAMedWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel's life in Slicer: set up, entered, left, the scene closed, parameters bound. What it does is in `Panel`."""

    def __init__(self, parent=None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic: SAMedLogic | None = None
        self.panel: Panel | None = None
        self._parameterNode = None
        self._parameterNodeGuiTag = None

    def setup(self) -> None:
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/SAMed.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = SAMedLogic()
        self.panel = Panel(uiWidget, self.ui, self.logic)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.initializeParameterNode()

    def cleanup(self) -> None:
        """The application closes, or the module is reloaded."""
        self.setParameterNode(None)
        self.removeObservers()
        if self.panel is not None:
            self.panel.close()
        stopSharedWorker()

    def enter(self) -> None:
        self.initializeParameterNode()
        self.panel.entered()

    def exit(self) -> None:
        self.setParameterNode(None)

    def onSceneStartClose(self, caller, event) -> None:
        self.panel.sceneClosed()
        self.setParameterNode(None)

    def onSceneEndClose(self, caller, event) -> None:
        if self.parent.isEntered:
            self.initializeParameterNode()

    def initializeParameterNode(self) -> None:
        """Make sure that there is a parameter node, and select the scene's first volume where none is selected."""
        self.setParameterNode(self.logic.getParameterNode())
        if self._parameterNode.inputVolume is None:
            self._parameterNode.inputVolume = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")

    def setParameterNode(self, parameterNode: SAMedParameterNode | None) -> None:
        """Show this parameter node and follow it; None lets go of the present one."""
        if self._parameterNode is not None:
            self._parameterNode.disconnectGui(self._parameterNodeGuiTag)
            self.removeObserver(self._parameterNode.parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParameterNodeModified)
        self._parameterNode = parameterNode
        self.panel.parameterNode = parameterNode
        if parameterNode is not None:
            self._parameterNodeGuiTag = parameterNode.connectGui(self.ui)
            # The node itself: the mixin would keep a wrapper for ever.
            self.addObserver(parameterNode.parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParameterNodeModified)
            self.panel.refresh()

    def onParameterNodeModified(self, caller=None, event=None) -> None:
        self.panel.refresh()


class SAMedLogic(ScriptedLoadableModuleLogic, ConsoleApi):
    """Everything that the panel does, without it; see `ConsoleApi`.

    Example:
        >>> import SAMed
        >>> logic = SAMed.SAMedLogic()
        >>> segmentationNode = logic.segment(volumeNode, "abdomen-demo")
    """

    def __init__(self, parent=None) -> None:
        ScriptedLoadableModuleLogic.__init__(self, parent)

    @property
    def worker(self):
        """The worker process, one for the whole of Slicer."""
        return sharedWorker()

    def getParameterNode(self) -> SAMedParameterNode:
        return SAMedParameterNode(ScriptedLoadableModuleLogic.getParameterNode(self))


class SAMedTest(SelfTest, ScriptedLoadableModuleTest):
    """The self-test of the application; see `SelfTest`."""
