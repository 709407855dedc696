"""Keeping a mask through the editor: masking, overwriting, intensity range and undo are the editor's."""

import numpy as np
import pytest
import slicer
import vtk

from SAMedLib.scene.provenance import keptSlices, segmentSums
from scans import crop, ctNode

BOX = (slice(20, 51), slice(20, 41))
Editor = slicer.vtkMRMLSegmentEditorNode
Segmentation = slicer.vtkMRMLSegmentationNode


def paintSecond(editing, k: int, rows: slice, columns: slice) -> None:
    """What a person has drawn with the brush."""
    voxels = editing.held("second").astype(np.uint8)
    voxels[k, rows, columns] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(voxels, editing.segmentationNode, "second", editing.volumeNode)


def expected(editing, k: int) -> np.ndarray:
    voxels = np.zeros_like(editing.held())
    voxels[(k, *BOX)] = True
    return voxels


def test_undo_and_redo_are_one_step_for_each_slice_kept(editing):
    editing.keep(1)
    editing.keep(2)
    editing.editor.undo()
    assert editing.slicesOf() == [1]
    editing.editor.undo()
    assert editing.slicesOf() == []
    editing.editor.redo()
    editing.editor.redo()
    assert editing.slicesOf() == [1, 2]


def test_undo_brings_back_what_the_mask_replaced_inside_and_outside(editing):
    editing.keep(1)
    before = editing.held()
    editing.keep(1, (30, 30), (60, 60))
    editing.editor.undo()
    assert np.array_equal(editing.held(), before)


def test_undo_in_the_middle_of_a_preview_leaves_the_preview(editing):
    editing.keep(1)
    editing.box(2)
    editing.editor.undo()
    assert not editing.activity.prompting.isEmpty
    editing.key("Return")
    assert editing.slicesOf() == [2]


def test_masking_by_another_segment_keeps_it_out_and_what_lies_there(editing):
    paintSecond(editing, 1, slice(20, 30), slice(0, 100))
    second = editing.held("second")
    editing.node.SetMaskMode(Segmentation.EditAllowedOutsideAllSegments)
    editing.keep(1)
    assert np.array_equal(editing.held(), expected(editing, 1) & ~second)
    assert np.array_equal(editing.held("second"), second)
    assert "as far as" in editing.said


def test_masking_inside_a_segment(editing):
    paintSecond(editing, 1, slice(20, 30), slice(0, 100))
    inside = editing.held("second")
    editing.node.SetMaskSegmentID("second")
    editing.node.SetMaskMode(Segmentation.EditAllowedInsideSingleSegment)
    editing.node.SetOverwriteMode(Editor.OverwriteNone)
    editing.keep(1)
    assert np.array_equal(editing.held(), expected(editing, 1) & inside)
    assert np.array_equal(editing.held("second"), inside)


def test_the_editable_intensity_range(editing):
    editing.node.SourceVolumeIntensityMaskOn()
    editing.node.SetSourceVolumeIntensityMaskRange(0, 200)
    editing.keep(1)
    voxels = slicer.util.arrayFromVolume(editing.volumeNode)
    assert np.array_equal(editing.held(), expected(editing, 1) & (voxels >= 0) & (voxels <= 200))
    assert 0 < editing.held().sum() < expected(editing, 1).sum()


@pytest.mark.parametrize(
    ("mode", "loses"),
    [(Editor.OverwriteAllSegments, True), (Editor.OverwriteVisibleSegments, False), (Editor.OverwriteNone, False)],
)
def test_other_segments_are_overwritten_as_the_editor_says(editing, mode, loses):
    paintSecond(editing, 1, slice(20, 30), slice(0, 100))
    second = editing.held("second")
    editing.segmentationNode.GetDisplayNode().SetSegmentVisibility("second", False)
    editing.node.SetOverwriteMode(mode)
    editing.keep(1)
    assert np.array_equal(editing.held(), expected(editing, 1))
    assert np.array_equal(editing.held("second"), second & ~expected(editing, 1) if loses else second)


def test_a_kept_slice_counts_as_drawn_even_where_the_model_had_left_it_so(editing):
    from SAMedLib.scene.provenance import recordModelSums

    node, volume = editing.segmentationNode, editing.volumeNode
    editing.keep(1)
    recordModelSums(node, "first", segmentSums(node, volume)["first"], (1,))
    assert keptSlices(node, "first", segmentSums(node, volume)["first"]) == ()
    editing.keep(1)
    assert keptSlices(node, "first", segmentSums(node, volume)["first"]) == (1,)


def test_the_models_slice_of_another_segment_stays_the_models_when_it_is_overwritten(editing):
    from SAMedLib.scene.provenance import recordModelSums

    node, volume = editing.segmentationNode, editing.volumeNode
    paintSecond(editing, 1, slice(20, 30), slice(0, 100))
    recordModelSums(node, "second", segmentSums(node, volume)["second"], (1,))
    editing.keep(1)
    assert editing.held("second").sum() < 1000
    assert keptSlices(node, "second", segmentSums(node, volume)["second"]) == ()


