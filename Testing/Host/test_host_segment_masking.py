"""A scripted effect in the stand-in is masked, overwrites and is undone by Slicer's own Segment Editor logic."""

import numpy as np
import pytest
import slicer

from editing import ELLIPSE, opened, register, voxelsOf
from slicerhost import mouse

WIDE, NARROW, LEFT = ((120, 150), (280, 260)), ((180, 180), (220, 220)), ((120, 150), (200, 260))
EditorNode, SegmentationNode = slicer.vtkMRMLSegmentEditorNode, slicer.vtkMRMLSegmentationNode


@pytest.fixture
def editor(ct):
    """With the effect active on the first of three segments, editing everywhere and overwriting all."""
    register(ELLIPSE)
    with opened(ct, "first", "second", "third") as editor:
        node = editor.mrmlSegmentEditorNode()
        node.SetMaskMode(SegmentationNode.EditAllowedEverywhere)
        node.SetOverwriteMode(EditorNode.OverwriteAllSegments)
        node.SetSourceVolumeIntensityMask(False)
        editor.setActiveEffectByName("Ellipse")
        yield editor


def draw(editor, segmentID: str, box) -> np.ndarray:
    editor.setCurrentSegmentID(segmentID)
    mouse.drag("Red", *box)
    return voxelsOf(editor, segmentID)


def test_an_ellipse_is_drawn_in_the_box_on_the_shown_slice_alone(editor):
    drawn = draw(editor, "first", WIDE)
    logic = slicer.app.sliceLogics["Red"]
    assert [int(k) for k in np.flatnonzero(drawn.any((1, 2)))] == [logic.GetSliceIndexFromOffset(logic.GetSliceOffset()) - 1]
    rows, columns = (np.flatnonzero(drawn.any(axes)) for axes in ((0, 2), (0, 1)))
    area = np.pi / 4 * (len(rows) * len(columns))
    assert drawn.sum() == pytest.approx(area, rel=0.05)


def viewWidget():
    return slicer.app.layoutManager().sliceWidget("Red")


@pytest.mark.parametrize(
    ("mode", "taken"),
    [(EditorNode.OverwriteAllSegments, True), (EditorNode.OverwriteVisibleSegments, False), (EditorNode.OverwriteNone, False)],
)
def test_overwriting_a_hidden_segment(editor, mode, taken):
    before = draw(editor, "first", WIDE)
    editor.segmentationNode().GetDisplayNode().SetSegmentVisibility("first", False)
    editor.mrmlSegmentEditorNode().SetOverwriteMode(mode)
    drawn = draw(editor, "second", NARROW)
    assert drawn.any()
    assert (voxelsOf(editor, "first") & drawn).any() != taken
    assert taken or (voxelsOf(editor, "first") == before).all()


@pytest.mark.parametrize(
    ("mode", "taken"),
    [(EditorNode.OverwriteAllSegments, True), (EditorNode.OverwriteVisibleSegments, True), (EditorNode.OverwriteNone, False)],
)
def test_overwriting_a_visible_segment(editor, mode, taken):
    before = draw(editor, "first", WIDE)
    editor.mrmlSegmentEditorNode().SetOverwriteMode(mode)
    drawn = draw(editor, "second", NARROW)
    assert (voxelsOf(editor, "first") == (before & ~drawn if taken else before)).all()


def test_inside_another_segment(editor):
    mask = draw(editor, "first", LEFT)
    editor.mrmlSegmentEditorNode().SetMaskSegmentID("first")
    editor.mrmlSegmentEditorNode().SetMaskMode(SegmentationNode.EditAllowedInsideSingleSegment)
    drawn = draw(editor, "second", WIDE)
    assert drawn.any()
    assert not (drawn & ~mask).any()


@pytest.mark.parametrize("hidden", [False, True])
def test_outside_all_visible_segments(editor, hidden):
    mask = draw(editor, "first", LEFT)
    editor.segmentationNode().GetDisplayNode().SetSegmentVisibility("first", not hidden)
    editor.mrmlSegmentEditorNode().SetMaskMode(SegmentationNode.EditAllowedOutsideVisibleSegments)
    drawn = draw(editor, "second", WIDE)
    assert drawn.any()
    assert (drawn & mask).any() == hidden


def test_within_an_intensity_range(editor, ct):
    free = draw(editor, "first", WIDE)
    editor.mrmlSegmentEditorNode().SetSourceVolumeIntensityMask(True)
    editor.mrmlSegmentEditorNode().SetSourceVolumeIntensityMaskRange(0, 100)
    masked = draw(editor, "second", WIDE)
    values = slicer.util.arrayFromVolume(ct)
    assert (masked == (free & (values >= 0) & (values <= 100))).all()
    assert 0 < masked.sum() < free.sum()


