"""Results in the scene: the same voxels at the same place, in memory and saved, under every geometry and transform."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import slicer

from SAMedCore.errors import InputError
from SAMedCore.files.read import read_labelmap
from SAMedCore.image.labels import SYNAPSE_ORGANS, Label, LabelTable
from SAMedCore.image.orientation import orientation_of, reorient
from SAMedCore.image.placement import placed_on
from SAMedCore.image.terminology import terminology_entry
from SAMedCore.image.volume import LabelMap
from SAMedLib.scene.reading import readAnnotation
from SAMedLib.scene.segments import BINARY_LABELMAP, CLOSED_SURFACE, layersOf, newLayer, newSegment
from SAMedLib.scene.volumes import ijkToRAS, readVolume
from SAMedLib.scene.writing import checkOutput, writeSegmentation


def as_slicer_exports(segmentationNode, volumeNode, labels: LabelTable) -> np.ndarray:
    """The segments on the volume's grid by Slicer's own export, one by one."""
    voxels = np.zeros(slicer.util.arrayFromVolume(volumeNode).shape, np.uint8)
    segmentation = segmentationNode.GetSegmentation()
    for label in labels:
        segmentID = segmentation.GetSegmentIdBySegmentName(label.name)
        exported = slicer.util.arrayFromSegmentBinaryLabelmap(segmentationNode, segmentID, volumeNode)
        voxels[exported > 0] = label.value
    return voxels


def by_name(labelmap: LabelMap) -> dict[str, np.ndarray]:
    return {label.name: labelmap.voxels == label.value for label in labelmap.labels}


def assert_same(first: LabelMap, second: LabelMap) -> None:
    """Every structure that either of them has voxels of lies in the same ones."""
    masks, others = by_name(first), by_name(second)
    for name in masks.keys() | others.keys():
        nothing = np.zeros(first.voxels.shape, bool)
        np.testing.assert_array_equal(masks.get(name, nothing), others.get(name, nothing), err_msg=name)


def test_slicer_exports_what_was_written(load, segmentation_node, an_odd_ct):
    ct, labelmap = an_odd_ct
    node = load(ct)
    writeSegmentation(segmentation_node, labelmap, node)
    np.testing.assert_array_equal(as_slicer_exports(segmentation_node, node, labelmap.labels), labelmap.voxels)


def test_slicer_exports_what_was_written_under_a_transform(ct_node, segmentation_node, sample_labels, a_transform):
    ct_node.SetAndObserveTransformNodeID(a_transform.GetID())
    writeSegmentation(segmentation_node, sample_labels, ct_node)
    assert segmentation_node.GetParentTransformNode() is a_transform
    exported = as_slicer_exports(segmentation_node, ct_node, sample_labels.labels)
    np.testing.assert_array_equal(exported, sample_labels.voxels)


def test_the_saved_file_holds_what_was_written(load, segmentation_node, an_odd_ct, a_transform, save):
    ct, labelmap = an_odd_ct
    node = load(ct)
    node.SetAndObserveTransformNodeID(a_transform.GetID())
    writeSegmentation(segmentation_node, labelmap, node)
    path = save(segmentation_node)
    assert_same(placed_on(read_labelmap(path), labelmap.grid), labelmap)
    loaded = slicer.modules.segmentations.logic().LoadSegmentationFromFile(str(path), True)
    loaded.SetAndObserveTransformNodeID(a_transform.GetID())
    assert_same(readAnnotation(loaded, node).labelmap, labelmap)


def test_the_reopened_scene_holds_what_was_written(load, segmentation_node, an_odd_ct, a_linear_one, reopen):
    ct, labelmap = an_odd_ct
    node = load(ct)
    node.SetAndObserveTransformNodeID(a_linear_one.GetID())
    writeSegmentation(segmentation_node, labelmap, node)
    reopen()
    volumeNode, segmentationNode = slicer.util.getNode("CT"), slicer.util.getNode("CT segmentation")
    # Slicer turns a left-handed volume round when it loads it
    expected = reorient(labelmap, orientation_of(readVolume(volumeNode).grid))
    np.testing.assert_array_equal(as_slicer_exports(segmentationNode, volumeNode, labelmap.labels), expected.voxels)
    assert_same(readAnnotation(segmentationNode, volumeNode).labelmap, expected)
    checkOutput(segmentationNode, volumeNode)
    assert segmentationNode.GetParentTransformNode() is volumeNode.GetParentTransformNode() is not None
    assert segmentationNode.GetNodeReference("referenceImageGeometryRef") is volumeNode


def test_the_reopened_scene_holds_what_was_written_under_a_bent_transform(
    ct_node, segmentation_node, sample_labels, a_transform, reopen
):
    ct_node.SetAndObserveTransformNodeID(a_transform.GetID())
    writeSegmentation(segmentation_node, sample_labels, ct_node)
    reopen()
    volumeNode, segmentationNode = slicer.util.getNode("CT"), slicer.util.getNode("CT segmentation")
    exported = as_slicer_exports(segmentationNode, volumeNode, sample_labels.labels)
    np.testing.assert_array_equal(exported, sample_labels.voxels)


def test_a_transform_set_after_the_reference_geometry_is_wrong_in_the_saved_file(
    ct_node, segmentation_node, sample_labels, a_linear_one, save
):
    """Why `writeSegmentation` sets the transform first: the other way round looks right in memory."""
    ct_node.SetAndObserveTransformNodeID(a_linear_one.GetID())
    segmentation_node.SetReferenceImageGeometryParameterFromVolumeNode(ct_node)
    segmentation_node.SetAndObserveTransformNodeID(a_linear_one.GetID())
    layer = newLayer(sample_labels.voxels, ijkToRAS(ct_node))
    for label in sample_labels.labels:
        segment = newSegment(label)
        segment.SetLabelValue(label.value)
        segment.AddRepresentation(BINARY_LABELMAP, layer)
        segmentation_node.GetSegmentation().AddSegment(segment)
    assert_same(readAnnotation(segmentation_node, ct_node).labelmap, sample_labels)
    loaded = slicer.modules.segmentations.logic().LoadSegmentationFromFile(str(save(segmentation_node)), True)
    loaded.SetAndObserveTransformNodeID(a_linear_one.GetID())
    saved, written = by_name(readAnnotation(loaded, ct_node).labelmap), by_name(sample_labels)
    dice = {name: 2 * np.sum(saved[name] & mask) / (np.sum(saved[name]) + np.sum(mask)) for name, mask in written.items()}
    assert 0.9 < min(dice.values()) < 0.98


def test_segments_carry_name_colour_and_codes(ct_node, segmentation_node, sample_labels):
    writeSegmentation(segmentation_node, sample_labels, ct_node)
    segmentation = segmentation_node.GetSegmentation()
    for number, label in enumerate(SYNAPSE_ORGANS):
        segment = segmentation.GetNthSegment(number)
        assert segment.GetName() == label.name
        assert segment.GetTerminology() == terminology_entry(label)
        np.testing.assert_allclose(segment.GetColor(), np.array(label.rgb) / 255)


def test_the_right_kidneys_tag_is_the_one_of_the_design(ct_node, segmentation_node, sample_labels):
    writeSegmentation(segmentation_node, sample_labels, ct_node)
    segment = segmentation_node.GetSegmentation().GetNthSegment(1)
    assert segment.GetTerminology() == (
        "Segmentation category and type - 3D Slicer General Anatomy list~SCT^123037004^Anatomical Structure~"
        "SCT^64033007^Kidney~SCT^24028007^Right~Anatomic codes - DICOM master list~^^~^^"
    )


def test_all_segments_share_one_layer(ct_node, segmentation_node, sample_labels):
    writeSegmentation(segmentation_node, sample_labels, ct_node)
    assert len(layersOf(segmentation_node.GetSegmentation())) == 1


def test_values_above_255_are_kept(ct_node, segmentation_node, sample_labels):
    voxels = sample_labels.voxels.astype(np.uint16) * 100
    labels = LabelTable(tuple(replace(label, value=label.value * 100) for label in sample_labels.labels))
    writeSegmentation(segmentation_node, LabelMap(voxels, sample_labels.ijk_to_lps, labels), ct_node)
    assert_same(readAnnotation(segmentation_node, ct_node).labelmap, sample_labels)


def test_an_organ_that_was_not_found_is_an_empty_segment(ct_node, segmentation_node, sample_labels):
    voxels = np.where(sample_labels.voxels == 4, 0, sample_labels.voxels).astype(np.uint8)
    writeSegmentation(segmentation_node, replace(sample_labels, voxels=voxels), ct_node)
    annotation = readAnnotation(segmentation_node, ct_node)
    assert segmentation_node.GetSegmentation().GetNumberOfSegments() == 8
    assert annotation.empty == ("gallbladder",)
    assert "gallbladder" not in annotation.labelmap.labels.names


def test_the_result_lies_in_the_volumes_study(an_empty_scene, ct_node, segmentation_node, sample_labels):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(an_empty_scene)
    patient = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "Patient")
    study = hierarchy.CreateStudyItem(patient, "Abdomen")
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(ct_node), study)
    writeSegmentation(segmentation_node, sample_labels, ct_node)
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(segmentation_node)) == study


def test_a_segmentation_that_the_user_filed_stays_there(an_empty_scene, ct_node, segmentation_node, sample_labels):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(an_empty_scene)
    folder = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "Mine")
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(segmentation_node), folder)
    writeSegmentation(segmentation_node, sample_labels, ct_node)
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(segmentation_node)) == folder


def test_surfaces_that_were_shown_are_those_of_the_new_result(ct_node, segmentation_node, sample_labels):
    shrunk = replace(sample_labels, voxels=np.where(np.arange(122) < 61, sample_labels.voxels, 0).astype(np.uint8))
    writeSegmentation(segmentation_node, shrunk, ct_node)
    segmentation_node.CreateClosedSurfaceRepresentation()
    before = surface(segmentation_node, "liver").GetBounds()
    writeSegmentation(segmentation_node, sample_labels, ct_node)
    assert segmentation_node.GetSegmentation().ContainsRepresentation(CLOSED_SURFACE)
    assert surface(segmentation_node, "liver").GetBounds() != before


def surface(segmentationNode, name: str):
    segmentation = segmentationNode.GetSegmentation()
    return segmentation.GetSegment(segmentation.GetSegmentIdBySegmentName(name)).GetRepresentation(CLOSED_SURFACE)


@pytest.mark.parametrize("change", ["moved", "other grid"])
def test_segments_off_the_volumes_voxels_are_not_mixed_with_a_result(
    load, ct_node, segmentation_node, sample_ct, sample_labels, change
):
    writeSegmentation(segmentation_node, sample_labels, ct_node)
    shift = np.eye(4)
    if change == "moved":
        shift[:3, 3] = 0.4, 0, 0
    else:
        shift[0, 0] = 1.25
    other = load(replace(sample_ct, ijk_to_lps=sample_ct.ijk_to_lps @ shift), "Other CT")
    with pytest.raises(InputError, match='"CT segmentation" do not lie on the voxels of "Other CT"'):
        checkOutput(segmentation_node, other)


def test_a_segmentation_under_a_bent_transform_of_its_own_takes_no_result(
    ct_node, segmentation_node, sample_labels, a_transform
):
    writeSegmentation(segmentation_node, sample_labels, ct_node)
    segmentation_node.SetAndObserveTransformNodeID(a_transform.GetID())
    with pytest.raises(InputError, match="do not lie on the voxels"):
        checkOutput(segmentation_node, ct_node)


def test_surfaces_without_voxels_take_no_result(ct_node, segmentation_node, sample_labels):
    writeSegmentation(segmentation_node, sample_labels, ct_node)
    segmentation_node.CreateClosedSurfaceRepresentation()
    segmentation_node.SetSourceRepresentationToClosedSurface()
    with pytest.raises(InputError, match="is made of surfaces"):
        checkOutput(segmentation_node, ct_node)


def test_a_segmentation_drawn_in_world_coordinates_takes_a_result(
    ct_node, segmentation_node, sample_labels, a_linear_one, save
):
    """As the Segment Editor makes it for a CT under a linear transform: the segmentation itself under none."""
    ct_node.SetAndObserveTransformNodeID(a_linear_one.GetID())
    segmentation_node.SetReferenceImageGeometryParameterFromVolumeNode(ct_node)
    grid = slicer.util.arrayFromTransformMatrix(a_linear_one) @ ijkToRAS(ct_node)
    drawn = newSegment(Label(1, "tumour", (255, 0, 0)))
    box = np.zeros(sample_labels.voxels.shape, np.uint8)
    box[80:90, 40:50, 60:70] = 1
    drawn.AddRepresentation(BINARY_LABELMAP, newLayer(box, grid))
    segmentation_node.GetSegmentation().AddSegment(drawn)
    writeSegmentation(segmentation_node, sample_labels, ct_node)
    loaded = slicer.modules.segmentations.logic().LoadSegmentationFromFile(str(save(segmentation_node)), True)
    for node in (segmentation_node, loaded):
        liver = node.GetSegmentation().GetSegmentIdBySegmentName("liver")
        exported = slicer.util.arrayFromSegmentBinaryLabelmap(node, liver, ct_node)
        np.testing.assert_array_equal(exported > 0, sample_labels.voxels == 5)
    tumour = slicer.util.arrayFromSegmentBinaryLabelmap(
        loaded, loaded.GetSegmentation().GetSegmentIdBySegmentName("tumour"), ct_node
    )
    np.testing.assert_array_equal(tumour > 0, box > 0)
