"""Which slices are a person's and which are the model's, after all that people do to a segmentation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import slicer

from SAMedCore.image.orientation import reorient
from SAMedCore.image.volume import LabelMap, Volume
from SAMedLib.jobs.segment import writeModelSlices
from SAMedLib.scene.provenance import drawnSlices
from SAMedLib.scene.reading import readAnnotation
from SAMedLib.scene.undo import SavedSegmentation
from SAMedLib.scene.writing import writeSegmentation

FIRST = 80
SLICES = tuple(range(6))
LIVER, STOMACH = 5, 6


@pytest.fixture
def few_slices(sample_ct, sample_labels) -> tuple[Volume, LabelMap]:
    """Six slices, all of which hold organs; stored in RAS, so that k counts from the feet."""
    start = np.eye(4)
    start[2, 3] = FIRST
    ct, labels = (
        replace(image, voxels=image.voxels[FIRST : FIRST + len(SLICES)].copy(), ijk_to_lps=image.ijk_to_lps @ start)
        for image in (sample_ct, sample_labels)
    )
    return ct, labels


@pytest.fixture
def ct_node(load, few_slices) -> slicer.vtkMRMLScalarVolumeNode:
    return load(few_slices[0])


@pytest.fixture
def the_models(ct_node, segmentation_node, few_slices) -> slicer.vtkMRMLSegmentationNode:
    """A segmentation as the model left it."""
    writeModelSlices(segmentation_node, few_slices[1], ct_node, None)
    return segmentation_node


def drawn(segmentationNode, volumeNode) -> tuple[int, ...]:
    return drawnSlices(segmentationNode, readAnnotation(segmentationNode, volumeNode).labelmap)


def idOf(segmentationNode, name: str) -> str:
    return segmentationNode.GetSegmentation().GetSegmentIdBySegmentName(name)


def namesIn(segmentationNode) -> list[str]:
    segmentation = segmentationNode.GetSegmentation()
    return [segmentation.GetSegment(segmentID).GetName() for segmentID in segmentation.GetSegmentIDs()]


def change(segmentationNode, volumeNode, name: str, k: int, value: int) -> None:
    """Fill a corner of slice k with the segment, or erase the segment from the whole slice."""
    segmentID = idOf(segmentationNode, name)
    voxels = slicer.util.arrayFromSegmentBinaryLabelmap(segmentationNode, segmentID, volumeNode).copy()
    voxels[k, :10, :10] = value
    if not value:
        voxels[k] = 0
    slicer.util.updateSegmentBinaryLabelmapFromArray(voxels, segmentationNode, segmentID, volumeNode)


def test_what_the_model_left_is_nobodys(ct_node, the_models):
    assert drawn(the_models, ct_node) == ()


def test_without_any_record_all_that_is_drawn_is_a_persons(ct_node, segmentation_node, few_slices):
    labels = few_slices[1]
    labels.voxels[[0, 4]] = 0
    writeSegmentation(segmentation_node, labels, ct_node)
    assert drawn(segmentation_node, ct_node) == (1, 2, 3, 5)


def test_corrected_slices_alone_are_a_persons(ct_node, the_models):
    change(the_models, ct_node, "liver", 1, 1)
    change(the_models, ct_node, "stomach", 4, 1)
    assert drawn(the_models, ct_node) == (1, 4)


def test_a_correction_that_is_undone_leaves_the_slice_to_the_model(ct_node, the_models):
    before = slicer.util.arrayFromSegmentBinaryLabelmap(the_models, idOf(the_models, "liver"), ct_node).copy()
    change(the_models, ct_node, "liver", 1, 1)
    slicer.util.updateSegmentBinaryLabelmapFromArray(before, the_models, idOf(the_models, "liver"), ct_node)
    assert drawn(the_models, ct_node) == ()


def test_a_slice_on_which_everything_was_erased_is_a_persons(ct_node, the_models):
    for name in namesIn(the_models):
        change(the_models, ct_node, name, 2, 0)
    assert drawn(the_models, ct_node) == (2,)


def test_slices_count_from_the_feet(load, segmentation_node, few_slices):
    ct, labels = (reorient(image, "IPL") for image in few_slices)
    node = load(ct)
    writeModelSlices(segmentation_node, labels, node, None)
    segmentID = idOf(segmentation_node, "liver")
    voxels = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation_node, segmentID, node).copy()
    voxels[:, :, -2] = 0  # i runs towards the feet
    slicer.util.updateSegmentBinaryLabelmapFromArray(voxels, segmentation_node, segmentID, node)
    assert drawn(segmentation_node, node) == (1,)


def test_a_new_segment_makes_a_persons_those_slices_alone_on_which_it_is_drawn(ct_node, the_models):
    segmentation = the_models.GetSegmentation()
    segmentation.AddEmptySegment("tumour", "tumour")
    assert drawn(the_models, ct_node) == ()
    change(the_models, ct_node, "tumour", 3, 1)
    assert drawn(the_models, ct_node) == (3,)


def test_a_segment_that_was_removed_says_nothing_of_the_slices_it_was_on(ct_node, the_models):
    segmentation = the_models.GetSegmentation()
    segmentation.RemoveSegment(idOf(the_models, "spleen"))  # the first: all others are numbered anew
    assert drawn(the_models, ct_node) == ()
    change(the_models, ct_node, "liver", 1, 1)
    assert drawn(the_models, ct_node) == (1,)


def test_a_segment_drawn_anew_after_it_was_removed_is_a_persons(ct_node, the_models):
    segmentation = the_models.GetSegmentation()
    segmentation.RemoveSegment(idOf(the_models, "spleen"))
    segmentation.AddEmptySegment("", "spleen")
    change(the_models, ct_node, "spleen", 4, 1)
    assert drawn(the_models, ct_node) == (4,)


def test_the_order_of_segments_does_not_matter(ct_node, the_models):
    the_models.GetSegmentation().SetSegmentIndex(idOf(the_models, "liver"), 0)
    assert drawn(the_models, ct_node) == ()


def test_segments_moved_to_layers_of_their_own_are_still_the_models(ct_node, the_models):
    the_models.GetSegmentation().SeparateSegmentLabelmap(idOf(the_models, "liver"))
    assert drawn(the_models, ct_node) == ()


def test_a_renamed_segment_is_still_the_models(ct_node, the_models):
    the_models.GetSegmentation().GetSegment(idOf(the_models, "liver")).SetName("Leber")
    assert drawn(the_models, ct_node) == ()


def test_two_structures_that_a_person_swapped_are_a_correction(ct_node, the_models, few_slices):
    labels = few_slices[1]
    table = np.arange(9, dtype=np.uint8)
    table[[LIVER, STOMACH]] = STOMACH, LIVER
    labels.voxels[3] = table[labels.voxels[3]]
    writeSegmentation(the_models, labels, ct_node)
    assert drawn(the_models, ct_node) == (3,)


def test_the_record_is_kept_in_a_saved_scene(ct_node, the_models, reopen):
    change(the_models, ct_node, "liver", 1, 1)
    reopen()
    assert drawn(slicer.util.getNode("CT segmentation"), slicer.util.getNode("CT")) == (1,)


@pytest.mark.parametrize("code", ["LAS", "SPL", "ILP"])
def test_the_record_is_kept_in_a_saved_scene_whose_volume_is_left_handed(load, segmentation_node, few_slices, reopen, code):
    """Slicer turns it round when it loads it."""
    ct, labels = (reorient(image, code) for image in few_slices)
    node = load(ct)
    assert np.linalg.det(ct.ijk_to_lps[:3, :3]) < 0
    writeModelSlices(segmentation_node, labels, node, None)
    reopen()
    assert drawn(slicer.util.getNode("CT segmentation"), slicer.util.getNode("CT")) == ()


def test_what_a_person_drew_before_slices_were_filled_in_stays_theirs(ct_node, segmentation_node, few_slices):
    labels = few_slices[1]
    by_hand = replace(labels, voxels=np.where(np.isin(SLICES, (0, 3))[:, None, None], labels.voxels, 0).astype(np.uint8))
    writeSegmentation(segmentation_node, by_hand, ct_node)
    writeModelSlices(segmentation_node, labels, ct_node, (1, 2))
    assert drawn(segmentation_node, ct_node) == (0, 3)
    change(segmentation_node, ct_node, "liver", 2, 1)
    assert drawn(segmentation_node, ct_node) == (0, 2, 3)


def test_what_the_model_segments_anew_is_its_own_again(ct_node, the_models, few_slices):
    change(the_models, ct_node, "liver", 1, 1)
    change(the_models, ct_node, "liver", 4, 1)
    writeModelSlices(the_models, few_slices[1], ct_node, (4,))
    assert drawn(the_models, ct_node) == (1,)
    writeModelSlices(the_models, few_slices[1], ct_node, None)
    assert drawn(the_models, ct_node) == ()


def test_organs_that_the_model_did_not_draw_anew_stay_whose_they_were(ct_node, the_models, few_slices):
    change(the_models, ct_node, "stomach", 1, 1)
    change(the_models, ct_node, "liver", 4, 1)
    labels = few_slices[1]
    liver = np.where(labels.voxels == LIVER, labels.voxels, 0)
    writeModelSlices(the_models, LabelMap(liver, labels.ijk_to_lps, labels.labels.subset(["liver"])), ct_node, None)
    assert drawn(the_models, ct_node) == (1,)


def test_where_the_model_found_nothing_what_is_drawn_later_is_a_persons(ct_node, segmentation_node, few_slices):
    nothing = replace(few_slices[1], voxels=np.zeros_like(few_slices[1].voxels))
    writeModelSlices(segmentation_node, nothing, ct_node, None)
    change(segmentation_node, ct_node, "liver", 2, 1)
    assert drawn(segmentation_node, ct_node) == (2,)


def test_a_segment_that_was_renamed_before_the_model_drew_it_anew_is_the_models(ct_node, the_models, few_slices):
    the_models.GetSegmentation().GetSegment(idOf(the_models, "liver")).SetName("Leber")
    writeModelSlices(the_models, few_slices[1], ct_node, None)
    assert drawn(the_models, ct_node) == ()
    change(the_models, ct_node, "Leber", 1, 1)
    assert drawn(the_models, ct_node) == (1,)


def test_a_persons_segment_beside_the_models_makes_its_slices_theirs(ct_node, segmentation_node, few_slices):
    segmentation_node.GetSegmentation().AddEmptySegment("tumour", "tumour")
    segmentation_node.SetReferenceImageGeometryParameterFromVolumeNode(ct_node)
    slicer.util.updateSegmentBinaryLabelmapFromArray(corner(few_slices[1], 2), segmentation_node, "tumour", ct_node)
    writeModelSlices(segmentation_node, few_slices[1], ct_node, None)
    assert drawn(segmentation_node, ct_node) == (2,)


def corner(labelmap: LabelMap, k: int) -> np.ndarray:
    """A box on slice k where the body is not."""
    voxels = np.zeros_like(labelmap.voxels)
    voxels[k, :5, :5] = 1
    return voxels


def test_revert_brings_the_record_back_with_the_voxels(ct_node, the_models, few_slices):
    change(the_models, ct_node, "liver", 1, 1)
    saved = SavedSegmentation(the_models)
    writeModelSlices(the_models, few_slices[1], ct_node, None)
    assert drawn(the_models, ct_node) == ()
    saved.revert()
    assert drawn(the_models, ct_node) == (1,)
