"""The model's doubt as a volume of the scene, over the CT in the slice views and away again."""

from __future__ import annotations

import numpy as np
import pytest
import slicer

from SAMedLib.scene import uncertainty
from SAMedLib.scene.uncertainty import UncertaintyOverlay, doubtInWords, uncertaintyOf, writeUncertainty
from SAMedLib.scene.volumes import ijkToRAS

views = pytest.importorskip("slicerhost.views")


@pytest.fixture
def doubt(sample_ct) -> np.ndarray:
    """As the worker hands it over: 0.8 in a box, 0.05 beside it, else 0."""
    voxels = np.zeros(sample_ct.voxels.shape, np.float16)
    voxels[:, 30:60, 20:60] = 0.8
    voxels[:, 30:60, 70:100] = 0.05
    return voxels


@pytest.fixture
def a_shown_ct(ct_node):
    """Even grey."""
    slicer.util.arrayFromVolume(ct_node)[:] = 0
    slicer.util.arrayFromVolumeModified(ct_node)
    ct_node.GetDisplayNode().SetAutoWindowLevel(False)
    ct_node.GetDisplayNode().SetWindowLevelMinMax(-200, 200)
    for composite in composites():
        composite.SetBackgroundVolumeID(ct_node.GetID())
    return ct_node


def composites():
    return slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")


def layers() -> list[tuple]:
    return [(each.GetForegroundVolumeID(), each.GetForegroundOpacity()) for each in composites()]


def test_it_lies_on_the_cts_voxels_under_its_transform(load, an_odd_ct, a_transform):
    ct = load(an_odd_ct[0])
    ct.SetAndObserveTransformNodeID(a_transform.GetID())
    voxels = np.random.default_rng(0).random(an_odd_ct[0].voxels.shape).astype(np.float16)
    node = writeUncertainty(voxels, ct)
    assert node.GetName() == "CT uncertainty"
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(node), voxels.astype(np.float32))
    np.testing.assert_array_equal(ijkToRAS(node), ijkToRAS(ct))
    assert node.GetParentTransformNode() is a_transform
    assert uncertaintyOf(ct) is node


def test_another_run_replaces_it_and_a_removed_one_comes_anew(ct_node, doubt, a_linear_one):
    node = writeUncertainty(doubt, ct_node)
    node.SetName("mine")
    node.GetDisplayNode().SetWindowLevelMinMax(0, 1)
    ct_node.SetAndObserveTransformNodeID(a_linear_one.GetID())
    assert writeUncertainty(doubt / 2, ct_node) is node
    assert node.GetParentTransformNode() is a_linear_one
    assert slicer.util.arrayFromVolume(node).max() == pytest.approx(0.4, abs=1e-3)
    assert (node.GetName(), node.GetDisplayNode().GetWindowLevelMax()) == ("mine", 1.0)
    slicer.mrmlScene.RemoveNode(node)
    assert uncertaintyOf(ct_node) is None
    assert writeUncertainty(doubt, ct_node).GetScene() is not None


def test_it_is_in_the_cts_study_and_comes_back_with_the_scene(ct_node, doubt, reopen):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), "study")
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(ct_node), study)
    node = writeUncertainty(doubt, ct_node)
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == study
    reopen()
    (ct,) = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")[:1]
    assert uncertaintyOf(ct).GetName() == "CT uncertainty"
    assert uncertaintyOf(ct).GetDisplayNode().GetApplyThreshold()


def test_doubt_is_coloured_and_the_rest_of_the_ct_looks_as_it_did(a_shown_ct, doubt):
    shown = views.SliceView("Red")
    shown.show(a_shown_ct)
    k = doubt.shape[0] // 2
    points = [(ijkToRAS(a_shown_ct) @ [i, 45, k, 1.0])[:3] for i in (40, 85, 110)]
    slicer.vtkMRMLSliceNode.JumpAllSlices(slicer.mrmlScene, *points[0])
    before = shown.picture()
    writeUncertainty(doubt, a_shown_ct)
    overlay = UncertaintyOverlay()
    overlay.show(a_shown_ct)
    picture = shown.picture()
    red, green, blue = (int(channel) for channel in picture[shown.pixelOf(points[0])])
    assert red > green + 50
    assert red > blue + 50
    for sure in points[1:]:
        assert (picture[shown.pixelOf(sure)] == before[shown.pixelOf(sure)]).all()
    overlay.hide()
    assert (shown.picture() == before).all()


def test_hiding_gives_the_views_back_what_they_showed(load, sample_ct, a_shown_ct, doubt):
    pet = load(sample_ct, "PET")
    composites()[0].SetForegroundVolumeID(pet.GetID())
    composites()[0].SetForegroundOpacity(0.7)
    composites()[2].SetBackgroundVolumeID(pet.GetID())
    before = layers()
    node = writeUncertainty(doubt, a_shown_ct)
    overlay = UncertaintyOverlay()
    for _again in range(2):
        overlay.show(a_shown_ct)
        assert layers()[:2] == [(node.GetID(), uncertainty.OPACITY)] * 2
        assert layers()[2] == before[2]
    overlay.hide()
    assert layers() == before
    overlay.hide()
    assert layers() == before


def test_what_a_person_chose_meanwhile_stays(load, sample_ct, a_shown_ct, doubt):
    pet = load(sample_ct, "PET")
    writeUncertainty(doubt, a_shown_ct)
    overlay = UncertaintyOverlay()
    overlay.show(a_shown_ct)
    composites()[1].SetForegroundVolumeID(pet.GetID())
    overlay.hide()
    assert composites()[1].GetForegroundVolumeID() == pet.GetID()


def test_anothers_makes_room(load, sample_ct, a_shown_ct, doubt):
    writeUncertainty(doubt, a_shown_ct)
    overlay = UncertaintyOverlay()
    overlay.show(a_shown_ct)
    other = load(sample_ct, "Other CT")
    composites()[0].SetBackgroundVolumeID(other.GetID())
    shown = writeUncertainty(doubt, other)
    overlay.show(other)
    assert [ID for ID, _opacity in layers()] == [shown.GetID(), None, None]


def test_an_opened_scenes_can_be_hidden_and_a_closed_ones_does_no_harm(a_shown_ct, doubt, an_empty_scene):
    writeUncertainty(doubt, a_shown_ct)
    UncertaintyOverlay().show(a_shown_ct)
    overlay = UncertaintyOverlay()
    overlay.hide(a_shown_ct)
    assert layers() == [(None, 0.0)] * 3
    overlay.show(a_shown_ct)
    an_empty_scene.Clear(0)
    overlay.hide()
    overlay.show(None)


def test_structures_are_named_by_doubt():
    assert doubtInWords({"liver": 0.041, "pancreas": 0.19, "aorta": 0.1}) == "pancreas 0.19, aorta 0.10, liver 0.04"
