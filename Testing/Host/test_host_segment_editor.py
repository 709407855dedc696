"""When the stand-in's Segment Editor calls an effect, and what ends one: as in Slicer's qMRMLSegmentEditorWidget."""

import pytest
import slicer

import slicerhost
from editing import ELLIPSE, opened, register, segmentEditor, voxelsOf
from slicerhost import mouse

BOX = ((200, 200), (260, 240))


@pytest.fixture
def calls():
    register(ELLIPSE)
    return __import__("ellipseEffect").calls


@pytest.fixture
def editor(ct, calls):
    """With the effect active on the first of two segments."""
    with opened(ct, "Liver", "Spleen") as editor:
        editor.setActiveEffectByName("Ellipse")
        calls.clear()
        yield editor


def test_an_effect_is_registered_once_and_named_by_its_file_and_folder(calls):
    register(ELLIPSE)
    assert list(segmentEditor().availableEffectNames()).count("Ellipse") == 1
    effect = segmentEditor().effectByName("Ellipse")
    assert type(effect.self()).__name__ == ELLIPSE.stem
    assert type(slicer.ellipseEffect) is type(effect.self())  # the last one that was made
    assert (effect.title, effect.helpText(), effect.perSegment) == ("An ellipse", "Drag a box.", True)


def test_entering_makes_a_segmentation_and_takes_the_shown_volume(ct, calls):
    with opened(ct) as editor:
        assert editor.segmentationNode().GetName() == "Segmentation"
        assert editor.sourceVolumeNode() is ct
        assert editor.activeEffect() is None


def test_the_options_are_there_before_and_the_gui_is_updated_first(ct, calls):
    with opened(ct, "Liver") as editor:
        calls.clear()
        editor.setActiveEffectByName("Ellipse")
        assert calls == ["updateGUIFromMRML", "activate"]
        effect = editor.activeEffect()
        assert effect.active()
        assert effect.optionsFrame().isVisible()
        assert effect.self().sizeBox.value == 3


@pytest.mark.parametrize(
    "by", ["another segmentation", "none chosen", "no segment", "read only", "leaving", "Escape", "place mode"]
)
def test_what_ends_an_effect(editor, calls, by):
    if by == "another segmentation":
        editor.setSegmentationNode(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode"))
    elif by == "none chosen":
        editor.setActiveEffect(None)
    elif by == "no segment":
        editor.segmentationNode().GetSegmentation().RemoveSegment("Liver")
    elif by == "read only":
        editor.setReadOnly(True)
        editor.setReadOnly(False)
    elif by == "leaving":
        slicerhost.selectModule("")
    elif by == "Escape":
        mouse.click("Red", BOX[0], shift=True)
        mouse.key("Red", "Escape")
    else:
        editor.interactionNode().SetCurrentInteractionMode(editor.interactionNode().Place)
        editor.interactionNode().SetCurrentInteractionMode(editor.interactionNode().ViewTransform)
    assert editor.activeEffect() is None
    assert calls.count("deactivate") == 1
    assert "activate" not in calls
    calls.clear()
    mouse.drag("Red", *BOX)
    assert "LeftButtonPressEvent" not in calls
    assert mouse.fellThrough["LeftButtonPressEvent"] == 1 + (by == "Escape")


def test_another_segment_leaves_the_effect_active(editor, calls):
    editor.setCurrentSegmentID("Spleen")
    assert editor.activeEffect().name == "Ellipse"
    assert "deactivate" not in calls
    mouse.drag("Red", *BOX)
    assert voxelsOf(editor, "Spleen").any()
    assert not voxelsOf(editor, "Liver").any()


def test_closing_the_scene_ends_the_effect_after_its_nodes_are_gone(editor, calls):
    seen = []
    editor.effectByName("Ellipse").self().forgetBox = lambda: seen.append(
        (slicer.mrmlScene.IsClosing(), slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode"))
    )
    mouse.press("Red", BOX[0])
    slicerhost.closeScene()
    del editor.effectByName("Ellipse").self().forgetBox
    editor.effectByName("Ellipse").self().forgetBox()
    assert editor.activeEffect() is None
    assert calls[-1] == "deactivate"
    assert seen == [(False, 0)]
    assert (editor.segmentationNode(), editor.sourceVolumeNode()) == (None, None)


def test_removing_the_segmentation_ends_the_effect(editor, calls):
    slicer.mrmlScene.RemoveNode(editor.segmentationNode())
    assert (editor.activeEffect(), editor.segmentationNode()) == (None, None)
    assert calls.count("deactivate") == 1
    other = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    assert editor.segmentationNode() is other


def test_removing_the_source_volume_tells_the_effects(editor, ct, calls):
    slicer.mrmlScene.RemoveNode(ct)
    assert editor.sourceVolumeNode() is None
    assert "sourceVolumeNodeChanged" in calls


def test_a_changed_source_volume_is_told_and_shown(editor, ct, calls):
    other = slicer.mrmlScene.AddNode(slicer.vtkMRMLScalarVolumeNode())
    other.CopyContent(ct)
    editor.setSourceVolumeNode(other)
    assert calls.count("sourceVolumeNodeChanged") == 1
    assert editor.activeEffect() is not None
    assert slicer.app.sliceLogics["Red"].GetSliceCompositeNode().GetBackgroundVolumeID() == other.GetID()


def test_a_changed_layout_is_told_and_the_effect_stays(editor, calls):
    slicer.app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView)
    slicer.app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    assert calls.count("layoutChanged") == 2
    assert editor.activeEffect() is not None
    mouse.drag("Red", *BOX)
    assert voxelsOf(editor, "Liver").any()


def test_a_turned_wheel_is_seen_as_a_change_of_the_view_node(editor, calls):
    slicer.app.sliceLogics["Red"].SetSliceOffset(slicer.app.sliceLogics["Red"].GetSliceOffset() + 1)
    assert "processViewNodeEvents" in calls


def test_an_effect_s_error_is_noted_and_the_event_goes_on_to_the_view(editor, monkeypatch):
    monkeypatch.setattr(type(editor.activeEffect().self()), "processInteractionEvents", lambda *_: 1 / 0)
    mouse.press("Red", BOX[0])
    assert mouse.fellThrough["LeftButtonPressEvent"] == 1
    assert {type(error) for error in slicerhost.signals.slotErrors} == {ZeroDivisionError}
    slicerhost.signals.slotErrors.clear()


def test_the_logic_s_lists_are_left_to_themselves_without_a_main_window(ct):
    assert slicer.app.layoutManager() is None
    assert slicer.util.mainWindow() is None
    slicer.util.selectModule("SegmentEditor")
    assert segmentEditor().segmentationNode() is not None
    assert segmentEditor().sourceVolumeNode() is None
    slicerhost.selectModule("")
