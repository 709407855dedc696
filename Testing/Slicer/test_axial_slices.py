"""Places of the world, voxel indices and slice numbers of a volume, in every geometry and under transforms."""

from __future__ import annotations

import numpy as np
import pytest

from SAMedCore.image.orientation import turned_view
from SAMedLib.scene.axialSlices import AxialSlices
from SAMedLib.scene.volumes import centreOfSlice, sliceAt


@pytest.fixture
def node(load, an_odd_ct):
    """The CT in the scene."""
    return load(an_odd_ct[0])


@pytest.fixture
def moved(load, sample_ct, a_transform):
    """The sample CT under a transform, linear or not."""
    loaded = load(sample_ct)
    loaded.SetAndObserveTransformNodeID(a_transform.GetID())
    return loaded


def test_a_voxel_under_a_transform_is_found_again_where_it_is_in_the_world(moved):
    axial = AxialSlices(moved)
    index = np.array([40.0, 50.0, 60.0])
    (world,) = axial.world(index[None])
    assert np.allclose(axial.indexAt(world), index, atol=0.02)
    assert axial.numberAt(axial.indexAt(centreOfSlice(moved, 60))) == 60


def test_a_voxel_is_found_again_where_it_is_in_the_world(node):
    axial = AxialSlices(node)
    index = np.array(node.GetImageData().GetDimensions()) / 3
    (world,) = axial.world(index[None])
    assert np.allclose(axial.indexAt(world), index)
    assert np.allclose(axial.index(axial.point(index)), index)


def test_slices_are_numbered_as_everywhere(node):
    axial = AxialSlices(node)
    for k in {0, axial.count // 2, axial.count - 1}:
        centre = centreOfSlice(node, k)
        assert axial.numberAt(axial.indexAt(centre)) == sliceAt(node, centre) == k
        assert axial.holds(axial.onSlice(axial.indexAt(centre), k))


def test_beyond_the_volume_there_is_no_slice(node):
    axial = AxialSlices(node)
    below = axial.onSlice(np.zeros(3), 0) - 2 * (
        axial.onSlice(np.zeros(3), min(1, axial.count - 1)) - axial.onSlice(np.zeros(3), 0)
    )
    if axial.count > 1:
        assert axial.numberAt(below) is None
    assert not axial.holds(np.array(node.GetImageData().GetDimensions()) + 1.0)


def test_a_part_holds_its_slices_and_knows_them_from_those_between(load, an_odd_ct):
    volume, _labels = an_odd_ct
    axial = AxialSlices(load(volume))
    slices = sorted({0, axial.count // 2, axial.count - 1})
    part = volume.voxels[axial.part(slices)]
    turned = turned_view(volume, "LPS").voxels
    picked = np.sort(part[np.broadcast_to(axial.among(slices, within=slices), part.shape)], axis=None)
    assert np.array_equal(picked, np.sort(turned[slices], axis=None))
    assert axial.holding(np.ones(volume.voxels.shape, bool)) == set(range(axial.count))
