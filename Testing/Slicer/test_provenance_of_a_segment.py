"""Whose the slices of one segment are, through Slicer's own Segment Editor logic: kept, carried on, undone, saved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import slicer
import vtk

from SAMedCore.errors import InputError
from SAMedCore.image.orientation import reorient
from SAMedCore.image.volume import Volume
from SAMedCore.options import CompleteOptions, FinetuneOptions
from SAMedLib.jobs.complete import CompleteJob
from SAMedLib.jobs.finetune import FinetuneJob, Scan
from SAMedLib.jobs.segment import writeModelSlices
from SAMedLib.scene.provenance import (
    MODEL_SLICES,
    changedSlices,
    drawnSlices,
    forgetModelSlices,
    keptSlices,
    recordCarriedOn,
    recordModelSums,
    recordOverwritten,
    segmentSums,
)
from SAMedLib.scene.reading import readAnnotation
from SAMedLib.scene.segments import newLayer
from SAMedLib.scene.volumes import ijkToRAS

LIVER, SPLEEN = "liver", "spleen"


class Editor:
    """Slicer's editor logic on a volume with two empty segments, and squares drawn with it as the effect draws masks."""

    def __init__(self, volumeNode, segmentationNode) -> None:
        self.volumeNode, self.segmentationNode = volumeNode, segmentationNode
        segmentationNode.SetReferenceImageGeometryParameterFromVolumeNode(volumeNode)
        for name in (LIVER, SPLEEN):
            segmentationNode.GetSegmentation().AddEmptySegment(name, name)
        self.logic = slicer.vtkSlicerSegmentEditorLogic()
        self.logic.SetMRMLScene(slicer.mrmlScene)
        editorNode = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentEditorNode")
        self.logic.SetSegmentEditorNode(editorNode)
        self.logic.SetSegmentationNode(segmentationNode)
        self.logic.SetSourceVolumeNode(volumeNode)

    def draw(self, slices: dict[int, int], name: str = LIVER) -> None:
        """Draw on each slice (k of the array) a square as wide as its value says, 0 for none."""
        assert self.logic.SaveStateForUndo()
        voxels = slicer.util.arrayFromSegmentBinaryLabelmap(self.segmentationNode, name, self.volumeNode).copy()
        for k, width in slices.items():
            voxels[k] = 0
            voxels[k, 10:20, 10 : 10 + width] = 1
        mask, way = newLayer(voxels, ijkToRAS(self.volumeNode)), self.logic.ModificationModeSet
        self.logic.ModifySegmentByLabelmap(self.segmentationNode, name, mask, way, False, False)

    def keep(self, k: int, width: int = 5, name: str = LIVER) -> None:
        """As Enter does."""
        self.draw({k: width}, name)
        forgetModelSlices(self.segmentationNode, name, [k])

    def carryOn(self, slices: dict[int, int]) -> None:
        """As "Through the volume" does, with this for the network's answer."""
        others = self.sums(SPLEEN)
        self.draw(slices)
        recordModelSums(self.segmentationNode, LIVER, self.sums(), tuple(slices))
        recordOverwritten(self.segmentationNode, {SPLEEN: others}, {SPLEEN: self.sums(SPLEEN)})
        recordCarriedOn(self.segmentationNode, LIVER, self.sums())

    def sums(self, name: str = LIVER):
        return segmentSums(self.segmentationNode, self.volumeNode, [name])[name]

    def kept(self, name: str = LIVER) -> tuple[int, ...]:
        return keptSlices(self.segmentationNode, name, self.sums(name))

    def changed(self) -> tuple[int, ...] | None:
        return changedSlices(self.segmentationNode, LIVER, self.sums())

    def drawn(self) -> tuple[int, ...]:
        return drawnSlices(self.segmentationNode, readAnnotation(self.segmentationNode, self.volumeNode).labelmap)


@pytest.fixture
def ct_node(load, sample_ct) -> slicer.vtkMRMLScalarVolumeNode:
    """Stored in RAS, so that k counts from the feet."""
    return load(replace(sample_ct, voxels=sample_ct.voxels[:12].copy()))


@pytest.fixture
def editor(ct_node, segmentation_node) -> Editor:
    return Editor(ct_node, segmentation_node)


@pytest.fixture
def carried_on(editor) -> Editor:
    """Slices 2 and 6 accepted, those between drawn by the network."""
    editor.keep(2)
    editor.keep(6)
    editor.carryOn({3: 5, 4: 6, 5: 5})
    return editor


