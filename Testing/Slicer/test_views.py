"""What a person sees: the result's colours where the organs are, in the slice views and in 3D."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from scipy.ndimage import distance_transform_edt

from SAMedCore.image.volume import Volume
from SAMedLib.scene.overlay import Overlay
from SAMedLib.scene.volumes import ijkToRAS, jumpToSlice, shownSlice, transformed
from SAMedLib.scene.writing import writeSegmentation

views = pytest.importorskip("slicerhost.views")

ORGANS = {"liver": 5, "spleen": 1, "right kidney": 2}


@pytest.fixture
def a_shown_ct(ct_node):
    """Black, so that a pixel's colour is a segment's alone."""
    display = ct_node.GetDisplayNode()
    display.SetAutoWindowLevel(False)
    display.SetWindowLevel(1, 10000)
    return ct_node


def middleOf(mask: np.ndarray, volumeNode) -> np.ndarray:
    """A point of the world inside the structure: in its largest axial slice, the voxel farthest from its edge."""
    k = int(np.argmax(mask.sum(axis=(1, 2))))
    depth = distance_transform_edt(mask[k])
    j, i = np.unravel_index(np.argmax(depth), depth.shape)
    return transformed((ijkToRAS(volumeNode) @ [i, j, k, 1.0])[:3], volumeNode.GetParentTransformNode(), None)


def looksLike(pixel: np.ndarray, rgb: tuple[int, int, int]) -> bool:
    """Whether a pixel has this hue; the views blend and shade it."""
    first, second = np.array(pixel, float), np.array(rgb, float)
    cosine = first @ second / (np.linalg.norm(first) * np.linalg.norm(second) + 1e-9)
    return bool(np.linalg.norm(first) > 40 and cosine > 0.99)


@pytest.mark.parametrize("organ", ORGANS)
@pytest.mark.parametrize("view", ["Red", "Yellow", "Green"])
def test_a_slice_view_shows_the_segments_colour_where_the_organ_is(a_shown_ct, segmentation_node, sample_labels, view, organ):
    writeSegmentation(segmentation_node, sample_labels, a_shown_ct)
    point = middleOf(sample_labels.voxels == ORGANS[organ], a_shown_ct)
    shown = views.SliceView(view)
    shown.show(a_shown_ct)
    slicer.vtkMRMLSliceNode.JumpAllSlices(slicer.mrmlScene, *point)
    rgb = sample_labels.labels.subset([organ]).labels[0].rgb
    assert looksLike(shown.picture()[shown.pixelOf(point)], rgb)
    segmentation_node.GetDisplayNode().SetVisibility(False)
    assert not looksLike(shown.picture()[shown.pixelOf(point)], rgb)


def test_a_transformed_result_is_shown_where_the_organ_has_gone(a_shown_ct, segmentation_node, sample_labels, a_transform):
    a_shown_ct.SetAndObserveTransformNodeID(a_transform.GetID())
    writeSegmentation(segmentation_node, sample_labels, a_shown_ct)
    point = middleOf(sample_labels.voxels == 5, a_shown_ct)
    shown = views.SliceView("Red")
    shown.show(a_shown_ct)
    slicer.vtkMRMLSliceNode.JumpAllSlices(slicer.mrmlScene, *point)
    assert looksLike(shown.picture()[shown.pixelOf(point)], (221, 130, 101))


def test_finished_slices_are_seen_before_the_result_is_there(a_shown_ct, sample_labels):
    point = middleOf(sample_labels.voxels == 5, a_shown_ct)
    shown = views.SliceView("Red")
    shown.show(a_shown_ct)
    slicer.vtkMRMLSliceNode.JumpAllSlices(slicer.mrmlScene, *point)
    overlay = Overlay(a_shown_ct, sample_labels.labels)
    assert not shown.picture().any()
    k = shownSlice(a_shown_ct)
    overlay.update(sample_labels.voxels[k : k + 1], ((k, k + 1), (0, 101), (0, 122)))
    assert looksLike(shown.picture()[shown.pixelOf(point)], (221, 130, 101))
    overlay.remove()
    assert not shown.picture().any()


def test_surfaces_are_shown_in_3d(a_shown_ct, segmentation_node, sample_labels):
    writeSegmentation(segmentation_node, sample_labels, a_shown_ct)
    segmentation_node.CreateClosedSurfaceRepresentation()
    view = views.ThreeDView()
    view.fit()
    pixels = view.picture().reshape(-1, 3)
    for rgb in ((221, 130, 101), (157, 108, 162)):
        assert sum(looksLike(pixel, rgb) for pixel in pixels[::5]) > 50


def test_the_slice_jumped_to_is_seen(load, sample_ct):
    """A CT in which one slice alone is bright."""
    voxels = np.full_like(sample_ct.voxels, -1000)
    voxels[70] = 1000
    node = load(Volume(voxels, sample_ct.ijk_to_lps))
    node.GetDisplayNode().SetAutoWindowLevel(False)
    node.GetDisplayNode().SetWindowLevel(200, 0)
    shown = views.SliceView("Red")
    shown.show(node)
    assert shown.picture().max() == 0
    jumpToSlice(node, 70)
    assert shown.picture()[250, 250].min() == 255
