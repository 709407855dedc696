"""The module's .ui and the stand-ins for Slicer's widgets in it: they follow the scene, and what they lack is named."""

from pathlib import Path

import numpy as np
import pytest
import slicer

import SAMed
import slicerhost
from slicerhost.widgets import SURFACE, qMRMLSegmentationShow3DButton

UI = Path(SAMed.__file__).parent / "Resources/UI/SAMed.ui"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('class="ctkCollapsibleButton"', 'class="ctkCollapsibleGroupBox"', "no stand-in for ctkCollapsibleGroupBox"),
        ('name="noneEnabled"', 'name="noneEnable"', "has no property noneEnable"),
        ("<slot>setMRMLScene(vtkMRMLScene*)", "<slot>setScene(vtkMRMLScene*)", "which does not exist"),
        ("<signal>mrmlSceneChanged", "<signal>mrmlSceneModified", "has no signal"),
    ],
)
def test_what_a_ui_asks_for_in_vain_is_named(tmp_path, old, new, message):
    text, path = UI.read_text(encoding="utf-8"), tmp_path / "changed.ui"
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises((RuntimeError, ValueError), match=message):
        slicer.util.loadUI(str(path))


def test_what_is_collapsed_in_the_ui_is_hidden_until_it_is_opened(panel):
    ui, seen = panel.ui, []
    ui.tabWidget.setCurrentWidget(ui.segmentTab)
    ui.nextSliceSection.connect("contentsCollapsed(bool)", seen.append)
    assert (ui.nextSliceSection.collapsed, ui.rankButton.isVisible()) == (True, False)
    for visible in (True, False):
        slicerhost.click(ui.nextSliceSection)
        assert ui.rankButton.isVisible() == visible
    assert seen == [False, True]


@pytest.fixture
def selector():
    """A selector of volumes."""
    selector = slicer.qMRMLNodeComboBox()
    selector.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    selector.setMRMLScene(slicer.mrmlScene)
    yield selector
    selector.delete()


def addVolume(name: str) -> slicer.vtkMRMLScalarVolumeNode:
    return slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)


def listed(selector) -> list[str]:
    box = selector.comboBox()
    return [box.itemText(index) for index in range(box.count)]


def test_the_first_node_that_comes_is_chosen_and_stays(selector):
    seen = []
    selector.connect("currentNodeChanged(vtkMRMLNode*)", seen.append)
    first, second = addVolume("A"), addVolume("B")
    assert (selector.currentNode(), seen, listed(selector)) == (first, [first], ["A", "B"])
    slicer.mrmlScene.RemoveNode(first)
    assert (selector.currentNode(), seen) == (second, [first, second])


def test_none_can_be_chosen_where_it_is_offered(selector):
    selector.noneEnabled, selector.noneDisplay = True, "New one"
    node = addVolume("A")
    assert (listed(selector), selector.currentNode()) == (["New one", "A"], None)
    selector.setCurrentNode(node)
    assert selector.currentNode() == node
    selector.setCurrentNode(None)
    assert selector.currentNode() is None


def test_hidden_nodes_and_other_classes_are_not_listed(selector):
    addVolume("Hidden").SetHideFromEditors(True)
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Labels")
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", "Table")
    assert listed(selector) == ["Labels"]
    selector.showChildNodeTypes = False
    assert listed(selector) == []


def test_a_deleted_selector_no_longer_follows_the_scene():
    gone = slicer.qMRMLNodeComboBox()
    gone.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    gone.setMRMLScene(slicer.mrmlScene)
    gone.delete()
    assert addVolume("A") is not None


def test_show_3d_makes_the_surfaces_and_takes_them_away():
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    node.CreateDefaultDisplayNodes()
    volume = slicer.util.addVolumeFromArray(np.zeros((9, 9, 9)))
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    button = qMRMLSegmentationShow3DButton()
    button.setSegmentationNode(node)
    assert not button.enabled
    segment = node.GetSegmentation().AddEmptySegment("liver")
    voxels = np.zeros((9, 9, 9), np.uint8)
    voxels[2:7, 2:7, 2:7] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(voxels, node, segment, volume)
    assert (button.enabled, button.checked) == (True, False)
    button.click()
    assert node.GetClosedSurfaceInternalRepresentation(segment).GetNumberOfPoints() > 100
    assert node.GetDisplayNode().GetPreferredDisplayRepresentationName3D() == SURFACE
    button.click()
    assert not node.GetSegmentation().ContainsRepresentation(SURFACE)
    button.setSegmentationNode(None)
    button.delete()