def test_kept_slices_count_as_drawn_and_those_carried_on_do_not(carried_on):
    assert carried_on.kept() == carried_on.drawn() == (2, 6)


def test_undo_and_redo_bring_the_record_along(carried_on):
    carried_on.logic.Undo()
    assert carried_on.kept() == (2, 6)
    assert carried_on.changed() is None
    carried_on.logic.Undo()
    assert carried_on.kept() == (2,)
    carried_on.logic.Redo()
    carried_on.logic.Redo()
    assert carried_on.kept() == (2, 6)
    assert carried_on.changed() == ()


def test_a_slice_of_the_models_that_is_accepted_as_it_is_counts_as_drawn(carried_on):
    carried_on.keep(4, width=6)
    assert carried_on.kept() == (2, 4, 6)
    carried_on.logic.Undo()
    assert carried_on.kept() == (2, 6)


def test_slices_changed_since_it_was_carried_on_are_named_until_it_is_carried_on_again(carried_on):
    assert carried_on.changed() == ()
    carried_on.keep(4, width=8)
    assert carried_on.changed() == (4,)
    carried_on.keep(6, width=3)
    assert carried_on.changed() == (4, 6)
    carried_on.carryOn({3: 6, 5: 6})
    assert carried_on.changed() == ()
    assert carried_on.kept() == (2, 4, 6)


def test_a_kept_slice_that_was_erased_is_a_change_and_a_slice_of_the_models_that_was_erased_is_kept(carried_on):
    carried_on.draw({6: 0})
    assert carried_on.kept() == (2,)
    assert carried_on.changed() == (6,)
    carried_on.draw({4: 0})
    assert carried_on.kept() == (2, 4)
    carried_on.carryOn({3: 5, 5: 0})
    assert carried_on.changed() == ()


def test_a_segment_that_was_never_carried_on_says_so(editor):
    assert editor.changed() is None
    editor.keep(2)
    assert editor.changed() is None


def test_slices_that_lose_voxels_to_another_segment_stay_whose_they_were(editor):
    editor.draw({3: 8, 4: 8, 5: 8}, SPLEEN)
    recordModelSums(editor.segmentationNode, SPLEEN, editor.sums(SPLEEN), (3, 4))
    assert editor.kept(SPLEEN) == (5,)
    editor.keep(2)
    editor.carryOn({3: 4, 4: 4, 5: 4})
    assert editor.sums(SPLEEN).sums.keys() == {3, 4, 5}
    assert editor.kept(SPLEEN) == (5,)
    assert editor.kept() == (2,)


def test_overlapping_segments_are_read_each_for_itself(editor):
    editor.draw({3: 8}, SPLEEN)
    editor.logic.GetSegmentEditorNode().SetOverwriteMode(slicer.vtkMRMLSegmentEditorNode.OverwriteNone)
    editor.keep(3)
    sums = segmentSums(editor.segmentationNode, editor.volumeNode)
    assert set(sums) == {LIVER, SPLEEN}
    assert sums[LIVER].sums.keys() == sums[SPLEEN].sums.keys() == {3}
    assert sums[LIVER].sums != sums[SPLEEN].sums


def test_chosen_slices_alone_are_read(carried_on):
    some = segmentSums(carried_on.segmentationNode, carried_on.volumeNode, [LIVER], slices=(3, 6, 9))[LIVER]
    assert some == carried_on.sums().only((3, 6))


@pytest.mark.parametrize("code", ["RAS", "LPI", "SRA", "ILP", "LAS"])
def test_a_segments_own_extent_gives_the_sums_of_the_whole_volume(load, segmentation_node, sample_ct, sample_labels, code):
    ct, labels = (reorient(replace(each, voxels=each.voxels[80:92].copy()), code) for each in (sample_ct, sample_labels))
    node = load(ct)
    writeModelSlices(segmentation_node, labels, node, None)
    trimmed = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "trimmed")
    trimmed.GetSegmentation().DeepCopy(segmentation_node.GetSegmentation())
    segmentation = trimmed.GetSegmentation()
    segmentation.SeparateSegmentLabelmap(segmentation.GetSegmentIdBySegmentName(LIVER))
    whole, part = segmentSums(segmentation_node, node), segmentSums(trimmed, node)
    assert part == whole
    assert all(keptSlices(trimmed, each, part[each]) == () for each in part)
    assert drawnSlices(segmentation_node, readAnnotation(segmentation_node, node).labelmap) == ()


