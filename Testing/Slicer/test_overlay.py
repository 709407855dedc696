"""Finished slices over the CT while a job runs."""

from __future__ import annotations

import numpy as np
import pytest
import slicer

from SAMedLib.scene.overlay import Overlay
from SAMedLib.scene.volumes import ijkToRAS


@pytest.fixture
def a_shown_ct(ct_node):
    for composite in composites():
        composite.SetBackgroundVolumeID(ct_node.GetID())
    return ct_node


@pytest.fixture
def an_overlay(a_shown_ct, sample_labels) -> Overlay:
    return Overlay(a_shown_ct, sample_labels.labels)


def composites():
    return slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")


def shown() -> slicer.vtkMRMLLabelMapVolumeNode:
    return slicer.mrmlScene.GetNodeByID(composites()[0].GetLabelVolumeID())


def test_an_overlay_lies_over_the_volume(a_shown_ct, a_transform, sample_labels):
    a_shown_ct.SetAndObserveTransformNodeID(a_transform.GetID())
    Overlay(a_shown_ct, sample_labels.labels)
    for composite in composites():
        assert composite.GetLabelVolumeID() == shown().GetID()
    assert shown().GetParentTransformNode() is a_transform
    np.testing.assert_array_equal(ijkToRAS(shown()), ijkToRAS(a_shown_ct))
    assert not slicer.util.arrayFromVolume(shown()).any()


def test_only_the_box_is_updated(an_overlay, sample_labels):
    box = ((80, 82), (10, 90), (5, 100))
    an_overlay.update(sample_labels.voxels[80:82, 10:90, 5:100], box)
    expected = np.zeros_like(sample_labels.voxels)
    expected[80:82, 10:90, 5:100] = sample_labels.voxels[80:82, 10:90, 5:100]
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(shown()), expected)


def test_views_are_told_of_an_update(an_overlay, sample_labels):
    before = shown().GetImageData().GetMTime()
    an_overlay.update(sample_labels.voxels[80:81], ((80, 81), (0, 101), (0, 122)))
    assert shown().GetImageData().GetMTime() > before


def test_labels_have_the_models_colours(an_overlay, sample_labels):
    colours = shown().GetDisplayNode().GetColorNode()
    for label in sample_labels.labels:
        assert colours.GetColorName(label.value) == label.name
        np.testing.assert_allclose(
            colours.GetLookupTable().GetTableValue(label.value)[:3], np.array(label.rgb) / 255, atol=0.01
        )
    assert colours.GetLookupTable().GetTableValue(0)[3] == 0


def test_removing_leaves_the_scene_as_it_was(a_shown_ct, sample_labels):
    earlier = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "The user's own")
    composites()[1].SetLabelVolumeID(earlier.GetID())
    before = [composite.GetLabelVolumeID() for composite in composites()], slicer.mrmlScene.GetNumberOfNodes()
    overlay = Overlay(a_shown_ct, sample_labels.labels)
    overlay.remove()
    overlay.remove()
    assert ([composite.GetLabelVolumeID() for composite in composites()], slicer.mrmlScene.GetNumberOfNodes()) == before


def test_a_view_that_shows_something_else_meanwhile_keeps_it(a_shown_ct, an_overlay):
    chosen = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Chosen meanwhile")
    composites()[0].SetLabelVolumeID(chosen.GetID())
    an_overlay.remove()
    assert composites()[0].GetLabelVolumeID() == chosen.GetID()


def test_views_of_another_volume_are_left_alone(load, sample_ct, a_shown_ct, sample_labels):
    other = load(sample_ct, "Other CT")
    composites()[2].SetBackgroundVolumeID(other.GetID())
    Overlay(a_shown_ct, sample_labels.labels)
    assert composites()[2].GetLabelVolumeID() is None


def test_an_overlay_is_hidden_and_not_saved(an_overlay, reopen):
    assert shown().GetHideFromEditors()
    reopen()
    assert not slicer.util.getNodesByClass("vtkMRMLLabelMapVolumeNode")
    assert not any(node.GetName().startswith("SAMed") for node in slicer.util.getNodesByClass("vtkMRMLColorNode"))


def test_a_closed_scene_does_no_harm(an_overlay, an_empty_scene, sample_labels):
    an_empty_scene.Clear(0)
    an_overlay.update(sample_labels.voxels[80:81], ((80, 81), (0, 101), (0, 122)))
    an_overlay.remove()
    assert not slicer.util.getNodesByClass("vtkMRMLLabelMapVolumeNode")
