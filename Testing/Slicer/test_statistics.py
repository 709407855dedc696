"""Volumes in ml, against counted voxels."""

from __future__ import annotations

import numpy as np
import pytest
import slicer
from SegmentStatistics import SegmentStatisticsLogic

from SAMedCore.image.volume import LabelMap
from SAMedLib.scene.statistics import addVolumesTable, volumesInWords
from SAMedLib.scene.writing import writeSegmentation


def volumes(tableNode) -> dict[str, float]:
    table = tableNode.GetTable()
    return {table.GetValue(row, 0).ToString(): table.GetValue(row, 1).ToDouble() for row in range(table.GetNumberOfRows())}


def settings(parameterNode) -> dict[str, str]:
    return {name: parameterNode.GetParameter(name) for name in parameterNode.GetParameterNames()}


def test_volumes_are_voxels_times_spacing(load, segmentation_node, an_odd_ct):
    ct, labels = an_odd_ct
    node = load(ct)
    writeSegmentation(segmentation_node, labels, node)
    expected = {
        label.name: np.sum(labels.voxels == label.value) * np.prod(ct.grid.spacing_mm) / 1000 for label in labels.labels
    }
    assert volumes(addVolumesTable(segmentation_node, node)) == pytest.approx(expected)


def test_under_a_transform_the_transformed_organs_are_measured(ct_node, segmentation_node, sample_labels):
    stretch = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    slicer.util.updateTransformMatrixFromArray(stretch, np.diag([1.0, 1.0, 2.0, 1.0]))
    ct_node.SetAndObserveTransformNodeID(stretch.GetID())
    writeSegmentation(segmentation_node, sample_labels, ct_node)
    expected = np.sum(sample_labels.voxels == 5) * 2 * 0.027
    assert volumes(addVolumesTable(segmentation_node, ct_node))["liver"] == pytest.approx(expected, rel=0.01)


def test_hidden_segments_are_measured(ct_node, segmentation_node, sample_labels):
    writeSegmentation(segmentation_node, sample_labels, ct_node)
    display = segmentation_node.GetDisplayNode()
    display.SetSegmentVisibility(segmentation_node.GetSegmentation().GetNthSegmentID(4), False)
    assert volumes(addVolumesTable(segmentation_node, ct_node))["liver"] > 1000


def test_only_the_table_is_added_beside_the_segmentation(an_empty_scene, ct_node, segmentation_node, sample_labels):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(an_empty_scene)
    study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), "Abdomen")
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(ct_node), study)
    writeSegmentation(segmentation_node, sample_labels, ct_node)
    before = an_empty_scene.GetNumberOfNodes()
    table = addVolumesTable(segmentation_node, ct_node)
    assert an_empty_scene.GetNumberOfNodes() == before + 1
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(table)) == study
    assert table.GetName() == "CT segmentation volumes"


def test_the_users_own_statistics_stay_as_they_are(an_empty_scene, ct_node, segmentation_node, sample_labels):
    writeSegmentation(segmentation_node, sample_labels, ct_node)
    usersNode = SegmentStatisticsLogic().getParameterNode()
    usersNode.SetParameter("ClosedSurfaceSegmentStatisticsPlugin.enabled", "False")
    usersNode.SetParameter("Segmentation", "vtkMRMLSegmentationNodeOfTheUser")
    usersNode.statistics = {"SegmentIDs": ["measured by the user"]}
    before = settings(usersNode)
    addVolumesTable(segmentation_node, ct_node)
    assert slicer.util.getNodesByClass("vtkMRMLScriptedModuleNode") == [usersNode]
    assert settings(usersNode) == before
    assert usersNode.statistics == {"SegmentIDs": ["measured by the user"]}


def test_volumes_read_well(ct_node, segmentation_node, sample_labels):
    voxels = np.where(np.isin(sample_labels.voxels, (1, 5, 8)), sample_labels.voxels, 0).astype(np.uint8)
    chosen = sample_labels.labels.subset(["spleen", "liver", "pancreas", "aorta"])
    writeSegmentation(segmentation_node, LabelMap(voxels, sample_labels.ijk_to_lps, chosen), ct_node)
    words = volumesInWords(addVolumesTable(segmentation_node, ct_node))
    assert words == "spleen 261 ml, liver 1126 ml, aorta 0 ml, pancreas 18.8 ml"