@pytest.fixture
def reload(save) -> Callable[[slicer.vtkMRMLSegmentationNode], slicer.vtkMRMLSegmentationNode]:
    """Saves as .seg.nrrd and loads the file into a node of its own."""

    def saveAndLoad(node):
        path, loaded = save(node), slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "loaded")
        storage = loaded.CreateDefaultStorageNode()
        storage.SetFileName(str(path))
        assert storage.ReadData(loaded)
        return loaded

    return saveAndLoad


def test_a_saved_segmentation_alone_keeps_the_record(carried_on, reload):
    carried_on.keep(4, width=8)
    carried_on.segmentationNode.GetSegmentation().GetSegment(LIVER).SetName("Leber: rechts | links")
    loaded = reload(carried_on.segmentationNode)
    now = segmentSums(loaded, carried_on.volumeNode)[LIVER]
    assert keptSlices(loaded, LIVER, now) == (2, 4, 6)
    assert changedSlices(loaded, LIVER, now) == (4,)


def test_a_saved_scene_keeps_the_record(carried_on, reopen):
    carried_on.keep(4, width=8)
    reopen()
    volumeNode, loaded = slicer.util.getNode("CT"), slicer.util.getNode("CT segmentation")
    now = segmentSums(loaded, volumeNode)[LIVER]
    assert keptSlices(loaded, LIVER, now) == (2, 4, 6)
    assert changedSlices(loaded, LIVER, now) == (4,)


def test_a_record_of_more_than_a_thousand_slices_is_saved_whole(load, segmentation_node, reload):
    grown = np.ones((1500, 4, 4), np.uint8)
    volumeNode = load(Volume(grown.astype(np.int16), np.diag([1.0, 1, 1, 1])), "long")
    segmentation_node.SetReferenceImageGeometryParameterFromVolumeNode(volumeNode)
    segmentation_node.GetSegmentation().AddEmptySegment(LIVER, LIVER)
    slicer.util.updateSegmentBinaryLabelmapFromArray(grown, segmentation_node, LIVER, volumeNode)
    recordModelSums(segmentation_node, LIVER, segmentSums(segmentation_node, volumeNode)[LIVER], None)
    loaded = reload(segmentation_node)
    assert keptSlices(loaded, LIVER, segmentSums(loaded, volumeNode)[LIVER]) == ()


def test_a_copy_in_another_scans_segmentation_is_all_a_persons_there(carried_on, load, sample_ct):
    other = load(replace(sample_ct, voxels=sample_ct.voxels[:9].copy()), "other")
    target = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "target")
    target.SetReferenceImageGeometryParameterFromVolumeNode(other)
    source = carried_on.segmentationNode.GetSegmentation()
    assert target.GetSegmentation().CopySegmentFromSegmentation(source, LIVER)
    assert target.GetSegmentation().GetSegment(LIVER).HasTag(MODEL_SLICES)
    now = segmentSums(target, other)[LIVER]
    assert keptSlices(target, LIVER, now) == (2, 3, 4, 5, 6)
    assert changedSlices(target, LIVER, now) is None


def test_a_tag_has_none_of_the_signs_that_part_tags_in_a_file(carried_on):
    tag = vtk.reference("")
    assert carried_on.segmentationNode.GetSegmentation().GetSegment(LIVER).GetTag(MODEL_SLICES, tag)
    assert not set(str(tag)) & set(":|\n")


def test_a_segmentation_on_another_grid_is_refused_in_one_line(carried_on, load, sample_ct):
    other = load(replace(sample_ct, ijk_to_lps=sample_ct.ijk_to_lps @ np.diag([1, 1, 2.0, 1])), "other")
    with pytest.raises(InputError, match='do not lie on the voxels of "other"'):
        segmentSums(carried_on.segmentationNode, other)


def test_completing_and_fine_tuning_take_the_kept_slices(carried_on):
    volumeNode, segmentationNode, path = carried_on.volumeNode, carried_on.segmentationNode, Path("labels.npy")
    completing = CompleteJob(None, volumeNode, segmentationNode, CompleteOptions())
    completing.arrays()
    assert completing.message(["ct"], [path]).options.annotated_slices == (2, 6)
    training = FinetuneJob(None, [Scan(volumeNode, segmentationNode)], FinetuneOptions("out", base="lite"))
    training.arrays()
    assert training.message(["ct"], [path]).scans[0].slices == (2, 6)
