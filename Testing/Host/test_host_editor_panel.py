"""The panel of the stand-in's Segment Editor: its widgets say what the parameter node says, and the other way round."""

import pytest
import slicer

import slicerhost
from editing import ELLIPSE, opened, register, segmentEditor

SegmentationNode = slicer.vtkMRMLSegmentationNode


@pytest.fixture
def editor(ct):
    register(ELLIPSE)
    with opened(ct, "Liver", "Spleen") as editor:
        node = editor.mrmlSegmentEditorNode()
        node.SetMaskMode(SegmentationNode.EditAllowedEverywhere)
        node.SetSourceVolumeIntensityMask(False)
        yield editor


def test_segments_are_added_and_removed(editor):
    ui = editor._ui
    slicerhost.click(ui.AddSegmentButton)
    added = editor.currentSegmentID()
    assert added not in ("", "Liver", "Spleen")
    slicerhost.click(ui.RemoveSegmentButton)
    assert list(editor.segmentationNode().GetSegmentation().GetSegmentIDs()) == ["Liver", "Spleen"]


def test_the_effect_s_button_chooses_it_and_none_ends_it(editor):
    slicerhost.click(editor._ui.effectButton("Ellipse"))
    assert editor.activeEffect().name == "Ellipse"
    assert editor._ui.OptionsGroupBox.title == "An ellipse"
    slicerhost.click(editor._ui.effectButton("NULL"))
    assert editor.activeEffect() is None


def test_without_a_source_volume_effects_cannot_be_chosen(editor):
    editor.setSourceVolumeNode(None)
    with pytest.raises(AssertionError, match="cannot be clicked"):
        slicerhost.click(editor._ui.effectButton("Ellipse"))


def test_an_effect_on_segments_needs_one_that_is_selected(editor):
    for segmentID in ("Liver", "Spleen"):
        editor.segmentationNode().GetSegmentation().RemoveSegment(segmentID)
    with pytest.raises(AssertionError, match="cannot be clicked"):
        slicerhost.click(editor._ui.effectButton("Ellipse"))


def test_where_the_segment_that_masks_is_removed_editing_is_allowed_everywhere(editor):
    box, node = editor._ui.MaskModeComboBox, editor.mrmlSegmentEditorNode()
    box.setCurrentIndex(box.findData("Spleen"))
    assert node.GetMaskMode() == SegmentationNode.EditAllowedInsideSingleSegment
    assert node.GetMaskSegmentID() == "Spleen"
    editor.segmentationNode().GetSegmentation().RemoveSegment("Spleen")
    assert node.GetMaskMode() == SegmentationNode.EditAllowedEverywhere


def test_the_intensity_mask_begins_with_the_middle_half_of_the_range(editor, ct):
    node = editor.mrmlSegmentEditorNode()
    node.SetSourceVolumeIntensityMaskRange(0, 0)
    editor._ui.SourceVolumeIntensityMaskCheckBox.setChecked(True)
    low, high = ct.GetImageData().GetScalarRange()
    wanted = (low + 0.25 * (high - low), low + 0.75 * (high - low))
    assert node.GetSourceVolumeIntensityMaskRange() == pytest.approx(wanted)


def test_two_segmentations_have_their_own_segments_and_the_second_is_chosen_by_hand(editor):
    other = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Other")
    other.GetSegmentation().AddEmptySegment("Aorta", "Aorta")
    assert editor.segmentationNode() is not other
    editor._ui.SegmentationNodeComboBox.setCurrentNode(other)
    assert editor.segmentationNode() is other
    assert editor.currentSegmentID() == "Aorta"


def test_a_segmentation_of_surfaces_is_converted_only_where_a_person_agrees(editor):
    node = editor.segmentationNode()
    names = slicer.vtkSegmentationConverter
    sphere = slicer.vtkSegment()
    source = __import__("vtk").vtkSphereSource()
    source.SetRadius(20)
    source.Update()
    node.GetSegmentation().RemoveAllSegments()
    node.GetSegmentation().SetSourceRepresentationName(names.GetSegmentationClosedSurfaceRepresentationName())
    sphere.AddRepresentation(names.GetSegmentationClosedSurfaceRepresentationName(), source.GetOutput())
    node.GetSegmentation().AddSegment(sphere, "Sphere")
    editor.setCurrentSegmentID("Sphere")
    editor.setActiveEffectByName("Ellipse")
    assert editor.activeEffect() is None
    assert "Closed surface" in slicerhost.dialogs.texts("convert")[0]
    slicerhost.dialogs.answers["convert"] = True
    editor.setActiveEffect(None)
    editor.setActiveEffectByName("Ellipse")
    assert editor.activeEffect().name == "Ellipse"
    assert node.GetSegmentation().GetSourceRepresentationName() == "Binary labelmap"


def test_a_scene_that_was_saved_with_an_effect_activates_it_again(editor, tmp_path):
    editor.setActiveEffectByName("Ellipse")
    path = str(tmp_path / "scene.mrml")
    slicer.mrmlScene.SetURL(path)
    slicer.mrmlScene.Commit()
    slicerhost.closeScene()
    assert segmentEditor().activeEffect() is None
    slicer.mrmlScene.SetURL(path)
    slicer.mrmlScene.Connect()
    assert segmentEditor().activeEffect().name == "Ellipse"
    assert segmentEditor().segmentationNode() is not None
