"""The first tab: what it says of each step, and where its buttons lead."""

from collections.abc import Callable

import pytest
import slicer

import slicerhost
from scans import labelsIn


@pytest.fixture
def withEffect(panel) -> None:
    """The effect's own module is there, too."""
    if not hasattr(slicer.modules, "segmenteditorsamed"):
        slicerhost.registerModule("SegmentEditorSAMed")


@pytest.fixture
def back(panel) -> Callable[[], None]:
    """Leaves the Segment Editor for the panel."""
    return lambda: slicer.util.selectModule("SAMed")


def editor():
    return slicer.modules.segmenteditor.widgetRepresentation().self().editor


def states(panel) -> list[str]:
    return [getattr(panel.ui, f"{step}StateLabel").text for step in ("prompt", "complete", "finetune", "segment")]


def test_it_is_the_first_tab_and_begins_with_nothing_but_a_ct(ct, panel):
    assert panel.ui.tabWidget.currentWidget() is panel.ui.pathTab
    assert panel.ui.promptVolumeSelector.currentNode() is ct
    assert panel.ui.promptStepButton.enabled
    assert states(panel) == [
        "Nothing is drawn yet.",
        "No slice is drawn yet.",
        "No scan is in its list yet.",
        "Chosen: abdomen-demo. You have none of your own yet.",
    ]


def test_without_a_ct_it_says_where_to_find_one(panel):
    assert not panel.ui.promptStepButton.enabled
    assert panel.ui.promptStepButton.toolTip == "Select a CT volume."
    assert "Sample Data" in panel.ui.promptStateLabel.text


def test_what_is_drawn_is_said_by_structure(ct, drawn, panel):
    panel.ui.promptSegmentationSelector.setCurrentNode(drawn)
    said = panel.ui.promptStateLabel.text
    assert said.startswith("Slices drawn or accepted: spleen 2, right kidney 4, ")
    assert said.endswith(" more.")
    assert panel.ui.completeStateLabel.text == "4 of 4 slices are drawn."


def test_what_was_drawn_elsewhere_is_seen_on_the_way_back(ct, drawn, panel, back):
    from SAMedLib.scene.provenance import recordModelSums, segmentSums

    panel.panel.parameterNode.promptSegmentation = drawn
    assert panel.ui.completeStateLabel.text == "4 of 4 slices are drawn."
    slicer.util.selectModule("SegmentEditor")
    for segmentID, sums in segmentSums(drawn, ct).items():
        recordModelSums(drawn, segmentID, sums, (0, 1, 2))
    back()
    assert panel.ui.completeStateLabel.text == "1 of 4 slices are drawn."


def test_prompt_opens_the_effect_on_a_new_segment_of_the_ct(ct, panel, withEffect):
    slicerhost.click(panel.ui.promptStepButton)
    (segmentation,) = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    assert slicer.app.selected == "SegmentEditor"
    assert editor().activeEffect().name == "SAMed"
    assert editor().segmentationNode() is segmentation
    assert editor().sourceVolumeNode() is ct
    assert editor().currentSegmentID() == segmentation.GetSegmentation().GetNthSegmentID(0)
    assert segmentation.GetName() == "CT segmentation"
    chosen = panel.panel.parameterNode
    assert (chosen.promptVolume, chosen.promptSegmentation) == (ct, segmentation)
    assert (chosen.completeVolume, chosen.completeSegmentation) == (ct, segmentation)


def test_prompt_goes_on_where_there_is_a_segmentation(ct, drawn, panel, withEffect, back):
    before = labelsIn(drawn, ct)
    panel.panel.parameterNode.promptSegmentation = drawn
    for segmentName in ("spleen", "liver"):
        slicerhost.click(panel.ui.promptStepButton)
        assert slicer.util.getNodesByClass("vtkMRMLSegmentationNode") == [drawn]
        segmentID = drawn.GetSegmentation().GetSegmentIdBySegmentName(segmentName)
        assert editor().currentSegmentID() == segmentID
        editor().setCurrentSegmentID(drawn.GetSegmentation().GetSegmentIdBySegmentName("liver"))
        back()
    assert (labelsIn(drawn, ct) == before).all()


