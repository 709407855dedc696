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

from SAMedLib.setup.locations import forgetLibrary, makeCoreImportable

makeCoreImportable()

from SAMedLib.consoleApi import ConsoleApi  # noqa: E402 - needs SAMedCore
from SAMedLib.panel.panel import Panel  # noqa: E402
from SAMedLib.panel.parameters import SAMedParameterNode  # noqa: E402
from SAMedLib.sampleData import registerSampleData  # noqa: E402
from SAMedLib.scene.volumes import firstVolume  # noqa: E402
from SAMedLib.selfTest import SelfTest  # noqa: E402
from SAMedLib.worker.client import sharedWorker, stopSharedWorker  # noqa: E402
from SAMedLib.worker.elsewhere import stopWorkersElsewhere  # noqa: E402


class SAMed(ScriptedLoadableModule):
    """The module as Slicer lists it."""

    def __init__(self, parent) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = "SAMed"
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = ["Segmentations", "SegmentStatistics", "SegmentEditor"]
        self.parent.contributors = ["SlicerSAMed contributors"]
        self.parent.helpText = _(
            "From an unlabelled CT to a model of your own: boxes and clicks in the Segment Editor, the rest of partly drawn "
            "scans, fine-tuning of SAMed (Segment Anything tuned by LoRA), segmenting. For research use only. See the "
            '<a href="https://github.com/SlicerSAMed/SlicerSAMed">documentation</a>.'
        )
        self.parent.acknowledgementText = _(
            "SAMed: K. Zhang and D. Liu, Customized Segment Anything Model for Medical Image Segmentation, arXiv 2304.13785. "
            "Segment Anything: Meta AI. LiteMedSAM: J. Ma and others."
        )
        # A module that is dragged onto Slicer's window comes long after the start.
        if hasattr(slicer.modules, "sampledata"):
            self.offerSample()
        else:
            slicer.app.connect("startupCompleted()", self.offerSample)
        slicer.app.connect("aboutToQuit()", stopSharedWorker)
        slicer.app.connect("aboutToQuit()", stopWorkersElsewhere)

    def offerSample(self) -> None:
        """In the Sample Data module."""
        registerSampleData(Path(self.parent.path).parent)


class SAMedWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel's life in Slicer: set up, entered, left, the scene closed or loaded, parameters bound.

    What it does is in `Panel`, which has a parameter node as long as it lives: a job may end while another module is shown.
    """

    def __init__(self, parent=None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic: SAMedLogic | None = None
        self.panel: Panel | None = None
        self._shownParameters: SAMedParameterNode | None = None
        self._guiTag = None

    def setup(self) -> None:
        ScriptedLoadableModuleWidget.setup(self)
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/SAMed.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = SAMedLogic()
        self.panel = Panel(uiWidget, self.ui, self.logic)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneChanged)
        self.addObserver(scene, scene.StartImportEvent, self.onSceneStartImport)
        self.addObserver(scene, scene.EndImportEvent, self.onSceneChanged)
        self.initializeParameterNode()

    def cleanup(self) -> None:
        """The application closes, or the module is reloaded; also after a setup() that failed."""
        self.hideParameters()
        self.removeObservers()
        if self.panel is not None:
            self.panel.close()
        stopSharedWorker()
        stopWorkersElsewhere()

    def onReload(self) -> None:
        """The developer's Reload: reads SAMedLib and SAMedCore again too, of which Slicer knows nothing."""
        forgetLibrary()
        ScriptedLoadableModuleWidget.onReload(self)

    def enter(self) -> None:
        if self.panel is None:
            return  # setup() has said why
        self.initializeParameterNode()
        self.panel.entered()

    def exit(self) -> None:
        self.hideParameters()

    def onSceneStartClose(self, caller, event) -> None:
        self.panel.sceneClosed()
        self.hideParameters()

    def onSceneStartImport(self, caller, event) -> None:
        """The parameter node gets its references before the nodes are there that they refer to."""
        self.hideParameters()

    def onSceneChanged(self, caller, event) -> None:
        """The scene was closed, or another one loaded into it: a wrapper made before keeps nodes that are gone."""
        if self.parent.isEntered:
            self.initializeParameterNode()
        else:
            self.panel.parameterNode = self.logic.getParameterNode()
            self.panel.refresh()

    def initializeParameterNode(self) -> None:
        """Show the scene's parameter node, and select the first volume where none is selected."""
        self.showParameters(self.logic.getParameterNode())
        for name in ("promptVolume", "inputVolume"):
            if getattr(self.panel.parameterNode, name) is None:
                setattr(self.panel.parameterNode, name, firstVolume())

    def showParameters(self, parameterNode: SAMedParameterNode) -> None:
        """Show this parameter node and follow it."""
        self.hideParameters()
        self.panel.parameterNode = parameterNode
        self._guiTag = parameterNode.connectGui(self.ui)
        # The node itself: the mixin would keep a wrapper for ever.
        self.addObserver(parameterNode.parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParameterNodeModified)
        self._shownParameters = parameterNode
        self.panel.refresh()

    def hideParameters(self) -> None:
        """Let widgets and parameter node go their own ways; the panel keeps it for what still runs."""
        if self._shownParameters is None:
            return
        shown, self._shownParameters = self._shownParameters, None
        shown.disconnectGui(self._guiTag)
        self.removeObserver(shown.parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParameterNodeModified)

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
