"""The parameter node wrapper stores what Slicer's stores, and binds it to widgets both ways."""

import enum
import pathlib
from typing import Annotated

import pytest
import qt
import slicer
import vtk
from slicer.parameterNodeWrapper import Choice, Maximum, Minimum, WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic


class Colour(enum.Enum):
    red = 1
    green = 2


@parameterNodeWrapper
class Parameters:
    volume: slicer.vtkMRMLScalarVolumeNode
    other: slicer.vtkMRMLVolumeNode | slicer.vtkMRMLSegmentationNode | None
    count: Annotated[int, WithinRange(1, 10)] = 3
    rate: float = 0.5
    on: bool
    text: str
    colour: Colour
    unit: Annotated[str, Choice(["mm", "cm"])] = "cm"
    folder: pathlib.Path
    names: list[str]
    table: dict[str, int]
    corner: tuple[int, float]

    def doubled(self) -> int:
        return 2 * self.count


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
    parameters.volume, parameters.other = volume, volume
    parameters.count, parameters.rate, parameters.on, parameters.text = 7, 0.125, True, "a;b=c\nd"
    parameters.colour, parameters.unit, parameters.folder = Colour.green, "mm", pathlib.Path("/data/Übung 1")
    parameters.names, parameters.table, parameters.corner = ["liver", "spleen"], {"a": 1}, (2, 0.5)
    return parameters


def test_a_new_node_has_the_defaults(parameters):
    assert (parameters.count, parameters.rate, parameters.on, parameters.text) == (3, 0.5, False, "")
    assert (parameters.colour, parameters.unit, parameters.folder) == (Colour.red, "cm", pathlib.Path())
    assert (parameters.volume, parameters.other, list(parameters.names)) == (None, None, [])
    assert parameters.doubled() == 6


def test_values_are_stored_as_slicer_stores_them(filled, node, volume):
    stored = {name: node.GetParameter(name) for name in node.GetParameterNames()}
    assert stored == {
        "volume": "",
        "other.0": "",
        "count": "7",
        "rate": "0.125",
        "on": "True",
        "text": "a;b=c\nd",
        "colour": "green",
        "unit": "mm",
        "folder": "/data/Übung 1",
        "names.0": "liver",
        "names.1": "spleen",
        "names.len": "2",
        "table.0.0": "a",
        "table.0.1": "1",
        "table.len": "1",
        "corner.0": "2",
        "corner.1": "0.5",
    }
    assert node.GetNodeReferenceID("volume") == node.GetNodeReferenceID("other.0") == volume.GetID()


@pytest.mark.parametrize("ending", ["mrml", "mrb"])
def test_a_saved_scene_comes_back_as_it_was(filled, tmp_path, ending):
    path = str(tmp_path / f"scene.{ending}")
    assert slicer.mrmlScene.WriteToMRB(path) if ending == "mrb" else slicer.mrmlScene.Commit(path)
    slicer.mrmlScene.Clear(0)
    if ending == "mrb":
        assert slicer.mrmlScene.ReadFromMRB(path)
    else:
        slicer.mrmlScene.SetURL(path)
        assert slicer.mrmlScene.Connect()
    again = Parameters(slicer.util.getNode("Parameters"))
    assert again.volume.GetName() == again.other.GetName() == "CT"
    assert (again.count, again.rate, again.on, again.text) == (7, 0.125, True, "a;b=c\nd")
    assert (again.colour, again.unit, again.folder) == (Colour.green, "mm", pathlib.Path("/data/Übung 1"))
    assert (again.names, dict(again.table), again.corner) == (["liver", "spleen"], {"a": 1}, (2, 0.5))


def test_a_changed_list_is_stored(parameters, node):
    parameters.names = ["a", "b", "c"]
    parameters.names.append("d")
    del parameters.names[0]
    assert Parameters(node).names == ["b", "c", "d"]
    assert not node.HasParameter("names.3")


