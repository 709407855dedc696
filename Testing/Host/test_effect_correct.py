"""A checkpoint's answer corrected in the effect: what the worker is told of it, and whose the slices are then."""

import numpy as np
import pytest
import slicer

import slicerhost
from SAMedCore.image.labels import SYNAPSE_ORGANS
from SAMedCore.image.volume import LabelMap
from SAMedLib.jobs.segment import writeModelSlices
from SAMedLib.scene.provenance import isAnswered, keptSlices, roughSlices, segmentSums
from SAMedLib.scene.volumes import ijkToLPS
from scans import crop, ctNode

ANSWERED = range(2, 8)


@pytest.fixture
def editing(promptedWorker, segmentEditor, sample_ct):
    """The effect on ten slices of the sample, on six of which a checkpoint saw the segment "liver", now selected."""
    editing = segmentEditor(ctNode(crop(sample_ct, 80, 90), "CT"))
    voxels = np.zeros(slicer.util.arrayFromVolume(editing.volumeNode).shape, np.uint8)
    voxels[ANSWERED.start : ANSWERED.stop, 30:60, 30:60] = 5
    labels = LabelMap(voxels, ijkToLPS(editing.volumeNode), SYNAPSE_ORGANS.subset(["liver"]))
    writeModelSlices(editing.segmentationNode, labels, editing.volumeNode, None, byCheckpoint=True)
    editing.editor.setCurrentSegmentID(liver(editing))
    return editing


def liver(editing) -> str:
    return editing.segmentationNode.GetSegmentation().GetSegmentIdBySegmentName("liver")


def kept(editing) -> tuple[int, ...]:
    return keptSlices(editing.segmentationNode, liver(editing), sums(editing))


def rough(editing) -> tuple[int, ...]:
    return roughSlices(editing.segmentationNode, liver(editing), sums(editing))


def sums(editing):
    return segmentSums(editing.segmentationNode, editing.volumeNode)[liver(editing)]


def told(promptedWorker) -> dict:
    (structure,) = promptedWorker.heard("Propagate")[-1]["structures"]
    return structure


def test_the_worker_is_told_which_slices_are_kept_and_which_are_a_checkpoints(editing, promptedWorker):
    editing.keep(4)
    editing.through()
    structure = told(promptedWorker)
    assert (structure["slices"], structure["rough"], structure["changed"]) == ([4], [2, 3, 5, 6, 7], None)
    assert kept(editing) == (4,)


def test_the_next_correction_has_what_was_believed_to_go_by(editing, promptedWorker):
    editing.keep(4)
    editing.through()
    assert rough(editing) == (2, 3, 5, 6, 7)  # the stand-in believes all; the other slices were carried on
    editing.keep(6)
    editing.through()
    structure = told(promptedWorker)
    assert (structure["slices"], structure["rough"], structure["changed"]) == ([4, 6], [2, 3, 5, 7], [6])


def test_it_is_undone_with_the_slices(editing):
    editing.keep(4)
    before = editing.held(liver(editing))
    editing.through()
    editing.editor.undo()
    assert np.array_equal(editing.held(liver(editing)), before)
    assert (kept(editing), rough(editing)) == ((4,), (2, 3, 5, 6, 7))


def test_with_nothing_corrected_the_checkpoints_slices_alone_are_carried_on(editing, promptedWorker):
    editing.through()
    structure = told(promptedWorker)
    assert (structure["slices"], structure["rough"]) == ([], list(ANSWERED))
    assert (kept(editing), rough(editing)) == ((), tuple(ANSWERED))
    assert "Found: liver" in editing.said


def test_all_segments_takes_those_that_a_checkpoint_drew(editing, promptedWorker):
    editing.editor.setCurrentSegmentID("first")
    editing.keep(4, (5, 5), (10, 10))
    editing.ui.allSegmentsCheckBox.checked = True
    editing.through()
    structures = promptedWorker.heard("Propagate")[-1]["structures"]
    assert [(each["slices"], each["rough"]) for each in structures] == [([4], []), ([], list(ANSWERED))]


def test_what_the_worker_gets_holds_both(editing, promptedWorker):
    voxels = editing.held(liver(editing)).astype(np.uint8)
    voxels[9, 10:20, 10:20] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(voxels, editing.segmentationNode, liver(editing), editing.volumeNode)
    from SAMedLib.effect.throughVolume import ThroughVolume

    labelmap = ThroughVolume(editing.editor.effectByName("SAMed"), [liver(editing)])._labelMap()
    assert labelmap.voxels.shape[0] == 8
    assert np.array_equal(labelmap.voxels > 0, voxels[2:] > 0)


def test_a_model_that_carried_on_is_no_checkpoint(editing, promptedWorker):
    editing.editor.setCurrentSegmentID("first")
    editing.keep(4)
    editing.through()
    editing.through()
    assert told(promptedWorker)["rough"] == []
    assert isAnswered(editing.segmentationNode)


def test_the_first_tab_says_what_was_corrected(editing, panel):
    panel.panel.parameterNode.promptVolume = editing.volumeNode
    panel.panel.parameterNode.promptSegmentation = editing.segmentationNode
    assert panel.ui.promptStateLabel.text == "A model drew it; nothing is corrected yet."
    editing.open()
    editing.editor.setCurrentSegmentID(liver(editing))
    editing.keep(4)
    slicer.util.selectModule("SAMed")
    slicerhost.processEvents()
    assert panel.ui.promptStateLabel.text == "Slices corrected: liver 1."
