"""Through the volume: kept slices carried on, limits, what is whose, and where to look."""

import numpy as np
import pytest
import slicer

import slicerhost
from SAMedLib.scene.provenance import changedSlices, keptSlices, segmentSums
from scans import crop, ctNode


@pytest.fixture
def editing(promptedWorker, segmentEditor, sample_ct):
    """The effect on ten slices of the sample."""
    return segmentEditor(ctNode(crop(sample_ct, 80, 90), "CT"))


def kept(editing, segmentID: str = "first") -> tuple[int, ...]:
    sums = segmentSums(editing.segmentationNode, editing.volumeNode)
    return keptSlices(editing.segmentationNode, segmentID, sums[segmentID])


def test_kept_slices_are_carried_on_and_stay_the_persons(editing):
    editing.keep(4)
    before = editing.held()[4]
    editing.through()
    assert editing.slicesOf() == list(range(10))
    assert np.array_equal(editing.held()[4], before)
    assert kept(editing) == (4,)
    assert "on 9 slices" in editing.said


def test_it_is_one_step_of_undo_and_what_is_whose_comes_back_too(editing):
    editing.keep(4)
    editing.through()
    editing.editor.undo()
    assert editing.slicesOf() == [4]
    assert kept(editing) == (4,)
    editing.editor.redo()
    assert editing.slicesOf() == list(range(10))
    assert kept(editing) == (4,)


def test_slices_drawn_with_the_brush_are_kept_ones(editing, promptedWorker):
    voxels = np.zeros(editing.held().shape, np.uint8)
    voxels[3, 30:40, 30:40] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(voxels, editing.segmentationNode, "first", editing.volumeNode)
    editing.through()
    assert promptedWorker.heard("Propagate")[-1]["structures"][0]["slices"] == [3]


def test_what_is_previewed_is_kept_first(editing, promptedWorker):
    editing.box(4)
    editing.through()
    assert promptedWorker.heard("Propagate")[-1]["structures"][0]["slices"] == [4]


def test_without_a_kept_slice_it_says_what_to_do(editing):
    editing.through()
    (said,) = slicerhost.dialogs.texts("error")
    assert "No slice is kept yet" in said


def test_a_correction_is_an_anchor_and_the_worker_hears_which_is_new(editing, promptedWorker):
    editing.keep(4)
    editing.through()
    assert promptedWorker.heard("Propagate")[-1]["structures"][0]["changed"] is None
    editing.keep(7, (30, 30), (60, 60))
    editing.through()
    structure = promptedWorker.heard("Propagate")[-1]["structures"][0]
    assert (structure["slices"], structure["changed"]) == ([4, 7], [7])
    sums = segmentSums(editing.segmentationNode, editing.volumeNode)
    assert changedSlices(editing.segmentationNode, "first", sums["first"]) == ()


def test_asked_again_with_nothing_changed_all_of_it_is_drawn_anew(editing, promptedWorker):
    editing.keep(4)
    editing.through()
    editing.through()
    assert promptedWorker.heard("Propagate")[-1]["structures"][0]["changed"] is None


def test_the_limits_of_slices(editing, promptedWorker):
    editing.keep(4)
    editing.jump(2)
    slicerhost.click(editing.ui.lowestHereButton)
    editing.ui.highestSpinBox.value = 6
    editing.through()
    assert editing.slicesOf() == [2, 3, 4, 5, 6]
    assert promptedWorker.heard("Propagate")[-1]["structures"][0]["limits"]["slices"] == [2, 6]


def test_limits_upside_down_are_refused(editing):
    editing.keep(4)
    editing.ui.lowestSpinBox.value, editing.ui.highestSpinBox.value = 6, 2
    editing.through()
    assert "lower slice first" in slicerhost.dialogs.texts("error")[-1]


def test_the_limits_of_a_roi(editing, promptedWorker):
    roi = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "ROI")
    centre = editing.place(30, 35, 4)
    roi.SetCenter(centre)
    roi.SetSize(60, 30, 12)
    editing.ui.roiSelector.setCurrentNode(roi)
    editing.keep(4)
    editing.through()
    corners = np.array(promptedWorker.heard("Propagate")[-1]["structures"][0]["limits"]["box"])
    low, high = corners.min(axis=0), corners.max(axis=0)
    assert np.allclose(high - low, (60, 30, 12), atol=0.01)
    assert np.allclose((low + high) / 2, centre * (-1, -1, 1), atol=0.01)


def test_all_segments_with_kept_slices_at_once(editing, promptedWorker):
    editing.keep(4)
    editing.editor.setCurrentSegmentID("second")
    editing.keep(6, (60, 60), (70, 80))
    editing.ui.allSegmentsCheckBox.checked = True
    editing.through()
    assert [each["slices"] for each in promptedWorker.heard("Propagate")[-1]["structures"]] == [[4], [6]]
    assert editing.slicesOf("first") == editing.slicesOf("second") == list(range(10))
    assert editing.node.GetSelectedSegmentID() == "second"
    assert (kept(editing, "first"), kept(editing, "second")) == ((4,), (6,))
    editing.editor.undo()
    assert (editing.slicesOf("first"), editing.slicesOf("second")) == ([4], [6])


