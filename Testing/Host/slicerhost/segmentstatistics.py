"""A stand-in for Slicer's SegmentStatistics module: the part of its documented logic that gives each segment's volume.

It measures what the segmentation node gives it, so a wrong segmentation has a wrong volume here as in Slicer.
"""

from __future__ import annotations

import math

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

PLUGINS = ("LabelmapSegmentStatisticsPlugin", "ScalarVolumeSegmentStatisticsPlugin", "ClosedSurfaceSegmentStatisticsPlugin")
COLUMNS = {"voxel_count": "Number of voxels [voxels]", "volume_mm3": "Volume mm3", "volume_cm3": "Volume cm3"}


class SegmentStatisticsLogic:
    """Volumes by the label map plugin; the other plugins must be switched off, since they are not here."""

    def __init__(self) -> None:
        self._parameterNode = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode")
        self._statistics: dict = {"SegmentIDs": [], "MeasurementInfo": {}}
        for name in (*PLUGINS, *(f"{PLUGINS[0]}.{key}" for key in COLUMNS)):
            self._parameterNode.SetParameter(f"{name}.enabled", "True")
        self._parameterNode.SetParameter("visibleSegmentsOnly", "True")

    def getParameterNode(self) -> slicer.vtkMRMLScriptedModuleNode:
        return self._parameterNode

    def getStatistics(self) -> dict:
        return self._statistics

    def computeStatistics(self) -> None:
        node = slicer.mrmlScene.GetNodeByID(self._parameterNode.GetParameter("Segmentation"))
        segmentIDs = vtk.vtkStringArray()
        if self._enabled("visibleSegmentsOnly"):
            node.GetDisplayNode().GetVisibleSegmentIDs(segmentIDs)
        else:
            node.GetSegmentation().GetSegmentIDs(segmentIDs)
        missing = [plugin for plugin in PLUGINS[1:] if self._enabled(f"{plugin}.enabled")]
        if missing:
            raise NotImplementedError(f"{missing} not in this stand-in")
        measured = _hardened(node)
        for number in range(segmentIDs.GetNumberOfValues()):
            self._measure(measured, segmentIDs.GetValue(number))
        if measured is not node:
            slicer.mrmlScene.RemoveNode(measured)

    def exportToTable(self, tableNode: slicer.vtkMRMLTableNode) -> None:
        tableNode.RemoveAllColumns()
        keys = [key for key in COLUMNS if self._enabled(f"{PLUGINS[0]}.{key}.enabled")]
        tableNode.AddColumn(vtk.vtkStringArray()).SetName("Segment")
        for key in keys:
            tableNode.AddColumn(vtk.vtkDoubleArray()).SetName(COLUMNS[key])
        for segmentID in self._statistics["SegmentIDs"]:
            row = tableNode.AddEmptyRow()
            columns = [tableNode.GetTable().GetColumn(number) for number in range(len(keys) + 1)]
            columns[0].SetValue(row, self._statistics[segmentID, "Segment"])
            for key, column in zip(keys, columns[1:], strict=True):
                column.SetValue(row, self._statistics.get((segmentID, f"{PLUGINS[0]}.{key}"), math.nan))

    def _enabled(self, name: str) -> bool:
        return self._parameterNode.GetParameter(name) == "True"

    def _measure(self, node: slicer.vtkMRMLSegmentationNode, segmentID: str) -> None:
        self._statistics["SegmentIDs"].append(segmentID)
        self._statistics[segmentID, "Segment"] = node.GetSegmentation().GetSegment(segmentID).GetName()
        image = slicer.vtkOrientedImageData()
        node.GetBinaryLabelmapRepresentation(segmentID, image)
        scalars = image.GetPointData().GetScalars()
        if scalars is None:
            return
        count = int(np.count_nonzero(vtk_to_numpy(scalars)))
        volume = count * math.prod(image.GetSpacing())
        measures = {"voxel_count": count, "volume_mm3": volume, "volume_cm3": volume / 1000}
        for key, value in measures.items():
            if self._enabled(f"{PLUGINS[0]}.{key}.enabled"):
                self._statistics[segmentID, f"{PLUGINS[0]}.{key}"] = value


def _hardened(node: slicer.vtkMRMLSegmentationNode) -> slicer.vtkMRMLSegmentationNode:
    """The node, or where it is transformed a copy in world coordinates."""
    if node.GetParentTransformNode() is None:
        return node
    copy = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    copy.CopyContent(node)
    copy.SetAndObserveTransformNodeID(node.GetTransformNodeID())
    copy.HardenTransform()
    return copy
