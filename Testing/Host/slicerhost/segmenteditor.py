"""Stand-in for qMRMLSegmentEditorWidget, on the real logic of the Segment Editor.

It tells the effects what Slicer's widget tells them, in its order; the parameter node says what is selected, and each change of
it goes through `updateWidgetFromMRML`.
"""

from __future__ import annotations

import logging
from typing import ClassVar

import slicer
import vtk
from PySide6 import QtCore, QtWidgets

from slicerhost import dialogs
from slicerhost.editorobservations import ViewObservations
from slicerhost.editorselections import EditorSelections
from slicerhost.editorshortcuts import EditorShortcuts
from slicerhost.scriptededitoreffect import qSlicerSegmentEditorEffectFactory, qSlicerSegmentEditorScriptedEffect
from slicerhost.segmenteditorui import SegmentEditorUi
from slicerhost.standins import standIn

NO_EFFECT = "NULL"
EditorNode = slicer.vtkMRMLSegmentEditorNode
CONVERT = (
    "Editing requires binary labelmap source representation, but currently the source representation is {}. "
    "Change source representation to binary labelmap?"
)


@standIn
class qMRMLSegmentEditorWidget(EditorSelections, EditorShortcuts, QtWidgets.QWidget):
    """The editor: selections are in `EditorSelections`, keys in `EditorShortcuts`, the effects here."""

    segmentationNodeChanged = QtCore.Signal(object)
    sourceVolumeNodeChanged = QtCore.Signal(object)
    masterVolumeNodeChanged = QtCore.Signal(object)
    currentSegmentIDChanged = QtCore.Signal(str)
    cxxSignals: ClassVar = {
        "segmentationNodeChanged(vtkMRMLSegmentationNode*)": "segmentationNodeChanged",
        "sourceVolumeNodeChanged(vtkMRMLVolumeNode*)": "sourceVolumeNodeChanged",
        "masterVolumeNodeChanged(vtkMRMLVolumeNode*)": "masterVolumeNodeChanged",
        "currentSegmentIDChanged(QString)": "currentSegmentIDChanged",
    }

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene, self._node, self._interactionNode = None, None, None
        self._segmentation, self._source = None, None
        self._locked, self._shortcuts, self._tags = False, [], {}
        self._effects: list[qSlicerSegmentEditorScriptedEffect] = []
        self._active: qSlicerSegmentEditorScriptedEffect | None = None
        self._last: qSlicerSegmentEditorScriptedEffect | None = None
        self._logic = slicer.vtkSlicerSegmentEditorLogic()
        self._views = ViewObservations(self, self._logic)
        self._ui = SegmentEditorUi(self)
        self._ui.addEffectButton(NO_EFFECT, "None")
        self._ui.OptionsGroupBox.hide()
        self._ui.MaskingGroupBox.hide()
        self._connectUi()
        self.updateEffectList()

    def mrmlScene(self) -> slicer.vtkMRMLScene | None:
        return self._scene

    def mrmlSegmentEditorNode(self) -> EditorNode | None:
        return self._node

    def setMRMLScene(self, scene: slicer.vtkMRMLScene | None) -> None:
        if scene is self._scene:
            return
        self._scene = scene
        for selector in (self._ui.SegmentationNodeComboBox, self._ui.SourceVolumeNodeComboBox):
            selector.blockSignals(True)
            selector.setMRMLScene(scene)
            selector.blockSignals(False)
        self._logic.SetMRMLApplicationLogic(slicer.app.applicationLogic())
        self._logic.SetMRMLScene(scene)
        self._logic.SetVerbose(True)
        self.setInteractionNode(scene.GetNodeByID("vtkMRMLInteractionNodeSingleton") if scene is not None else None)
        self.updateWidgetFromMRML()
        if scene is not None:
            self._observe("closed", scene, scene.EndCloseEvent, self._onSceneClosed)
            self._observe("batch", scene, scene.EndBatchProcessEvent, self._onBatchProcessed)

    def setInteractionNode(self, node: slicer.vtkMRMLInteractionNode | None) -> None:
        self._interactionNode = node
        self._observe("interaction", node, vtk.vtkCommand.ModifiedEvent, self._onInteractionNodeModified)

    def interactionNode(self) -> slicer.vtkMRMLInteractionNode | None:
        return self._interactionNode

    def setMRMLSegmentEditorNode(self, node: EditorNode | None) -> None:
        if node is self._node:
            return
        self._observe("parameters", node, vtk.vtkCommand.ModifiedEvent, self.updateWidgetFromMRML)
        self._observe("effects", node, EditorNode.EffectParameterModified, self._onEffectParameterModified)
        self._node = node
        self._logic.SetSegmentEditorNode(node)
        if node is not None:
            self._startParameters(self._effects)
            self.updateWidgetFromMRML()

    def updateEffectList(self) -> None:
        """Take up the effects that were registered since."""
        added = qSlicerSegmentEditorEffectFactory.instance()._copyEffects(list(self.availableEffectNames()))
        for effect in added:
            effect._join(self, self._logic)
            self._startParameters([effect])
            self._ui.addEffectButton(effect.name, effect.title)
            self._ui.effectButton(effect.name).setIcon(effect._icon())
            effect._setupOptionsFrame()
            effect.optionsFrame().setVisible(False)
            self._ui.EffectsOptionsFrame.layout().addWidget(effect.optionsFrame())
            self._effects.append(effect)

    def availableEffectNames(self) -> tuple[str, ...]:
        return tuple(effect.name for effect in self._effects)

    def effectByName(self, name: str) -> qSlicerSegmentEditorScriptedEffect | None:
        return next((effect for effect in self._effects if effect.name == name), None) if name else None

    def activeEffect(self) -> qSlicerSegmentEditorScriptedEffect | None:
        return self._active

    def setActiveEffect(self, effect: qSlicerSegmentEditorScriptedEffect | None) -> None:
        if self._node is not None:
            self._node.SetActiveEffectName(effect.name if effect is not None else "")
        elif effect is not None:
            logging.error("setActiveEffect: Invalid segment editor parameter set node")

    def setActiveEffectByName(self, name: str) -> None:
        self.setActiveEffect(self.effectByName(name))

    def setupViewObservations(self) -> None:
        self._views.setUp()

    def removeViewObservations(self) -> None:
        self._views.remove()

    def saveStateForUndo(self) -> None:
        self._logic.SaveStateForUndo()

    def undo(self) -> None:
        self._logic.Undo()

    def redo(self) -> None:
        self._logic.Redo()

    maximumNumberOfUndoStates = QtCore.Property(int, lambda self: self._logic.GetMaximumNumberOfUndoStates())
    readOnly = QtCore.Property(bool, lambda self: self._locked, lambda self, locked: self.setReadOnly(locked))

    def setMaximumNumberOfUndoStates(self, number: int) -> None:
        self._logic.SetMaximumNumberOfUndoStates(number)

    def setReadOnly(self, locked: bool) -> None:
        self._locked = locked
        if locked:
            self.setActiveEffect(None)
        self.updateWidgetFromMRML()

    def updateWidgetFromMRML(self, *_event: object) -> None:
        """Bring everything up to what the parameter node says; not while the scene closes or is read."""
        scene = self._scene
        if scene is None or scene.IsClosing() or scene.IsBatchProcessing() or self._node is None:
            return
        with slicer.util.NodeModify(self._node):
            self._updateSelections()
            self._updateEffects()
            self._updateUndo()
            self._updateMasking()

    def _updateEffects(self) -> None:
        self._enableEffects()
        effect = self.effectByName(self._node.GetActiveEffectName())
        if effect is self._active:
            return
        if self._active is not None:
            self._active.deactivate()
        if effect is not None and not self._makeBinaryLabelmap():
            effect = None
        if effect is not None:
            self._activate(effect)
        else:
            self.removeViewObservations()
        self._ui.OptionsGroupBox.setVisible(effect is not None)
        self._ui.MaskingGroupBox.setVisible(effect is not None)
        self._ui.OptionsGroupBox.setTitle(effect.title if effect is not None else "")
        self._ui.EffectHelpBrowser.setCollapsibleText(effect.helpText() if effect is not None else "")
        button = self._ui.effectButton(effect.name if effect is not None else NO_EFFECT)
        button.blockSignals(True)
        button.setChecked(True)
        button.blockSignals(False)
        if self._viewsAreTurned():
            self._setCursors(effect)
        self._last, self._active = self._active, effect

    def _activate(self, effect: qSlicerSegmentEditorScriptedEffect) -> None:
        """While it is activated `activeEffect()` is still the one before, as in Slicer."""
        self.setupViewObservations()
        if not self._viewsAreTurned():
            self._interactionNode.SetCurrentInteractionMode(self._interactionNode.ViewTransform)
        effect.activate()

    def _viewsAreTurned(self) -> bool:
        """Whether the mouse turns views, and neither places markups nor sets the window."""
        node = self._interactionNode
        return node is None or node.GetCurrentInteractionMode() == node.ViewTransform

    def _enableEffects(self) -> None:
        segmentationNode = self._node.GetSegmentationNode()
        editable = self._node.GetSourceVolumeNode() is not None and not self._locked
        some = segmentationNode is not None and segmentationNode.GetSegmentation().GetNumberOfSegments() > 0
        selected = bool(self._node.GetSelectedSegmentID())
        self._ui.EffectsGroupBox.setEnabled(editable)
        self._ui.OptionsGroupBox.setEnabled(editable)
        for effect in self._effects:
            usable = not effect.requireSegments or (some and (selected or not effect.perSegment))
            self._ui.effectButton(effect.name).setEnabled(usable)

    def _makeBinaryLabelmap(self) -> bool:
        """Whether the segmentation is, or now became, one of binary labelmaps, which alone can be edited."""
        if self._logic.CanTriviallyConvertSourceRepresentationToBinaryLabelMap():
            return self._logic.TrivialSetSourceRepresentationToBinaryLabelmap()
        if self._segmentation is None:
            return False
        kind = self._segmentation.GetSegmentation().GetSourceRepresentationName()
        return bool(dialogs.answer("convert", CONVERT.format(kind))) and self._logic.SetSourceRepresentationToBinaryLabelMap()

    def _setCursors(self, effect: qSlicerSegmentEditorScriptedEffect | None) -> None:
        manager = slicer.app.layoutManager()
        for name in manager.sliceViewNames() if manager is not None else ():
            widget = manager.sliceWidget(name)
            if effect is not None and effect.showEffectCursorInSliceView:
                widget.sliceView().setDefaultViewCursor(effect.createCursor(widget))
            else:
                widget.sliceView().unsetViewCursor()

    def _startParameters(self, effects: list[qSlicerSegmentEditorScriptedEffect]) -> None:
        if self._node is None:
            return
        with slicer.util.NodeModify(self._node):
            for effect in effects:
                effect.setParameterSetNode(self._node)
                effect._setMRMLDefaults()

    def _onEffectParameterModified(self, *_event: object) -> None:
        for effect in self._effects:
            effect.updateGUIFromMRML()

    def _onInteractionNodeModified(self, *_event: object) -> None:
        if self._active is not None:
            self._active._interactionNodeModified(self._interactionNode)

    def _onSceneClosed(self, *_event: object) -> None:
        self._startParameters(self._effects)
        self.updateWidgetFromMRML()

    def _onBatchProcessed(self, *_event: object) -> None:
        if self._node is not None:
            for selector, current, take in (
                (self._ui.SegmentationNodeComboBox, self._node.GetSegmentationNode(), self.setSegmentationNode),
                (self._ui.SourceVolumeNodeComboBox, self._node.GetSourceVolumeNode(), self.setSourceVolumeNode),
            ):
                if selector.currentNode() is not current:
                    take(selector.currentNode())
        self.updateWidgetFromMRML()

    def _onLayoutChanged(self, _layout: int = 0) -> None:
        """The effect stays active, in the views that there are now."""
        if self._views.active:
            self.setupViewObservations()
            self._showSource()
            for effect in self._effects:
                effect._layoutChanged()

    def _observe(self, key: str, node: vtk.vtkObject | None, event: int, method: object) -> None:
        """Observe another object in the place of the one before; `key` says which of the editor's observers this is."""
        before, tag = self._tags.pop(key, (None, 0))
        if before is not None:
            before.RemoveObserver(tag)
        if node is not None:
            self._tags[key] = (node, node.AddObserver(event, method))