@pytest.mark.parametrize(
    ("name", "value"),
    [("count", 11), ("count", "3"), ("count", None), ("unit", "km"), ("rate", "x"), ("text", 1), ("on", 1), ("names", [1])],
)
def test_a_value_that_does_not_fit_is_refused_and_changes_nothing(parameters, name, value):
    before = parameters.getValue(name)
    with pytest.raises((ValueError, TypeError)):
        parameters.setValue(name, value)
    assert parameters.getValue(name) == before


def test_a_node_of_another_class_is_refused(parameters):
    table = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode")
    with pytest.raises(TypeError):
        parameters.volume = table


def test_names_that_the_wrapper_needs_are_refused():
    with pytest.raises(ValueError, match="reserved name 'default'"):

        @parameterNodeWrapper
        class Refused:
            default: int


def test_a_change_is_one_event(parameters):
    seen = []
    tag = parameters.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: seen.append(parameters.count))
    parameters.count = 5
    parameters.names = ["a", "b", "c"]
    assert seen == [5, 5]
    parameters.RemoveObserver(tag)
    parameters.count = 6
    assert seen == [5, 5]


def test_a_removed_node_is_no_longer_referenced(filled, volume):
    slicer.mrmlScene.RemoveNode(volume)
    assert filled.volume is None


def test_widgets_and_parameters_follow_each_other(counter):
    ui, parameters = counter.ui, counter.parameters
    volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
    assert parameters.volume == volume  # the selector chose it
    ui.clicksSpinBox.value, ui.rateSlider.value, ui.loudCheckBox.checked = 9, 0.75, False
    ui.labelLineEdit.text, ui.speedComboBox.currentIndex, ui.unitComboBox.currentIndex = "two", 0, 0
    ui.folderLineEdit.currentPath = "/data"
    shown = (parameters.clicks, parameters.rate, parameters.loud, parameters.label, parameters.unit, str(parameters.folder))
    assert shown == (9, 0.75, False, "two", "mm", "/data")
    assert parameters.speed.name == "slow"
    parameters.clicks, parameters.rate, parameters.loud, parameters.label, parameters.unit = 2, 0.5, True, "three", "cm"
    shown = (ui.clicksSpinBox.value, ui.rateSlider.value, ui.loudCheckBox.checked, ui.labelLineEdit.text)
    assert (*shown, ui.unitComboBox.currentText) == (2, 0.5, True, "three", "cm")
    result = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Segmentation")
    parameters.result = result
    assert ui.resultSelector.currentNode() == result


def test_a_disconnected_panel_changes_nothing(counter):
    counter.parameters.disconnectGui(counter.guiTag)
    counter.ui.labelLineEdit.text = "typed later"
    assert counter.parameters.label == "one"
    counter.parameters.label = "set later"
    assert counter.ui.labelLineEdit.text == "typed later"


def test_a_wrapper_kept_while_the_scene_closes_has_the_defaults_again():
    kept = Parameters(ScriptedLoadableModuleLogic().getParameterNode())
    kept.count, kept.names = 7, ["liver"]
    slicer.mrmlScene.Clear(0)
    assert (kept.count, kept.names, kept.colour) == (3, [], Colour.red)


def test_annotations_set_the_range_of_a_widget():
    @parameterNodeWrapper
    class Ranged:
        free: int = 5
        low: Annotated[int, Minimum(2), Maximum(8)] = 4

    ranged = Ranged(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode"))
    free, low = qt.QSpinBox(), qt.QSpinBox()
    free.maximum = 10
    ranged.connectParametersToGui({"free": free, "low": low})
    assert (low.minimum, low.maximum, low.value) == (2, 8, 4)
    assert (free.minimum, free.maximum) == (-(2**31), 2**31 - 1)


def test_a_widget_that_does_not_fit_is_named(parameters):
    with pytest.raises(RuntimeError, match="Unable to create GUI connector"):
        parameters.connectParametersToGui({"text": qt.QSpinBox()})
    with pytest.raises(ValueError, match="Cannot find a param"):
        parameters.connectParametersToGui({"txt": qt.QLineEdit()})
