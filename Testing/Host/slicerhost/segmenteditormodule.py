"""Stand-in for the module SegmentEditor: its panel around the editor, and what becomes of it when the scene is closed."""

from __future__ import annotations

import slicer

from slicerhost.scripted import ScriptedLoadableModuleWidget
from slicerhost.scriptededitoreffect import qSlicerSegmentEditorEffectFactory
from slicerhost.segmenteditor import qMRMLSegmentEditorWidget

TAG = "SegmentEditor"


class SegmentEditorWidget(ScriptedLoadableModuleWidget):
    """Attributes:
    editor: the editor, which other modules reach by the module's panel.
    parameterSetNode: the node of its settings, one in a scene.
    """

    def setup(self) -> None:
        self.parameterSetNode = None
        self.editor = qMRMLSegmentEditorWidget()
        self.editor.setMaximumNumberOfUndoStates(10)
        self.selectParameterNode()
        self.editor.setMRMLScene(slicer.mrmlScene)
        self.layout.addWidget(self.editor)
        factory = qSlicerSegmentEditorEffectFactory.instance()
        factory.effectRegistered.connect(self.editor.updateEffectList)
        scene = slicer.mrmlScene
        scene.AddObserver(scene.StartCloseEvent, self.onSceneStartClose)
        scene.AddObserver(scene.EndCloseEvent, self.onSceneChanged)
        scene.AddObserver(scene.EndImportEvent, self.onSceneChanged)

    def selectParameterNode(self) -> None:
        """The scene's own one, or a new one."""
        node = slicer.mrmlScene.GetSingletonNode(TAG, "vtkMRMLSegmentEditorNode")
        if node is None:
            node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLSegmentEditorNode")
            node.UnRegister(None)
            node.SetSingletonTag(TAG)
            node = slicer.mrmlScene.AddNode(node)
        if node is not self.parameterSetNode:
            self.parameterSetNode = node
            self.editor.setMRMLSegmentEditorNode(node)

    def enter(self) -> None:
        """Where there is no segmentation, one is made; the shown volume becomes its source."""
        self.editor.installKeyboardShortcuts()
        self.selectParameterNode()
        self.editor.updateWidgetFromMRML()
        if self.editor.segmentationNodeID():
            return
        node = slicer.mrmlScene.GetFirstNode(None, "vtkMRMLSegmentationNode")
        self.editor.setSegmentationNode(node or slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode"))
        if not self.editor.sourceVolumeNodeID() and (shown := _shownVolumeID()):
            self.editor.setSourceVolumeNodeID(shown)

    def exit(self) -> None:
        self.editor.setActiveEffect(None)
        self.editor.uninstallKeyboardShortcuts()
        self.editor.removeViewObservations()

    def onSceneStartClose(self, *_event: object) -> None:
        self.parameterSetNode = None
        self.editor.setSegmentationNode(None)
        self.editor.removeViewObservations()

    def onSceneChanged(self, *_event: object) -> None:
        if self.parent.isEntered:
            self.selectParameterNode()
            self.editor.updateWidgetFromMRML()


def _shownVolumeID() -> str:
    """The first background of a slice view, else the first foreground.

    Slicer's own module raises an error here where there are no views; this one finds nothing.
    """
    manager = slicer.app.layoutManager()
    names = manager.sliceViewNames() if manager is not None else ()
    composites = [manager.sliceWidget(name).mrmlSliceCompositeNode() for name in names]
    backgrounds = [node.GetBackgroundVolumeID() for node in composites]
    return next(filter(None, [*backgrounds, *(node.GetForegroundVolumeID() for node in composites)]), "")
