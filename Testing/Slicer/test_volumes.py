"""CTs of the scene: what is read, what is refused, and where their slices are."""

from __future__ import annotations

import numpy as np
import pytest
import slicer

from SAMedCore.errors import InputError
from SAMedCore.image.orientation import reorient
from SAMedCore.image.volume import Volume
from SAMedLib.scene.volumes import centreOfSlice, jumpToSlice, numberOfSlices, readVolume, shownSlice, sliceAt


def test_every_geometry_is_read_as_it_is_stored(load, an_odd_ct):
    volume, _labels = an_odd_ct
    node = load(volume)
    read = readVolume(node)
    np.testing.assert_array_equal(read.voxels, volume.voxels)
    np.testing.assert_allclose(read.ijk_to_lps, volume.ijk_to_lps, atol=1e-9)


def test_a_transform_does_not_change_what_is_segmented(ct_node, sample_ct, a_transform):
    ct_node.SetAndObserveTransformNodeID(a_transform.GetID())
    np.testing.assert_allclose(readVolume(ct_node).ijk_to_lps, sample_ct.ijk_to_lps, atol=1e-9)


def test_the_modality_is_what_slicers_dicom_readers_put_on_the_series(ct_node):
    assert readVolume(ct_node).modality is None
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    item = hierarchy.CreateItem(hierarchy.GetSceneItemID(), ct_node)
    hierarchy.SetItemAttribute(item, slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMSeriesModalityAttributeName(), "MR")
    assert hierarchy.GetItemAttribute(item, "DICOM.Modality") == "MR"
    assert readVolume(ct_node).modality == "MR"


def test_reading_copies_no_voxels(ct_node):
    assert np.shares_memory(readVolume(ct_node).voxels, slicer.util.arrayFromVolume(ct_node))


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64])
def test_every_number_type_is_read(load, sample_ct, dtype):
    node = load(Volume(sample_ct.voxels[:3].astype(dtype), sample_ct.ijk_to_lps))
    assert readVolume(node).voxels.dtype == dtype


def test_nothing_selected_is_refused():
    with pytest.raises(InputError, match="No volume is selected"):
        readVolume(None)


def test_a_volume_without_voxels_is_refused(an_empty_scene):
    with pytest.raises(InputError, match='"Lost" has no voxels'):
        readVolume(an_empty_scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Lost"))


def test_a_label_map_is_refused(an_empty_scene):
    with pytest.raises(InputError, match='"Organs" is a label map'):
        readVolume(an_empty_scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Organs"))


def test_a_colour_image_is_refused(an_empty_scene):
    node = an_empty_scene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "Photo")
    slicer.util.updateVolumeFromArray(node, np.zeros((4, 5, 6, 3), np.uint8))
    with pytest.raises(InputError, match='"Photo" has 3 values for each voxel'):
        readVolume(node)


def test_a_frame_of_a_sequence_is_a_volume(an_empty_scene, ct_node, sample_ct):
    sequence = an_empty_scene.AddNewNodeByClass("vtkMRMLSequenceNode")
    for phase in ("0", "1"):
        sequence.SetDataNodeAtValue(ct_node, phase)
    browser = an_empty_scene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode")
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    browser.SetSelectedItemNumber(1)
    slicer.modules.sequences.logic().UpdateProxyNodesFromSequences(browser)
    np.testing.assert_array_equal(readVolume(browser.GetProxyNode(sequence)).voxels, sample_ct.voxels)


def test_slices_are_counted_from_the_feet(load, an_odd_ct, a_transform):
    volume, _labels = an_odd_ct
    node = load(volume)
    node.SetAndObserveTransformNodeID(a_transform.GetID())
    fromFeet = reorient(volume, "LPS")
    assert numberOfSlices(node) == len(fromFeet.voxels)
    for k in {0, len(fromFeet.voxels) // 2, len(fromFeet.voxels) - 1}:
        middle = [*((np.array(fromFeet.voxels.shape[::-1]) - 1) / 2)[:2], k, 1]
        world = a_transform.GetTransformToParent().TransformPoint(*(np.diag([-1, -1, 1, 1]) @ fromFeet.ijk_to_lps @ middle)[:3])
        np.testing.assert_allclose(centreOfSlice(node, k), world, atol=1e-6)
        assert sliceAt(node, world) == k


def test_a_point_below_the_volume_lies_in_no_slice(ct_node):
    beneath = 2 * centreOfSlice(ct_node, 0) - centreOfSlice(ct_node, 2)
    with pytest.raises(InputError, match='does not cut "CT"'):
        sliceAt(ct_node, beneath)


def test_the_slice_jumped_to_is_the_slice_shown(load, an_odd_ct):
    volume, _labels = an_odd_ct
    node = load(volume)
    last = numberOfSlices(node) - 1
    for k in (0, last // 2, last):
        jumpToSlice(node, k)
        assert shownSlice(node) == k
