"""What Slicer's subject hierarchy plugins do, which are Qt and so not in slicer-core: each data node has an item."""

from __future__ import annotations

import slicer
import vtk

SHOWN_CLASSES = ("vtkMRMLDisplayableNode", "vtkMRMLTableNode", "vtkMRMLPlotChartNode", "vtkMRMLTextNode")


class SubjectHierarchyItems:
    """Keeps the items of a scene in step with its nodes, for as long as this object lives."""

    def __init__(self, scene: slicer.vtkMRMLScene) -> None:
        self._scene = scene
        scene.AddObserver(slicer.vtkMRMLScene.NodeAddedEvent, self._onNodeAdded)
        scene.AddObserver(slicer.vtkMRMLScene.NodeAboutToBeRemovedEvent, self._onNodeRemoved)
        scene.AddObserver(slicer.vtkMRMLScene.EndImportEvent, self._onImported)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onNodeAdded(self, scene: slicer.vtkMRMLScene, _event: str, node: slicer.vtkMRMLNode) -> None:
        if not scene.IsImporting():
            self._addItem(node)

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _onNodeRemoved(self, scene: slicer.vtkMRMLScene, _event: str, node: slicer.vtkMRMLNode) -> None:
        if scene.IsClosing() or not _isShown(node):
            return
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
        if item := hierarchy.GetItemByDataNode(node):
            hierarchy.RemoveItem(item, False, False)

    def _onImported(self, scene: slicer.vtkMRMLScene, _event: str) -> None:
        slicer.vtkMRMLSubjectHierarchyNode.ResolveSubjectHierarchy(scene)
        for number in range(scene.GetNumberOfNodes()):
            self._addItem(scene.GetNthNode(number))

    def _addItem(self, node: slicer.vtkMRMLNode) -> None:
        if not _isShown(node):
            return
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(self._scene)
        if not hierarchy.GetItemByDataNode(node):
            hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)


def _isShown(node: slicer.vtkMRMLNode) -> bool:
    return not node.GetHideFromEditors() and any(node.IsA(className) for className in SHOWN_CLASSES)
