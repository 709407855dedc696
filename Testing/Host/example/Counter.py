"""A small scripted module, for the tests of the stand-in: it counts the clicks on its button."""

import enum
import pathlib
from typing import Annotated

import slicer
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import Choice, Default, WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin


class Speed(enum.Enum):
    slow = 1
    fast = 2


@parameterNodeWrapper
class CounterParameters:
    volume: slicer.vtkMRMLScalarVolumeNode
    result: slicer.vtkMRMLSegmentationNode | None
    clicks: Annotated[int, WithinRange(0, 10)] = 1
    rate: Annotated[float, WithinRange(0, 1), Default(0.25)]
    loud: bool = True
    label: str = "one"
    speed: Speed = Speed.fast
    unit: Annotated[str, Choice(["mm", "cm"])] = "cm"
    folder: pathlib.Path
    names: list[str]
    pairs: dict[str, int]
    corner: tuple[int, float]


class Counter(ScriptedLoadableModule):
    def __init__(self, parent) -> None:
        super().__init__(parent)
        parent.title = "Counter"
        parent.categories = ["Examples"]


class CounterWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    def __init__(self, parent=None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.calls = []

    def setup(self) -> None:
        super().setup()
        top = slicer.util.loadUI(self.resourcePath("UI/Counter.ui"))
        self.layout.addWidget(top)
        self.ui = slicer.util.childWidgetVariables(top)
        top.setMRMLScene(slicer.mrmlScene)
        self.logic = CounterLogic()
        self.ui.countButton.toolTip = _("Count one more")
        self.ui.countButton.connect("clicked(bool)", self.onCount)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.follow()

    def follow(self) -> None:
        self.parameters = CounterParameters(self.logic.getParameterNode())
        self.guiTag = self.parameters.connectGui(self.ui)

    def letGo(self) -> None:
        self.parameters.disconnectGui(self.guiTag)
        self.parameters = None

    def onCount(self) -> None:
        self.parameters.clicks += 1

    def onSceneStartClose(self, caller, event) -> None:
        self.letGo()

    def onSceneEndClose(self, caller, event) -> None:
        self.calls.append("scene closed")
        self.follow()

    def enter(self) -> None:
        self.calls.append("enter")

    def exit(self) -> None:
        self.calls.append("exit")

    def cleanup(self) -> None:
        self.calls.append("cleanup")
        self.removeObservers()
        self.letGo()


class CounterLogic(ScriptedLoadableModuleLogic):
    """Needs nothing of its own."""


class CounterTest(ScriptedLoadableModuleTest):
    def test_counting(self) -> None:
        self.delayDisplay("counting")
