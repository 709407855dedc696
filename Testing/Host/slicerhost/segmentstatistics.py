"""A stand-in for Slicer's SegmentStatistics module: the part of its documented logic that gives each segment's volume.

It measures what the segmentation node gives it, so a wrong segmentation has a wrong volume here as in Slicer.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy

from slicerhost.scripted import ScriptedLoadableModuleLogic

PLUGINS = ("LabelmapSegmentStatisticsPlugin", "ScalarVolumeSegmentStatisticsPlugin", "ClosedSurfaceSegmentStatisticsPlugin")
COLUMNS = {"voxel_count": "Number of voxels [voxels]", "volume_mm3": "Volume mm3", "volume_cm3": "Volume cm3"}


class SegmentStatisticsLogic(ScriptedLoadableModuleLogic):
    """Volumes by the label map plugin; the other plugins must be switched off, since they are not here.

    As in Slicer its parameter node is the first that the scene has of this module, the user's, and one is added where there is
    none; already the constructor asks for it. What has been measured is kept with the node.
    """

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self.isSingletonParameterNode = False
        self.parameterNode: slicer.vtkMRMLScriptedModuleNode | None = None
        self.reset()

    def getParameterNode(self) -> slicer.vtkMRMLScriptedModuleNode:
        if not self.parameterNode:
            self.setParameterNode(super().getParameterNode())
        return self.parameterNode

    def setParameterNode(self, parameterNode: slicer.vtkMRMLScriptedModuleNode) -> None:
        """Take this node and give it a value for each setting that it lacks."""
        for name in (*PLUGINS, *(f"{PLUGINS[0]}.{key}" for key in COLUMNS)):
            _setDefault(parameterNode, f"{name}.enabled")
        _setDefault(parameterNode, "visibleSegmentsOnly")
        self.parameterNode = parameterNode

    def getStatistics(self) -> dict:
        return self.getParameterNode().statistics

    def reset(self) -> None:
        self.getParameterNode().statistics = {"SegmentIDs": [], "MeasurementInfo": {}}

    def computeStatistics(self) -> None:
        self.reset()
        node = slicer.mrmlScene.GetNodeByID(self.getParameterNode().GetParameter("Segmentation"))
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
        for segmentID in self.getStatistics()["SegmentIDs"]:
            row = tableNode.AddEmptyRow()
            columns = [tableNode.GetTable().GetColumn(number) for number in range(len(keys) + 1)]
            columns[0].SetValue(row, self.getStatistics()[segmentID, "Segment"])
            for key, column in zip(keys, columns[1:], strict=True):
                column.SetValue(row, self.getStatistics().get((segmentID, f"{PLUGINS[0]}.{key}"), math.nan))

    def _enabled(self, name: str) -> bool:
        return self.getParameterNode().GetParameter(name) == "True"

    def _measure(self, node: slicer.vtkMRMLSegmentationNode, segmentID: str) -> None:
        self.getStatistics()["SegmentIDs"].append(segmentID)
        self.getStatistics()[segmentID, "Segment"] = node.GetSegmentation().GetSegment(segmentID).GetName()
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
                self.getStatistics()[segmentID, f"{PLUGINS[0]}.{key}"] = value


def _setDefault(parameterNode: slicer.vtkMRMLScriptedModuleNode, name: str) -> None:
    if not parameterNode.GetParameter(name):
        parameterNode.SetParameter(name, "True")


def _hardened(node: slicer.vtkMRMLSegmentationNode) -> slicer.vtkMRMLSegmentationNode:
    """The node, or where it is transformed a copy in world coordinates."""
    if node.GetParentTransformNode() is None:
        return node
    copy = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    copy.CopyContent(node)
    copy.SetAndObserveTransformNodeID(node.GetTransformNodeID())
    copy.HardenTransform()
    return copy
