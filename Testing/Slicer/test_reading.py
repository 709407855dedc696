"""Annotations of the scene: what is read of segments, in every state that a person leaves them in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import slicer

from SAMedCore.errors import InputError
from SAMedCore.image.labels import Label
from SAMedCore.image.orientation import reorient
from SAMedLib.scene.placement import ijkToSegmentationRAS
from SAMedLib.scene.reading import annotatedSlices, pairsInScene, readAnnotation
from SAMedLib.scene.segments import BINARY_LABELMAP, newLayer, newSegment
from SAMedLib.scene.volumes import ijkToRAS
from SAMedLib.scene.writing import writeSegmentation


@pytest.fixture
def a_drawn_one(ct_node, segmentation_node, sample_labels):
    writeSegmentation(segmentation_node, sample_labels, ct_node)
    return segmentation_node


def dice(first: np.ndarray, second: np.ndarray) -> float:
    return 2 * np.sum(first & second) / (np.sum(first) + np.sum(second))


def addSegment(segmentationNode, name: str, voxels: np.ndarray, grid: np.ndarray) -> str:
    """A segment in a layer of its own."""
    segment = newSegment(Label(1, name, (255, 0, 0)))
    segment.AddRepresentation(BINARY_LABELMAP, newLayer(voxels, grid))
    segmentationNode.GetSegmentation().AddSegment(segment)
    return segmentationNode.GetSegmentation().GetSegmentIdBySegment(segment)


def test_names_codes_and_colours_are_read(ct_node, a_drawn_one, sample_labels):
    assert readAnnotation(a_drawn_one, ct_node).labelmap.labels == sample_labels.labels


def test_annotated_slices_are_counted_from_the_feet(load, segmentation_node, an_odd_ct):
    ct, labels = an_odd_ct
    node = load(ct)
    writeSegmentation(segmentation_node, labels, node)
    expected = tuple(np.flatnonzero(reorient(labels, "LPS").voxels.any(axis=(1, 2))).tolist())
    assert readAnnotation(segmentation_node, node).slices == annotatedSlices(labels) == expected


def test_chosen_segments_get_the_values_asked_for(ct_node, a_drawn_one, sample_labels):
    segmentID = a_drawn_one.GetSegmentation().GetSegmentIdBySegmentName
    organ = Label(7, "organ", (9, 9, 9))
    annotation = readAnnotation(a_drawn_one, ct_node, {segmentID("liver"): organ, segmentID("spleen"): organ})
    np.testing.assert_array_equal(annotation.labelmap.voxels == 7, np.isin(sample_labels.voxels, (1, 5)))
    assert annotation.labelmap.labels.labels == (organ,)


def test_segments_of_one_name_are_told_apart(ct_node, a_drawn_one):
    a_drawn_one.GetSegmentation().GetNthSegment(0).SetName("liver")
    names = readAnnotation(a_drawn_one, ct_node).labelmap.labels.names
    assert names[0] == "liver"
    assert names[4] == "liver (2)"


@pytest.mark.parametrize("other", ["volume", "segmentation"])
def test_a_linear_transform_of_one_of_the_two_moves_what_is_read(ct_node, a_drawn_one, sample_labels, other):
    """Both lie elsewhere in the world then, by whole voxels here, so that nothing is lost."""
    move = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = np.eye(4)
    matrix[2, 3] = 15
    slicer.util.updateTransformMatrixFromArray(move, matrix)
    (ct_node if other == "volume" else a_drawn_one).SetAndObserveTransformNodeID(move.GetID())
    expected = np.roll(sample_labels.voxels, -5 if other == "volume" else 5, axis=0)
    if other == "segmentation":
        expected[:5] = 0
    np.testing.assert_array_equal(readAnnotation(a_drawn_one, ct_node).labelmap.voxels, expected)


def test_a_segmentation_bent_against_its_volume_is_read_as_slicer_exports_it(ct_node, a_drawn_one, a_transform):
    a_drawn_one.SetAndObserveTransformNodeID(a_transform.GetID())
    read = readAnnotation(a_drawn_one, ct_node).labelmap
    segmentID = a_drawn_one.GetSegmentation().GetSegmentIdBySegmentName("liver")
    exported = slicer.util.arrayFromSegmentBinaryLabelmap(a_drawn_one, segmentID, ct_node)
    assert dice(read.voxels == 5, exported > 0) > 0.999


def test_segments_on_a_finer_grid_are_read_on_the_volumes(ct_node, segmentation_node, sample_labels):
    """As after oversampling in the Segment Editor."""
    finer = ijkToRAS(ct_node) @ np.diag([0.5, 0.5, 0.5, 1])
    finer[:3, 3] += finer[:3, :3] @ (-0.5, -0.5, -0.5)
    liver = (sample_labels.voxels == 5).astype(np.uint8)
    addSegment(segmentation_node, "liver", np.kron(liver, np.ones((2, 2, 2), np.uint8)), finer)
    assert dice(readAnnotation(segmentation_node, ct_node).labelmap.voxels > 0, liver > 0) > 0.99


def test_surfaces_are_filled(ct_node, a_drawn_one, sample_labels):
    assert a_drawn_one.CreateClosedSurfaceRepresentation()
    a_drawn_one.SetSourceRepresentationToClosedSurface()
    before = slicer.mrmlScene.GetNumberOfNodes()
    read = readAnnotation(a_drawn_one, ct_node).labelmap
    assert dice(read.voxels == 5, sample_labels.voxels == 5) > 0.95
    assert slicer.mrmlScene.GetNumberOfNodes() == before
    assert not a_drawn_one.GetSegmentation().ContainsRepresentation(BINARY_LABELMAP)


def test_overlapping_segments_are_named(ct_node, a_drawn_one, sample_labels):
    both = (sample_labels.voxels == 5) & (np.arange(122) < 61)
    addSegment(a_drawn_one, "tumour", both.astype(np.uint8), ijkToRAS(ct_node))
    with pytest.raises(InputError, match=rf"liver and tumour overlap \({np.sum(both)} voxels\)"):
        readAnnotation(a_drawn_one, ct_node)


def test_overlapping_segments_of_one_class_are_united(ct_node, a_drawn_one, sample_labels):
    both = (sample_labels.voxels == 5) & (np.arange(122) < 61)
    tumour = addSegment(a_drawn_one, "tumour", both.astype(np.uint8), ijkToRAS(ct_node))
    liver = Label(1, "liver", (0, 0, 0))
    segmentID = a_drawn_one.GetSegmentation().GetSegmentIdBySegmentName("liver")
    read = readAnnotation(a_drawn_one, ct_node, {segmentID: liver, tumour: liver}).labelmap
    np.testing.assert_array_equal(read.voxels > 0, sample_labels.voxels == 5)


def test_empty_segments_are_named_and_left_out(ct_node, a_drawn_one, sample_labels):
    a_drawn_one.GetSegmentation().AddEmptySegment("", "to do")
    annotation = readAnnotation(a_drawn_one, ct_node)
    assert annotation.empty == ("to do",)
    assert annotation.labelmap.labels.names == sample_labels.labels.names


def test_a_segmentation_without_voxels_is_refused(ct_node, segmentation_node):
    segmentation_node.GetSegmentation().AddEmptySegment("", "to do")
    with pytest.raises(InputError, match='No chosen segment of "CT segmentation" has voxels on "CT"'):
        readAnnotation(segmentation_node, ct_node)


@pytest.mark.parametrize("missing", ["node", "segments"])
def test_no_segments_are_refused(ct_node, segmentation_node, missing):
    with pytest.raises(InputError, match="No segments are chosen"):
        readAnnotation(None if missing == "node" else segmentation_node, ct_node)


def test_the_segmentation_of_another_scan_is_refused(load, a_drawn_one, sample_ct):
    far = np.eye(4)
    far[:3, 3] = 500, 0, 0
    other = load(replace(sample_ct, ijk_to_lps=far @ sample_ct.ijk_to_lps), "Other CT")
    with pytest.raises(InputError, match='on "Other CT"'):
        readAnnotation(a_drawn_one, other)


def test_a_segmentation_of_the_whole_scan_is_read_on_a_cropped_one(load, a_drawn_one, sample_ct, sample_labels):
    start = np.eye(4)
    start[:3, 3] = 20, 10, 60
    crop = np.s_[60:, 10:80, 20:]
    part = load(replace(sample_ct, voxels=sample_ct.voxels[crop].copy(), ijk_to_lps=sample_ct.ijk_to_lps @ start), "Part")
    np.testing.assert_array_equal(readAnnotation(a_drawn_one, part).labelmap.voxels, sample_labels.voxels[crop])


def test_reading_changes_nothing(ct_node, a_drawn_one):
    layer = a_drawn_one.GetSegmentation().GetNthSegment(0).GetRepresentation(BINARY_LABELMAP)
    before, nodes = layer.GetMTime(), slicer.mrmlScene.GetNumberOfNodes()
    readAnnotation(a_drawn_one, ct_node)
    assert layer.GetMTime() == before
    assert slicer.mrmlScene.GetNumberOfNodes() == nodes


def test_a_pair_is_a_segmentation_with_its_reference_volume(an_empty_scene, ct_node, a_drawn_one):
    an_empty_scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Without a volume").GetSegmentation().AddEmptySegment()
    empty = an_empty_scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Without segments")
    empty.SetReferenceImageGeometryParameterFromVolumeNode(ct_node)
    pairs = pairsInScene()
    assert [(pair.volumeNode, pair.segmentationNode) for pair in pairs] == [(ct_node, a_drawn_one)]


def test_a_bent_way_between_the_two_is_no_grid(ct_node, segmentation_node, a_transform):
    segmentation_node.SetAndObserveTransformNodeID(a_transform.GetID())
    assert (ijkToSegmentationRAS(ct_node, segmentation_node) is None) == (not a_transform.IsLinear())