@pytest.mark.parametrize("mayOverlap", [False, True])
def test_what_a_person_kept_of_another_segment_stays(editing, mayOverlap):
    voxels = np.zeros(editing.held().shape, np.uint8)
    voxels[7, 20:60, 20:60] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(voxels, editing.segmentationNode, "second", editing.volumeNode)
    nodes = slicer.vtkMRMLSegmentEditorNode
    editing.node.SetOverwriteMode(nodes.OverwriteNone if mayOverlap else nodes.OverwriteAllSegments)
    editing.keep(4, (20, 20), (60, 60))
    editing.through()
    assert np.array_equal(editing.held("second"), voxels > 0)
    assert (editing.held()[7] & (voxels[7] > 0)).any() == mayOverlap
    assert editing.held()[6].any()


def test_the_models_slices_stay_the_models_where_another_segment_takes_from_them(editing):
    for k in (1, 5, 8):
        editing.keep(k, (20, 20), (60, 60))
    editing.through()
    editing.keep(8, (20, 20), (50, 50))
    editing.editor.setCurrentSegmentID("second")
    editing.keep(2, (20, 20), (40, 40))
    before = editing.held()[3]
    editing.ui.allSegmentsCheckBox.checked = True
    editing.through()
    assert (editing.held()[3] < before).any()  # the first was not drawn again there, and the second has taken from it
    assert (kept(editing, "first"), kept(editing, "second")) == ((1, 5, 8), (2,))


def test_masking_holds_and_what_was_written_after_it_is_the_models(editing):
    voxels = np.zeros(editing.held().shape, np.uint8)
    voxels[:, 20:30] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(voxels, editing.segmentationNode, "second", editing.volumeNode)
    editing.node.SetMaskMode(slicer.vtkMRMLSegmentationNode.EditAllowedOutsideAllSegments)
    editing.keep(4)
    editing.through()
    assert not editing.held()[:, 20:30].any()
    assert editing.slicesOf() == list(range(10))
    assert kept(editing) == (4,)


def test_least_sure_slices_are_links_that_jump_there(editing):
    from SAMedLib.scene.volumes import shownSlice

    editing.keep(4)
    editing.through()
    text = editing.ui.doubtfulLabel.text
    assert text.startswith("Least sure: <a href=")
    assert text.index("slice 0") < text.index("slice 1") < text.index("slice 2")
    editing.editor.setCurrentSegmentID("second")
    editing.ui.doubtfulLabel.linkActivated.emit("2")
    assert editing.node.GetSelectedSegmentID() == "first"
    assert shownSlice(editing.volumeNode) == 2


def test_it_can_be_cancelled_and_nothing_is_written(editing, promptedWorker):
    editing.keep(4)
    promptedWorker.hold()
    slicerhost.click(editing.ui.throughButton)
    assert editing.ui.throughButton.text == "Cancel"
    slicerhost.click(editing.ui.throughButton)
    promptedWorker.answer()  # too late to be stopped, and not wanted any more
    slicerhost.waitUntil(lambda: not editing.activity.runner.isBusy, seconds=20)
    assert editing.slicesOf() == [4]
    assert editing.ui.throughButton.text == "Through the volume"


def test_a_slice_drawn_meanwhile_is_not_overwritten(editing, promptedWorker):
    editing.keep(4)
    promptedWorker.hold()
    slicerhost.click(editing.ui.throughButton)
    slicerhost.waitUntil(lambda: promptedWorker.heard("Propagate"))
    voxels = editing.held().astype(np.uint8)
    voxels[7, 60:70, 60:70] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(voxels, editing.segmentationNode, "first", editing.volumeNode)
    promptedWorker.answer()
    slicerhost.waitUntil(lambda: not editing.activity.runner.isBusy, seconds=20)
    assert np.array_equal(editing.held()[7], voxels[7] > 0)
    assert editing.slicesOf() == list(range(10))
    assert kept(editing) == (4, 7)


@pytest.mark.parametrize("removed", ["volume", "segment", "segmentation"])
def test_what_was_removed_meanwhile_is_said(editing, promptedWorker, removed):
    editing.keep(4)
    promptedWorker.hold()
    slicerhost.click(editing.ui.throughButton)
    slicerhost.waitUntil(lambda: promptedWorker.heard("Propagate"))
    if removed == "segment":
        editing.segmentationNode.GetSegmentation().RemoveSegment("first")
    else:
        slicer.mrmlScene.RemoveNode(editing.volumeNode if removed == "volume" else editing.segmentationNode)
    promptedWorker.answer()
    slicerhost.waitUntil(lambda: editing.activity is None or not editing.activity.runner.isBusy, seconds=20)
    if editing.activity is not None:
        assert "meanwhile" in slicerhost.dialogs.texts("error")[-1]


def test_a_segmentation_on_another_grid_is_refused_in_a_sentence(editing, sample_ct):
    other = ctNode(crop(sample_ct, 80, 90), "other")
    other.SetSpacing(2.5, 2.5, 3)
    editing.segmentationNode.SetReferenceImageGeometryParameterFromVolumeNode(other)
    editing.keep(4)
    editing.through()
    assert "do not lie on the voxels" in slicerhost.dialogs.texts("error")[-1]
