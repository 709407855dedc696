"""The widgets for nodes follow the scene and change it."""

import numpy as np
import pytest
import slicer

from slicerhost import closeScene
from slicerhost.segmentationwidgets import SURFACE


@pytest.fixture
def selector():
    """A selector of volumes."""
    selector = slicer.qMRMLNodeComboBox()
    selector.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    selector.addEnabled = selector.removeEnabled = False
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
    addVolume("A")
    assert (listed(selector), selector.currentNode(), selector.currentNodeID) == (["New one", "A"], None, "")


def test_hidden_nodes_and_other_classes_are_not_listed(selector):
    addVolume("Hidden").SetHideFromEditors(True)
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Labels")
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", "Table")
    assert listed(selector) == ["Labels"]
    selector.showChildNodeTypes = False
    assert listed(selector) == []


def test_both_signals_named_current_node_changed_are_sent(selector):
    valid, ids = [], []
    selector.connect("currentNodeChanged(bool)", valid.append)
    selector.connect("currentNodeIDChanged(QString)", ids.append)
    node = addVolume("A")
    slicer.mrmlScene.RemoveNode(node)
    assert (valid, ids) == ([True, False], ["vtkMRMLScalarVolumeNode1", ""])


def test_the_scene_can_be_closed_and_filled_again(selector):
    addVolume("A")
    closeScene()
    assert (selector.currentNode(), listed(selector)) == (None, [])
    addVolume("B")
    assert listed(selector) == ["B"]


def test_the_user_adds_renames_and_deletes_a_node(selector):
    from slicerhost import dialogs

    selector.addEnabled = selector.removeEnabled = selector.renameEnabled = True
    selector.baseName = "Result"
    byUser = []
    selector.connect("nodeAddedByUser(vtkMRMLNode*)", byUser.append)
    selector.comboBox().activated.emit(listed(selector).index("Create new Volume"))
    assert [node.GetName() for node in byUser] == ["Result"]
    dialogs.answers["text"] = "Kidneys"
    selector.comboBox().activated.emit(listed(selector).index("Rename current Volume"))
    assert selector.currentNode().GetName() == "Kidneys"
    selector.comboBox().activated.emit(listed(selector).index("Delete current Volume"))
    assert selector.currentNode() is None


def test_a_node_asked_for_before_the_scene_comes_is_chosen_with_it():
    addVolume("A")
    wanted = addVolume("B")
    late = slicer.qMRMLNodeComboBox()
    late.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    late.setCurrentNode(wanted)
    late.setMRMLScene(slicer.mrmlScene)
    assert late.currentNode() == wanted
    late.setMRMLScene(None)
    late.delete()


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
    button = slicer.qMRMLSegmentationShow3DButton()
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
