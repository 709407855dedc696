"""Voxels between a volume's grid and a segmentation's, in every geometry."""

from __future__ import annotations

import numpy as np
import pytest
import slicer

from SAMedLib.effect.lattice import onSegmentation, onVolume, reachOf
from SAMedLib.scene.axialSlices import AxialSlices
from SAMedLib.scene.segments import voxelsOf
from SAMedLib.scene.writing import writeSegmentation


@pytest.fixture
def drawn(load, an_odd_ct, segmentation_node):
    """The volume's node and the segmentation of its organs."""
    volume, labels = an_odd_ct
    node = load(volume)
    writeSegmentation(segmentation_node, labels, node)
    return node, segmentation_node


def test_each_slice_of_a_segment_is_what_slicer_says(drawn):
    node, segmentation = drawn
    axial = AxialSlices(node)
    segmentID = segmentation.GetSegmentation().GetSegmentIdBySegmentName("liver")
    whole = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, segmentID, node) > 0
    for k in {0, axial.count // 2, axial.count - 1}:
        part = axial.part([k])
        assert np.array_equal(onVolume(segmentation, segmentID, node, part), whole[part])


def test_voxels_go_to_the_editors_geometry_and_come_back(drawn):
    node, segmentation = drawn
    axial = AxialSlices(node)
    part = axial.part([axial.count // 2])
    voxels = np.zeros([each.stop - each.start for each in part], np.uint8)
    voxels[tuple(slice(length // 3, length // 3 + 4) for length in voxels.shape)] = 1
    geometry = slicer.vtkOrientedImageData()
    text = segmentation.GetSegmentation().GetConversionParameter("Reference image geometry")
    slicer.vtkSegmentationConverter.DeserializeImageGeometry(text, geometry, False)
    image = onSegmentation(voxels, np.array([each.start for each in part[::-1]]), node, segmentation, geometry)
    segmentation.GetSegmentation().AddEmptySegment("back", "back")
    back = segmentation.GetSegmentation().GetSegment("back")
    back.AddRepresentation("Binary labelmap", image)
    back.SetLabelValue(1)
    assert voxelsOf(image).sum() == voxels.sum()
    assert np.array_equal(onVolume(segmentation, "back", node, part), voxels > 0)
    reach = reachOf(segmentation, "back", node, part)
    assert voxels[reach].sum() == voxels.sum()


def test_what_lies_beyond_the_geometry_stays_out(drawn):
    node, segmentation = drawn
    geometry = slicer.vtkOrientedImageData()
    geometry.SetExtent(0, 3, 0, 3, 0, 3)
    geometry.SetOrigin(5000, 5000, 5000)
    assert onSegmentation(np.ones((1, 2, 2), np.uint8), np.zeros(3, int), node, segmentation, geometry) is None
