"""Stand-in for `slicer.app.coreIOManager()`: loads what the tests load, with Slicer's own readers."""

from __future__ import annotations

from pathlib import Path

import slicer
import vtk


class CoreIOManager:
    """Knows two kinds of file: "VolumeFile" and "SegmentationFile"."""

    def fileType(self, fileName: str) -> str:
        return "SegmentationFile" if fileName.endswith(".seg.nrrd") else "VolumeFile"

    def loadNodes(self, fileType: str, properties: dict, loadedNodes: vtk.vtkCollection, userMessages: object = None) -> bool:
        """Whether the file `properties["fileName"]` is read; its node is named `properties["name"]`, or after the file."""
        path = properties["fileName"]
        name = properties.get("name") or Path(path).name.partition(".")[0]
        node = _segmentation(path, name) if fileType == "SegmentationFile" else _volume(path, name)
        if node is not None:
            loadedNodes.AddItem(node)
        return node is not None


def _volume(path: str, name: str) -> slicer.vtkMRMLVolumeNode | None:
    return slicer.modules.volumes.logic().AddArchetypeVolume(path, name)


def _segmentation(path: str, name: str) -> slicer.vtkMRMLSegmentationNode | None:
    scene = slicer.mrmlScene
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", scene.GenerateUniqueName(name))
    storageNode = scene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
    storageNode.SetFileName(path)
    if not storageNode.ReadData(node):
        scene.RemoveNode(node)
        scene.RemoveNode(storageNode)
        return None
    node.SetAndObserveStorageNodeID(storageNode.GetID())
    node.CreateDefaultDisplayNodes()
    return node
