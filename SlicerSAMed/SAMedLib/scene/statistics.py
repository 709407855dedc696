"""How large the organs are, by Slicer's Segment Statistics module."""

from __future__ import annotations

import math

import slicer
from slicer.i18n import tr as _

LABELMAP_PLUGIN = "LabelmapSegmentStatisticsPlugin"
OTHER_PLUGINS = ("ScalarVolumeSegmentStatisticsPlugin", "ClosedSurfaceSegmentStatisticsPlugin")
OTHER_KEYS = ("voxel_count", "volume_mm3")


def addVolumesTable(
    segmentationNode: slicer.vtkMRMLSegmentationNode, volumeNode: slicer.vtkMRMLScalarVolumeNode
) -> slicer.vtkMRMLTableNode:
    """A new table node in the scene, beside the segmentation, with the name and the volume in ml of each segment.

    Hidden segments are measured too. Under a transform it is the transformed segment that is measured.
    """
    logic = _logicWithoutNode()
    parameterNode = logic.getParameterNode()
    parameterNode.SetParameter("Segmentation", segmentationNode.GetID())
    parameterNode.SetParameter("ScalarVolume", volumeNode.GetID())
    parameterNode.SetParameter("visibleSegmentsOnly", "False")
    for name in (*OTHER_PLUGINS, *(f"{LABELMAP_PLUGIN}.{key}" for key in OTHER_KEYS)):
        parameterNode.SetParameter(f"{name}.enabled", "False")
    logic.computeStatistics()
    name = _("{segmentation} volumes").format(segmentation=segmentationNode.GetName())
    tableNode = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", slicer.mrmlScene.GenerateUniqueName(name))
    logic.exportToTable(tableNode)
    _placeBeside(tableNode, segmentationNode)
    return tableNode


def volumesInWords(tableNode: slicer.vtkMRMLTableNode) -> str:
    """What `addVolumesTable` found: "liver 1126 ml, spleen 261 ml"."""
    table = tableNode.GetTable()
    rows = ((table.GetValue(row, 0).ToString(), table.GetValue(row, 1).ToDouble()) for row in range(table.GetNumberOfRows()))
    return ", ".join(_("{segment} {volume} ml").format(segment=name, volume=_rounded(volume)) for name, volume in rows)


def _rounded(volume: float) -> str:
    """Three digits, and never fewer than the millilitres; empty segments have none (nan)."""
    if math.isnan(volume):
        return "0"
    return f"{volume:.0f}" if volume >= 100 else f"{volume:.3g}"


def _logicWithoutNode():
    """Slicer's logic with a parameter node that is in no scene.

    Its own way, already in the constructor, is to take the first node of the scene, which holds the settings and results of the
    user's Segment Statistics module.
    """
    import SegmentStatistics  # a module of Slicer's own, loaded after this one where modules load by name

    class LogicWithoutNode(SegmentStatistics.SegmentStatisticsLogic):
        def getParameterNode(self):
            if self.parameterNode is None:
                self.setParameterNode(slicer.vtkMRMLScriptedModuleNode())
            return self.parameterNode

    return LogicWithoutNode()


def _placeBeside(tableNode: slicer.vtkMRMLTableNode, segmentationNode: slicer.vtkMRMLSegmentationNode) -> None:
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    item, other = hierarchy.GetItemByDataNode(tableNode), hierarchy.GetItemByDataNode(segmentationNode)
    if item and other:
        hierarchy.SetItemParent(item, hierarchy.GetItemParent(other))