def test_the_intensity_range_cannot_be_bypassed(editor):
    effect, labelmap = editor.activeEffect(), editor.activeEffect().defaultModifierLabelmap()
    editor.mrmlSegmentEditorNode().SetSourceVolumeIntensityMask(True)
    editor.mrmlSegmentEditorNode().SetSourceVolumeIntensityMaskRange(5000, 6000)
    labelmap.GetPointData().GetScalars().Fill(1)
    effect.modifySelectedSegmentByLabelmap(labelmap, effect.ModificationModeAdd, True)
    assert not voxelsOf(editor, "first").any()


def test_bypassing_the_mask_and_the_other_modes(editor):
    effect = editor.activeEffect()
    editor.mrmlSegmentEditorNode().SetMaskSegmentID("third")  # which is empty
    editor.mrmlSegmentEditorNode().SetMaskMode(SegmentationNode.EditAllowedInsideSingleSegment)
    labelmap = effect.defaultModifierLabelmap()
    labelmap.GetPointData().GetScalars().Fill(1)
    effect.modifySelectedSegmentByLabelmap(labelmap, effect.ModificationModeAdd)
    assert not voxelsOf(editor, "first").any()
    effect.modifySelectedSegmentByLabelmap(labelmap, effect.ModificationModeAdd, True)
    assert voxelsOf(editor, "first").all()
    extent = list(labelmap.GetExtent())
    extent[5] = extent[4]
    effect.modifySelectedSegmentByLabelmap(labelmap, effect.ModificationModeRemove, extent, True)
    assert voxelsOf(editor, "first").any((1, 2)).tolist() == [False, True, True, True]
    effect.modifySelectedSegmentByLabelmap(labelmap, effect.ModificationModeAdd, [0, 1], True)
    labelmap.GetPointData().GetScalars().Fill(0)
    effect.modifySelectedSegmentByLabelmap(labelmap, effect.ModificationModeSet, True)
    assert not voxelsOf(editor, "first").any()


def test_undo_and_redo(editor):
    states = [voxelsOf(editor, "first"), draw(editor, "first", LEFT), draw(editor, "first", WIDE)]
    assert not (states[1] == states[2]).all()
    for wanted in (states[1], states[0]):
        editor.undo()
        assert (voxelsOf(editor, "first") == wanted).all()
    for wanted in states[1:]:
        editor.redo()
        assert (voxelsOf(editor, "first") == wanted).all()


def test_the_keys_z_and_y_undo_and_redo(editor):
    drawn = draw(editor, "first", WIDE)
    mouse.key("Red", "z")
    assert not voxelsOf(editor, "first").any()
    mouse.key("Red", "y")
    assert (voxelsOf(editor, "first") == drawn).all()


def test_ten_states_are_kept(editor):
    for step in range(12):
        draw(editor, "first", ((120 + 10 * step, 150), (140 + 10 * step, 170)))
    for _step in range(12):
        editor.undo()
    assert voxelsOf(editor, "first").any()
    assert not editor._logic.CanUndo()


def test_a_segment_that_is_hidden_is_asked_about(editor):
    import slicerhost

    editor.segmentationNode().GetDisplayNode().SetSegmentVisibility("first", False)
    effect = editor.activeEffect()
    slicerhost.dialogs.answers["showSegment"] = None
    assert effect.confirmCurrentSegmentVisible() == effect.NotConfirmed
    slicerhost.dialogs.answers["showSegment"] = False
    assert effect.confirmCurrentSegmentVisible() == effect.ConfirmedWithDialog
    assert effect.confirmCurrentSegmentVisible() == effect.ConfirmedWithoutDialog
    assert len(slicerhost.dialogs.texts("showSegment")) == 2


def test_a_transformed_volume_and_segmentation_are_drawn_where_they_are_seen(editor, ct):
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = np.eye(4)
    matrix[:3, 3] = (10, -5, 0)
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    plain = draw(editor, "first", WIDE)
    for node in (ct, editor.segmentationNode()):
        node.SetAndObserveTransformNodeID(transform.GetID())
    view = viewWidget().sliceView()
    moved = [np.add(view.convertXYZToRAS([*xy, 0]), matrix[:3, 3]).tolist() for xy in WIDE]
    drawn = draw(editor, "second", moved)
    editor.undo()
    assert (voxelsOf(editor, "first") == plain).all()
    assert plain.any()
    assert (drawn ^ plain).sum() < 0.05 * plain.sum()