def test_a_transformed_ct_gets_a_segmentation_under_its_transform(ct, panel, withEffect):
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "turned")
    ct.SetAndObserveTransformNodeID(transform.GetID())
    slicerhost.click(panel.ui.promptStepButton)
    assert panel.panel.parameterNode.promptSegmentation.GetParentTransformNode() is transform


def test_a_segmentation_on_another_grid_is_refused_in_one_line(ct, drawn, panel, sample_ct):
    from scans import ctNode

    other = ctNode(sample_ct, "whole")
    other.SetSpacing(1, 2, 3)
    panel.panel.parameterNode.promptVolume, panel.panel.parameterNode.promptSegmentation = other, drawn
    assert "do not lie on the voxels" in panel.ui.promptStateLabel.text
    slicerhost.click(panel.ui.promptStepButton)
    (said,) = slicerhost.dialogs.texts("error")
    assert "do not lie on the voxels" in said
    assert slicer.app.selected == "SAMed"


def test_without_the_effects_own_module_it_says_what_to_do_and_leaves_nothing_behind(ct, panel, monkeypatch):
    monkeypatch.setattr("SAMedLib.panel.openEffect.EFFECT", "not loaded")
    slicerhost.click(panel.ui.promptStepButton)
    (said,) = slicerhost.dialogs.texts("error")
    assert "SegmentEditorSAMed.py" in said
    assert slicer.app.selected == "SAMed"
    assert slicer.util.getNodesByClass("vtkMRMLSegmentationNode") == []


def test_complete_goes_to_its_tab_with_the_scan(ct, drawn, panel):
    panel.panel.parameterNode.promptSegmentation = drawn
    slicerhost.click(panel.ui.completeStepButton)
    assert panel.ui.tabWidget.currentWidget() is panel.ui.completeTab
    assert panel.ui.completeVolumeSelector.currentNode() is ct
    assert panel.ui.completeSegmentationSelector.currentNode() is drawn
    assert panel.ui.completeButton.enabled


def test_fine_tune_goes_to_its_tab_and_lists_the_scan_once(ct, drawn, panel):
    panel.panel.parameterNode.promptSegmentation = drawn
    for _time in range(2):
        slicerhost.click(panel.ui.finetuneStepButton)
        assert panel.ui.tabWidget.currentWidget() is panel.ui.finetuneTab
        assert panel.panel.parameterNode.scanSegmentations == [drawn]
        panel.ui.tabWidget.setCurrentWidget(panel.ui.pathTab)
    assert panel.ui.finetuneStateLabel.text.startswith("Scans in its list: 1. ")


def test_segment_goes_to_its_tab(ct, panel):
    slicerhost.click(panel.ui.segmentStepButton)
    assert panel.ui.tabWidget.currentWidget() is panel.ui.segmentTab


def test_complete_offers_boxes_where_nothing_is_drawn_and_says_so(ct, panel, withEffect):
    panel.ui.tabWidget.setCurrentWidget(panel.ui.completeTab)
    assert panel.ui.fromBoxesButton.visible
    assert panel.ui.annotatedInfoLabel.text == "No slice is annotated yet: draw, or begin with boxes."
    slicerhost.click(panel.ui.fromBoxesButton)
    assert editor().activeEffect().name == "SAMed"
    slicer.util.selectModule("SAMed")
    assert panel.panel.parameterNode.completeVolume is ct
    assert panel.ui.fromBoxesButton.visible  # a segmentation, but nothing drawn in it


def test_complete_is_as_it_was_where_slices_are_drawn(ct, drawn, panel):
    panel.ui.tabWidget.setCurrentWidget(panel.ui.completeTab)
    panel.ui.completeVolumeSelector.setCurrentNode(ct)
    panel.ui.completeSegmentationSelector.setCurrentNode(drawn)
    assert not panel.ui.fromBoxesButton.visible
    assert panel.ui.annotatedInfoLabel.text == "4 annotated slices: 0:4"


def test_closing_the_scene_empties_the_tab(ct, drawn, panel):
    panel.panel.parameterNode.promptSegmentation = drawn
    slicerhost.closeScene()
    assert panel.ui.promptVolumeSelector.currentNode() is None
    assert states(panel)[:2] == ["Load a CT first; the sample is in the module Sample Data.", ""]
