"""Results in a segmentation that already holds segments: what is replaced, what stays, and Revert."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import slicer

from SAMedCore.image.labels import Label, LabelTable
from SAMedCore.image.orientation import reorient
from SAMedCore.image.terminology import terminology_entry
from SAMedCore.image.volume import LabelMap
from SAMedLib.scene.reading import readAnnotation
from SAMedLib.scene.segments import BINARY_LABELMAP, CLOSED_SURFACE, labelOf, layersOf, newLayer, newSegment
from SAMedLib.scene.undo import SavedSegmentation
from SAMedLib.scene.volumes import ijkToRAS
from SAMedLib.scene.writing import writeSegmentation


@pytest.fixture
def a_written_one(ct_node, segmentation_node, sample_labels):
    writeSegmentation(segmentation_node, sample_labels, ct_node)
    return segmentation_node


@pytest.fixture
def another_answer(sample_labels) -> LabelMap:
    """The same organs, moved by two voxels to the side."""
    return replace(sample_labels, voxels=np.roll(sample_labels.voxels, 2, axis=2))


@pytest.fixture
def a_tumour(sample_labels) -> np.ndarray:
    """A box inside the liver."""
    k, j, i = (int(np.median(indices)) for indices in np.nonzero(sample_labels.voxels == 5))
    box = np.zeros(sample_labels.voxels.shape, np.uint8)
    box[k - 3 : k + 3, j - 4 : j + 4, i - 4 : i + 4] = 1
    return box


def segment_of(segmentationNode, name: str) -> slicer.vtkSegment:
    segmentation = segmentationNode.GetSegmentation()
    return segmentation.GetSegment(segmentation.GetSegmentIdBySegmentName(name))


def mask_of(segmentationNode, name: str, volumeNode) -> np.ndarray:
    segmentID = segmentationNode.GetSegmentation().GetSegmentIdBySegmentName(name)
    return slicer.util.arrayFromSegmentBinaryLabelmap(segmentationNode, segmentID, volumeNode) > 0


def draw(segmentationNode, name: str, voxels: np.ndarray, volumeNode) -> None:
    """As the Segment Editor does it: Slicer decides in which layer."""
    segmentation = segmentationNode.GetSegmentation()
    segmentID = segmentation.GetSegmentIdBySegmentName(name) or segmentation.AddEmptySegment("", name)
    logic = slicer.modules.segmentations.logic()
    layer = newLayer(voxels, ijkToRAS(volumeNode))
    assert logic.SetBinaryLabelmapToSegment(layer, segmentationNode, segmentID, logic.MODE_REPLACE, layer.GetExtent())


def test_a_second_result_replaces_the_first(ct_node, a_written_one, another_answer):
    segmentIDs = a_written_one.GetSegmentation().GetSegmentIDs()
    writeSegmentation(a_written_one, another_answer, ct_node)
    assert a_written_one.GetSegmentation().GetSegmentIDs() == segmentIDs
    np.testing.assert_array_equal(readAnnotation(a_written_one, ct_node).labelmap.voxels, another_answer.voxels)


def test_what_the_user_renamed_and_coloured_stays_so(ct_node, a_written_one, another_answer):
    liver = segment_of(a_written_one, "liver")
    liver.SetName("Leber")
    liver.SetColor(0.1, 0.2, 0.3)
    writeSegmentation(a_written_one, another_answer, ct_node)
    assert a_written_one.GetSegmentation().GetNumberOfSegments() == 8
    assert segment_of(a_written_one, "Leber").GetColor() == (0.1, 0.2, 0.3)
    np.testing.assert_array_equal(mask_of(a_written_one, "Leber", ct_node), another_answer.voxels == 5)


def test_a_segment_without_codes_is_found_by_its_name(ct_node, segmentation_node, sample_labels):
    drawn = Label(1, "Right_Kidney", (1, 2, 3))
    segmentation_node.GetSegmentation().AddSegment(newSegment(drawn), "mine")
    writeSegmentation(segmentation_node, sample_labels, ct_node)
    assert segmentation_node.GetSegmentation().GetNumberOfSegments() == 8
    np.testing.assert_array_equal(mask_of(segmentation_node, "Right_Kidney", ct_node), sample_labels.voxels == 2)


def test_other_segments_stay_where_they_overlap_the_result(ct_node, a_written_one, another_answer, a_tumour):
    draw(a_written_one, "tumour", a_tumour, ct_node)
    writeSegmentation(a_written_one, another_answer, ct_node)
    np.testing.assert_array_equal(mask_of(a_written_one, "tumour", ct_node), a_tumour > 0)
    np.testing.assert_array_equal(mask_of(a_written_one, "liver", ct_node), another_answer.voxels == 5)


def test_other_segments_of_the_same_layer_stay(ct_node, a_written_one, another_answer, a_tumour):
    outside = np.zeros_like(a_tumour)
    outside[:3, :5, :5] = 1
    draw(a_written_one, "marker", outside, ct_node)
    only = LabelTable(tuple(another_answer.labels)[:4])
    kept = np.where(np.isin(another_answer.voxels, only.values), another_answer.voxels, 0).astype(np.uint8)
    before = {name: mask_of(a_written_one, name, ct_node) for name in ("liver", "stomach", "aorta", "pancreas", "marker")}
    writeSegmentation(a_written_one, LabelMap(kept, another_answer.ijk_to_lps, only), ct_node)
    for name, mask in before.items():
        np.testing.assert_array_equal(mask_of(a_written_one, name, ct_node), mask, err_msg=name)
    for label in only:
        np.testing.assert_array_equal(mask_of(a_written_one, label.name, ct_node), kept == label.value, err_msg=label.name)


def test_some_slices_replace_these_slices_alone(ct_node, a_written_one, another_answer, sample_labels):
    writeSegmentation(a_written_one, another_answer, ct_node, slices=(80, 81, 90))
    expected = sample_labels.voxels.copy()
    expected[[80, 81, 90]] = another_answer.voxels[[80, 81, 90]]
    np.testing.assert_array_equal(readAnnotation(a_written_one, ct_node).labelmap.voxels, expected)


def test_slices_are_those_counted_from_the_feet(load, segmentation_node, sample_ct, sample_labels):
    node, labels = load(reorient(sample_ct, "IPL")), reorient(sample_labels, "IPL")
    writeSegmentation(segmentation_node, labels, node)
    nothing = replace(labels, voxels=np.zeros_like(labels.voxels))
    writeSegmentation(segmentation_node, nothing, node, slices=(90,))
    annotation = readAnnotation(segmentation_node, node)
    drawn = np.flatnonzero(sample_labels.voxels.any(axis=(1, 2)))
    assert annotation.slices == tuple(k for k in drawn.tolist() if k != 90)


def test_a_slice_of_overlapping_segments_keeps_their_overlap_elsewhere(ct_node, a_written_one, another_answer, sample_labels):
    bigger = ((sample_labels.voxels == 5) | (sample_labels.voxels == 6)).astype(np.uint8)
    draw(a_written_one, "stomach", bigger, ct_node)
    writeSegmentation(a_written_one, another_answer, ct_node, slices=(90,))
    for name, before, value in (("liver", sample_labels.voxels == 5, 5), ("stomach", bigger > 0, 6)):
        expected = before.copy()
        expected[90] = another_answer.voxels[90] == value
        np.testing.assert_array_equal(mask_of(a_written_one, name, ct_node), expected, err_msg=name)


def test_a_slice_beneath_a_segment_of_the_users_spares_it(ct_node, a_written_one, another_answer, a_tumour):
    draw(a_written_one, "tumour", a_tumour, ct_node)
    k = int(np.nonzero(a_tumour)[0][0])
    writeSegmentation(a_written_one, another_answer, ct_node, slices=(k,))
    np.testing.assert_array_equal(mask_of(a_written_one, "tumour", ct_node), a_tumour > 0)
    np.testing.assert_array_equal(mask_of(a_written_one, "liver", ct_node)[k], another_answer.voxels[k] == 5)


def test_a_slice_of_a_cropped_scan_leaves_the_rest_of_the_whole_one(load, ct_node, a_written_one, sample_ct, sample_labels):
    start = np.eye(4)
    start[:3, 3] = 20, 10, 60
    crop = np.s_[60:, 10:80, 20:]
    part = load(replace(sample_ct, voxels=sample_ct.voxels[crop].copy(), ijk_to_lps=sample_ct.ijk_to_lps @ start), "Part")
    empty = LabelMap(
        np.zeros(part.GetImageData().GetDimensions()[::-1], np.uint8), sample_ct.ijk_to_lps @ start, sample_labels.labels
    )
    writeSegmentation(a_written_one, empty, part, slices=(30,))
    expected = sample_labels.voxels.copy()
    expected[90] = 0
    np.testing.assert_array_equal(readAnnotation(a_written_one, ct_node).labelmap.voxels, expected)


def test_slices_of_a_new_segmentation_hold_nothing_else(ct_node, segmentation_node, sample_labels):
    writeSegmentation(segmentation_node, sample_labels, ct_node, slices=(90,))
    assert readAnnotation(segmentation_node, ct_node).slices == (90,)


def state(segmentationNode) -> list:
    segmentation = segmentationNode.GetSegmentation()
    segments = [segmentation.GetSegment(segmentID) for segmentID in segmentation.GetSegmentIDs()]
    return [
        segmentation.GetSegmentIDs(),
        [(segment.GetName(), segment.GetColor(), segment.GetTerminology()) for segment in segments],
        segmentation.GetConversionParameter("Reference image geometry"),
        segmentation.ContainsRepresentation(CLOSED_SURFACE),
        segmentationNode.GetTransformNodeID(),
        segmentationNode.GetNodeReferenceID("referenceImageGeometryRef"),
        {name: segmentationNode.GetAttribute(name) for name in segmentationNode.GetAttributeNames()},
    ]


def test_revert_brings_back_voxels_names_and_order(ct_node, a_written_one, another_answer, a_tumour):
    draw(a_written_one, "tumour", a_tumour, ct_node)
    segmentation = a_written_one.GetSegmentation()
    segmentation.RemoveSegment(segmentation.GetSegmentIdBySegmentName("aorta"))
    segment_of(a_written_one, "liver").SetName("Leber")
    before = state(a_written_one)
    masks = {name: mask_of(a_written_one, name, ct_node) for name in ("Leber", "tumour", "spleen")}
    saved = SavedSegmentation(a_written_one)
    writeSegmentation(a_written_one, another_answer, ct_node)
    assert state(a_written_one) != before
    saved.revert()
    assert state(a_written_one) == before
    for name, mask in masks.items():
        np.testing.assert_array_equal(mask_of(a_written_one, name, ct_node), mask, err_msg=name)


def test_revert_brings_back_a_segment_that_was_removed_and_edited_meanwhile(
    ct_node, a_written_one, another_answer, sample_labels
):
    saved = SavedSegmentation(a_written_one)
    writeSegmentation(a_written_one, another_answer, ct_node)
    segmentation = a_written_one.GetSegmentation()
    segmentation.RemoveSegment(segmentation.GetSegmentIdBySegmentName("liver"))
    segmentation.AddEmptySegment("", "new one")
    draw(a_written_one, "spleen", np.ones_like(sample_labels.voxels), ct_node)
    saved.revert()
    assert readAnnotation(a_written_one, ct_node).labelmap.labels.names == sample_labels.labels.names
    np.testing.assert_array_equal(readAnnotation(a_written_one, ct_node).labelmap.voxels, sample_labels.voxels)


def test_revert_of_an_empty_segmentation_empties_it(load, sample_ct, segmentation_node, sample_labels, a_linear_one):
    node = load(sample_ct)
    node.SetAndObserveTransformNodeID(a_linear_one.GetID())
    before = state(segmentation_node)
    saved = SavedSegmentation(segmentation_node)
    writeSegmentation(segmentation_node, sample_labels, node)
    saved.revert()
    assert state(segmentation_node) == before


def test_revert_brings_back_what_was_noted_on_the_node(ct_node, a_written_one, another_answer):
    a_written_one.SetAttribute("before", "1")
    a_written_one.SetAttribute("both", "old")
    before = state(a_written_one)
    saved = SavedSegmentation(a_written_one)
    a_written_one.RemoveAttribute("before")
    a_written_one.SetAttribute("both", "new")
    a_written_one.SetAttribute("after", "2")
    saved.revert()
    assert state(a_written_one) == before


def test_revert_brings_back_surfaces(ct_node, a_written_one, another_answer):
    a_written_one.CreateClosedSurfaceRepresentation()
    bounds = segment_of(a_written_one, "liver").GetRepresentation(CLOSED_SURFACE).GetBounds()
    saved = SavedSegmentation(a_written_one)
    writeSegmentation(a_written_one, another_answer, ct_node)
    saved.revert()
    assert segment_of(a_written_one, "liver").GetRepresentation(CLOSED_SURFACE).GetBounds() == bounds


def test_a_reverted_segmentation_takes_the_next_result_and_reverts_again(ct_node, a_written_one, another_answer, sample_labels):
    for _attempt in range(2):
        saved = SavedSegmentation(a_written_one)
        writeSegmentation(a_written_one, another_answer, ct_node)
        np.testing.assert_array_equal(readAnnotation(a_written_one, ct_node).labelmap.voxels, another_answer.voxels)
        saved.revert()
        np.testing.assert_array_equal(readAnnotation(a_written_one, ct_node).labelmap.voxels, sample_labels.voxels)
    assert len(layersOf(a_written_one.GetSegmentation())) == 1


def test_a_segmentation_that_is_gone_cannot_be_reverted(an_empty_scene, a_written_one):
    saved = SavedSegmentation(a_written_one)
    assert saved.canRevert()
    an_empty_scene.RemoveNode(a_written_one)
    assert not saved.canRevert()
    saved.revert()


def test_a_closed_scene_leaves_nothing_to_revert(an_empty_scene, a_written_one):
    saved = SavedSegmentation(a_written_one)
    an_empty_scene.Clear(0)
    an_empty_scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Another with the same ID")
    assert not saved.canRevert()


def test_codes_survive_the_way_into_a_segment_and_back(sample_labels):
    for label in sample_labels.labels:
        segment = newSegment(label)
        assert segment.GetTerminology() == terminology_entry(label)
        assert labelOf(segment, label.value) == label


def test_a_segment_of_slicers_default_terminology_has_no_codes(segmentation_node):
    segmentation = segmentation_node.GetSegmentation()
    segmentID = segmentation.AddEmptySegment("", "Segment_1")
    assert labelOf(segmentation.GetSegment(segmentID), 1).type is None
    assert segmentation.GetSegment(segmentID).GetRepresentation(BINARY_LABELMAP) is not None
