"""The parameter node wrapper stores what Slicer's stores, and binds it to widgets both ways."""

from typing import Annotated

import pytest
import qt
import slicer
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic


@parameterNodeWrapper
class Parameters:
    volume: slicer.vtkMRMLScalarVolumeNode
    count: Annotated[int, WithinRange(1, 10)] = 3
    rate: float = 0.5
    on: bool
    text: str
    names: list[str]
    volumes: list[slicer.vtkMRMLScalarVolumeNode]


@pytest.fixture
def node() -> slicer.vtkMRMLScriptedModuleNode:
    return slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode", "Parameters")


@pytest.fixture
def parameters(node) -> Parameters:
    return Parameters(node)


@pytest.fixture
def volume() -> slicer.vtkMRMLScalarVolumeNode:
    return slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")


@pytest.fixture
def filled(parameters, volume) -> Parameters:
    parameters.volume, parameters.volumes = volume, [volume]
    parameters.count, parameters.rate, parameters.on, parameters.text = 7, 0.125, True, "a;b=c\nd"
    parameters.names = ["liver", "spleen"]
    return parameters


def test_a_new_node_has_the_defaults(parameters):
    assert (parameters.count, parameters.rate, parameters.on, parameters.text) == (3, 0.5, False, "")
    assert (parameters.volume, list(parameters.names), list(parameters.volumes)) == (None, [], [])


def test_values_are_stored_as_slicer_stores_them(filled, node, volume):
    stored = {name: node.GetParameter(name) for name in node.GetParameterNames()}
    assert stored == {
        "volume": "",
        "count": "7",
        "rate": "0.125",
        "on": "True",
        "text": "a;b=c\nd",
        "names.0": "liver",
        "names.1": "spleen",
        "names.len": "2",
        "volumes.0": "",
        "volumes.len": "1",
    }
    assert node.GetNodeReferenceID("volume") == node.GetNodeReferenceID("volumes.0") == volume.GetID()


def test_a_list_that_became_shorter_leaves_nothing_behind(filled, node):
    filled.names = filled.names[1:]
    assert Parameters(node).names == ["spleen"]
    assert not node.HasParameter("names.1")


def test_lists_are_not_multiplied(filled):
    with pytest.raises(TypeError):
        filled.names * 2


@pytest.mark.parametrize(
    ("name", "value"),
    [("count", 11), ("count", "3"), ("count", None), ("rate", "x"), ("text", 1), ("on", 1), ("names", [1])],
)
def test_a_value_that_does_not_fit_is_refused_and_changes_nothing(parameters, name, value):
    before = getattr(parameters, name)
    with pytest.raises((ValueError, TypeError)):
        setattr(parameters, name, value)
    assert getattr(parameters, name) == before


def test_a_node_of_another_class_is_refused(parameters):
    table = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode")
    for name, value in (("volume", table), ("volumes", [table])):
        with pytest.raises(TypeError):
            setattr(parameters, name, value)


def test_a_removed_node_is_no_longer_referenced(filled, volume):
    slicer.mrmlScene.RemoveNode(volume)
    assert (filled.volume, list(filled.volumes)) == (None, [None])


def test_a_change_is_one_event(parameters, node):
    seen = []
    node.AddObserver("ModifiedEvent", lambda *_: seen.append(parameters.count))
    parameters.count = 5
    parameters.names = ["a", "b", "c"]
    assert seen == [5, 5]


def test_a_wrapper_kept_while_the_scene_closes_has_the_defaults_again():
    kept = Parameters(ScriptedLoadableModuleLogic().getParameterNode())
    kept.count, kept.names = 7, ["liver"]
    slicer.mrmlScene.Clear(0)
    assert (kept.count, kept.names) == (3, [])


def test_a_name_that_the_wrapper_needs_itself_is_refused():
    with pytest.raises(ValueError, match="reserved name 'default'"):

        @parameterNodeWrapper
        class Refused:
            default: int


@pytest.mark.parametrize("hint", [dict[str, int], int | None, Annotated[str, "anything"]])
def test_a_type_that_is_not_stood_in_for_is_refused(hint):
    with pytest.raises(TypeError, match="stores no"):
        parameterNodeWrapper(type("Refused", (), {"__annotations__": {"value": hint}}))


class Gui:
    """A panel of a few widgets, as `childWidgetVariables` gives it."""

    def __init__(self, **widgets: str) -> None:
        """Each widget, by its class, for the parameter of that name."""
        for name, kind in widgets.items():
            widget = getattr(qt if hasattr(qt, kind) else slicer, kind)()
            widget.setProperty("SlicerParameterName", name)
            setattr(self, name, widget)


@pytest.fixture
def gui() -> Gui:
    gui = Gui(count="QSpinBox", rate="QDoubleSpinBox", on="QCheckBox", text="QLineEdit", volume="qMRMLNodeComboBox")
    gui.rate.decimals = 3
    gui.volume.setMRMLScene(slicer.mrmlScene)
    yield gui
    gui.volume.delete()


def test_widgets_and_parameters_follow_each_other(filled, gui, volume):
    filled.connectGui(gui)
    assert (gui.count.value, gui.rate.value, gui.on.checked, gui.text.text) == (7, 0.125, True, "a;b=c\nd")
    assert gui.volume.currentNode() == volume
    gui.count.value, gui.rate.value, gui.on.checked, gui.text.text = 9, 0.75, False, "two"
    assert (filled.count, filled.rate, filled.on, filled.text) == (9, 0.75, False, "two")
    other = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "other")
    gui.volume.setCurrentNode(other)
    assert filled.volume == other


def test_a_disconnected_panel_changes_nothing(parameters, gui):
    tag = parameters.connectGui(gui)
    parameters.disconnectGui(tag)
    gui.text.text = "typed later"
    assert parameters.text == ""
    parameters.text = "set later"
    assert gui.text.text == "typed later"


def test_the_annotation_sets_the_widget_s_range_whatever_the_ui_says(parameters, gui):
    gui.rate.maximum = 10
    parameters.connectGui(gui)
    assert (gui.count.minimum, gui.count.maximum) == (1, 10)
    assert gui.rate.maximum > 1e300


def test_a_widget_that_does_not_fit_is_named(parameters):
    with pytest.raises(RuntimeError, match="Unable to create GUI connector"):
        parameters.connectGui(Gui(text="QSpinBox"))
    with pytest.raises(ValueError, match="Cannot find a param"):
        parameters.connectGui(Gui(txt="QLineEdit"))