def test_two_segmentations_are_each_edited_alone(editing, segmentEditor):
    editing.keep(1)
    other = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "other")
    other.CreateDefaultDisplayNodes()
    other.GetSegmentation().AddEmptySegment("first", "first")
    first, editing.segmentationNode = editing.segmentationNode, other
    editing.open()
    editing.keep(2)
    assert editing.slicesOf() == [2]
    editing.segmentationNode = first
    assert editing.slicesOf() == [1]


@pytest.fixture
def turned():
    """A node of a linear transform."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform = vtk.vtkTransform()
    transform.Translate(30, -20, 11)
    transform.RotateZ(20)
    node.SetMatrixTransformToParent(transform.GetMatrix())
    return node


@pytest.mark.parametrize("which", ["volume", "segmentation", "both"])
def test_transformed_volume_and_segmentation(promptedWorker, segmentEditor, ct, turned, which):
    if which != "segmentation":
        ct.SetAndObserveTransformNodeID(turned.GetID())
    editing = segmentEditor(ct)
    if which != "volume":
        editing.segmentationNode.SetAndObserveTransformNodeID(turned.GetID())
    editing.segmentationNode.SetReferenceImageGeometryParameterFromVolumeNode(ct)
    editing.keep(1)
    held = editing.held()
    inside, grown = expected(editing, 1), np.zeros_like(held)
    inside[1, 22:49, 22:39] = True
    grown[1, 19:52, 19:42] = True
    assert not (held & ~grown).any()
    assert np.count_nonzero(held) > 0.9 * np.count_nonzero(expected(editing, 1))
    if which == "both":
        assert np.array_equal(held, expected(editing, 1))


def test_a_transform_that_is_not_linear(promptedWorker, segmentEditor, ct):
    bend = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLBSplineTransformNode")
    spline = vtk.vtkThinPlateSplineTransform()
    source, target = vtk.vtkPoints(), vtk.vtkPoints()
    for x, y, z in np.ndindex(3, 3, 3):
        place = np.array([x - 1, y - 1, z - 1]) * 250.0
        source.InsertNextPoint(place)
        target.InsertNextPoint(place + np.array([8 * np.sin(y), 6 * np.cos(x), 0]))
    spline.SetSourceLandmarks(source)
    spline.SetTargetLandmarks(target)
    spline.SetBasisToR()
    bend.SetAndObserveTransformToParent(spline)
    ct.SetAndObserveTransformNodeID(bend.GetID())
    editing = segmentEditor(ct)
    editing.keep(1)
    assert editing.slicesOf() == [1]
    overlap = (editing.held() & expected(editing, 1)).sum() / expected(editing, 1).sum()
    assert overlap > 0.9


@pytest.mark.parametrize("finer", [True, False])
def test_a_segmentation_on_another_grid_than_the_volume(promptedWorker, segmentEditor, ct, sample_ct, finer):
    other = ctNode(crop(sample_ct, 78, 86), "other grid")
    matrix = vtk.vtkMatrix4x4()
    other.GetIJKToRASMatrix(matrix)
    array = slicer.util.arrayFromVTKMatrix(matrix)
    if finer:
        array[:3, :3] /= 1.5
    else:
        array[:3, :2] *= 1.5
    other.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(array))
    editing = segmentEditor(ct)
    editing.segmentationNode.SetReferenceImageGeometryParameterFromVolumeNode(other)
    editing.editor.setSourceVolumeNode(ct)
    editing.keep(2, (20, 20), (40, 50))
    wanted = expected(editing, 2)
    held = editing.held()
    assert 2 * (held & wanted).sum() / (held.sum() + wanted.sum()) > 0.9


def test_a_segmentation_of_surfaces_is_made_voxels_when_the_person_agrees(promptedWorker, segmentEditor, ct):
    import slicerhost

    editing = segmentEditor(ct)
    editing.keep(1)
    editing.choose("")
    segmentation = editing.segmentationNode.GetSegmentation()
    editing.segmentationNode.CreateClosedSurfaceRepresentation()
    segmentation.SetSourceRepresentationName("Closed surface")
    slicerhost.dialogs.answers["convert"] = True
    editing.choose()
    editing.keep(2)
    assert 2 in editing.slicesOf()


def test_a_hidden_segment_is_asked_about_first(editing):
    import slicerhost

    editing.segmentationNode.GetDisplayNode().SetSegmentVisibility("first", False)
    slicerhost.dialogs.answers["showSegment"] = None
    editing.box(1)
    assert editing.activity.prompting.isEmpty
    slicerhost.dialogs.answers["showSegment"] = True
    editing.box(1)
    editing.keep(1)
    assert editing.slicesOf() == [1]


def test_every_order_of_axes(promptedWorker, segmentEditor, sample_ct):
    from SAMedCore.image.orientation import reorient

    for code in ("SRA", "LAS", "IPL"):
        slicer.mrmlScene.Clear(0)
        editing = segmentEditor(ctNode(reorient(crop(sample_ct, 80, 84), code), code))
        editing.keep(1)
        assert editing.held().sum() == 31 * 21
