"""What the Segment Editor has selected: the segmentation, the source volume, the segment, and where editing is allowed."""

from __future__ import annotations

import logging

import slicer
import vtk
from PySide6 import QtWidgets

from slicerhost.segmenteditorui import MASK_MODES

Segmentation = slicer.vtkSegmentation
NODE_EVENTS = (
    (vtk.vtkCommand.ModifiedEvent, "updateWidgetFromMRML"),
    (Segmentation.ContainedRepresentationNamesModified, "_listMaskSegments"),
    (Segmentation.SegmentAdded, "_listMaskSegments"),
    (Segmentation.SegmentRemoved, "_listMaskSegments"),
    (Segmentation.SegmentModified, "_updateMasking"),
    (slicer.vtkMRMLDisplayableNode.DisplayModifiedEvent, "_onDisplayModified"),
)
QUARTERS = (0.25, 0.75)
"""Of the source volume's range: what the intensity mask begins with."""


class EditorSelections:
    """A part of the editor, which has `_logic`, `_node` (of parameters), `_segmentation`, `_source` and `_ui`."""

    def segmentationNode(self) -> slicer.vtkMRMLSegmentationNode | None:
        return self._ui.SegmentationNodeComboBox.currentNode()

    def segmentationNodeID(self) -> str:
        return _idOf(self.segmentationNode())

    def setSegmentationNode(self, node: slicer.vtkMRMLNode | None) -> None:
        """Another one ends the active effect."""
        if node is self._logic.GetSegmentationNode():
            return
        self._logic.SetSegmentationNode(node)
        self.setActiveEffect(None)

    def setSegmentationNodeID(self, nodeID: str) -> None:
        self.setSegmentationNode(self._scene.GetNodeByID(nodeID))

    def sourceVolumeNode(self) -> slicer.vtkMRMLScalarVolumeNode | None:
        return self._logic.GetSourceVolumeNode()

    def sourceVolumeNodeID(self) -> str:
        return _idOf(self._source)

    def setSourceVolumeNode(self, node: slicer.vtkMRMLNode | None) -> None:
        """Only after a segmentation is there; before, Slicer's logic complains and nothing happens."""
        self._logic.SetSourceVolumeNode(node)

    def setSourceVolumeNodeID(self, nodeID: str | None) -> None:
        self._logic.SetSourceVolumeNodeID(nodeID or "")

    def masterVolumeNode(self) -> slicer.vtkMRMLScalarVolumeNode | None:
        """Deprecated in Slicer."""
        return self.sourceVolumeNode()

    def setMasterVolumeNode(self, node: slicer.vtkMRMLNode | None) -> None:
        """Deprecated in Slicer."""
        self.setSourceVolumeNode(node)

    def currentSegmentID(self) -> str:
        return self._logic.GetCurrentSegmentID()

    def setCurrentSegmentID(self, segmentID: str) -> None:
        if self._node is not None:
            self._node.SetSelectedSegmentID(segmentID)

    def selectNextSegment(self) -> None:
        self._selectAtOffset(1)

    def selectPreviousSegment(self) -> None:
        self._selectAtOffset(-1)

    def toggleSourceVolumeIntensityMaskEnabled(self) -> None:
        self._logic.ToggleSourceVolumeIntensityMask()

    def _connectUi(self) -> None:
        ui = self._ui
        ui.SegmentationNodeComboBox.currentNodeChanged.connect(self._whileSceneIsQuiet(self.setSegmentationNode))
        ui.SourceVolumeNodeComboBox.currentNodeChanged.connect(self._whileSceneIsQuiet(self.setSourceVolumeNode))
        ui.SegmentsTableView.segmentSelected.connect(self._onSegmentSelected)
        ui.AddSegmentButton.clicked.connect(lambda: self._logic.AddEmptySegment())
        ui.RemoveSegmentButton.clicked.connect(lambda: self._logic.RemoveSelectedSegment())
        ui.EffectButtonGroup.buttonClicked.connect(lambda button: self.setActiveEffectByName(button.objectName))
        ui.UndoButton.clicked.connect(lambda: self.undo())
        ui.RedoButton.clicked.connect(lambda: self.redo())
        ui.MaskModeComboBox.currentIndexChanged.connect(self._onMaskModeChanged)
        ui.OverwriteModeComboBox.currentIndexChanged.connect(lambda _index: self._onOverwriteModeChanged())
        ui.SourceVolumeIntensityMaskCheckBox.toggled.connect(lambda on: self._node.SetSourceVolumeIntensityMask(on))
        self._logic.AddObserver(self._logic.SegmentationHistoryChangedEvent, self._updateUndo)
        self._logic.AddObserver(self._logic.PauseRenderEvent, lambda *_event: slicer.app.pauseRender())
        self._logic.AddObserver(self._logic.ResumeRenderEvent, lambda *_event: slicer.app.resumeRender())
        slicer.app.layoutChanged.connect(self._onLayoutChanged)

    def _whileSceneIsQuiet(self, take: object) -> object:
        """A selector's own choice counts only while no scene is read or closed."""

        def choose(node: slicer.vtkMRMLNode | None) -> None:
            if self._scene is not None and not self._scene.IsBatchProcessing():
                take(node)

        return choose

    def _updateSelections(self) -> None:
        self._updateSegmentation()
        self._updateSource()
        ui, selected = self._ui, self._node.GetSelectedSegmentID() or ""
        valid = self._segmentation is not None and self._segmentation.GetSegmentation().GetSegmentIndex(selected) >= 0
        for widget in (ui.MaskingGroupBox, ui.EffectsOptionsFrame, ui.SourceVolumeNodeComboBox):
            widget.setEnabled(self._segmentation is not None)
        ui.AddSegmentButton.setEnabled(self._logic.CanAddSegments())
        ui.RemoveSegmentButton.setEnabled(bool(selected and valid) and not self._locked)
        ui.SegmentsTableView.setSelectedSegmentIDs([selected] if selected and valid else [])
        self._listMaskSegments()

    def _updateSegmentation(self) -> None:
        node = self._logic.GetSegmentationNode()
        _select(self._ui.SegmentationNodeComboBox, node)
        if node is self._segmentation:
            return
        for number, (event, method) in enumerate(NODE_EVENTS):
            self._observe(f"segmentation {number}", node, event, getattr(self, method))
        self._segmentation = node
        table = self._ui.SegmentsTableView
        table.blockSignals(True)
        table.setSegmentationNode(node)
        table.blockSignals(False)
        self._ui.Show3DButton.setSegmentationNode(node)
        if node is not None:
            self._showSegmentation(node)
        self.segmentationNodeChanged.emit(node)

    def _showSegmentation(self, node: slicer.vtkMRMLSegmentationNode) -> None:
        """Its reference volume becomes the source volume and its first segment the selected one."""
        role = node.GetReferenceImageGeometryReferenceRole()
        self._ui.SourceVolumeNodeComboBox.setCurrentNode(node.GetNodeReference(role))
        node.CreateDefaultDisplayNodes()
        segmentIDs = node.GetSegmentation().GetSegmentIDs()
        if segmentIDs:
            self._ui.SegmentsTableView.setSelectedSegmentIDs([segmentIDs[0]])

    def _updateSource(self) -> None:
        source = self._logic.GetSourceVolumeNode()
        if self._node.GetSegmentationNode() is None or source is self._source:
            return
        self._source = source
        _select(self._ui.SourceVolumeNodeComboBox, source)
        self._showSource()
        self.sourceVolumeNodeChanged.emit(source)
        self.masterVolumeNodeChanged.emit(source)
        for effect in self._effects:
            effect._sourceVolumeNodeChanged()

    def _showSource(self) -> None:
        """In the views that show another volume, or none."""
        manager, source = slicer.app.layoutManager(), self._node.GetSourceVolumeNode()
        if manager is None or source is None:
            return
        for name in manager.sliceViewNames():
            widget = manager.sliceWidget(name)
            composite = widget.mrmlSliceCompositeNode()
            shown = (composite.GetBackgroundVolumeID(), composite.GetForegroundVolumeID())
            if self._logic.IsSegmentationDisplayableInView(widget.mrmlSliceNode()) and source.GetID() not in shown:
                composite.SetBackgroundVolumeID(source.GetID())
                composite.SetForegroundVolumeID(None)
                composite.SetLabelVolumeID(None)

    def _onSegmentSelected(self) -> None:
        if self._node is None:
            logging.error("Invalid segment editor parameter set node")
            return
        selected = "".join(self._ui.SegmentsTableView.selectedSegmentIDs())
        if selected == (self._node.GetSelectedSegmentID() or ""):
            return
        self._node.SetSelectedSegmentID(selected or None)
        if not selected and self._active is not None and self._active.perSegment:
            self.setActiveEffect(None)
        self.updateWidgetFromMRML()
        self.currentSegmentIDChanged.emit(selected)

    def _selectAtOffset(self, offset: int) -> None:
        """The next visible segment in this direction, round the end."""
        if self._segmentation is None or self._segmentation.GetDisplayNode() is None or not self.currentSegmentID():
            return
        every = list(self._segmentation.GetSegmentation().GetSegmentIDs())
        visible = self._segmentation.GetDisplayNode().GetVisibleSegmentIDs()
        start = every.index(self.currentSegmentID())
        around = [every[(start + step * offset) % len(every)] for step in range(1, len(every))]
        self.setCurrentSegmentID(next((name for name in around if name in visible), self.currentSegmentID()))

    def _onDisplayModified(self, *_event: object) -> None:
        """The views in which the segmentation is shown may be others now."""
        views = [self._segmentation.GetNthDisplayNode(n) for n in range(self._segmentation.GetNumberOfDisplayNodes())]
        shownIn = [tuple(display.GetViewNodeIDs()) for display in views if display is not None]
        if self._views.active and shownIn != self.__dict__.get("_shownIn", shownIn):
            self._onLayoutChanged()
        self._shownIn = shownIn

    def _listMaskSegments(self, *_event: object) -> None:
        """Offer each segment as a mask; where the chosen one is gone, editing is allowed everywhere."""
        box = self._ui.MaskModeComboBox
        chosen = box.itemData(box.currentIndex) if box.currentIndex >= len(MASK_MODES) else None
        box.blockSignals(True)
        while box.count > len(MASK_MODES):
            box.removeItem(box.count - 1)
        node = self._node.GetSegmentationNode() if self._node is not None else None
        segmentation = node.GetSegmentation() if node is not None else None
        for segmentID in segmentation.GetSegmentIDs() if segmentation is not None else ():
            box.addItem(f"Inside {segmentation.GetSegment(segmentID).GetName()}", segmentID)
        if segmentation is not None and chosen is not None:
            box.setCurrentIndex(box.findData(chosen))
        box.blockSignals(False)
        if segmentation is not None and box.currentIndex < 0:
            box.setCurrentIndex(0)

    def _updateMasking(self, *_event: object) -> None:
        node, ui = self._node, self._ui
        if self._scene is None or self._scene.IsClosing() or node is None:
            return
        single = node.GetMaskMode() == slicer.vtkMRMLSegmentationNode.EditAllowedInsideSingleSegment
        low, high = node.GetSourceVolumeIntensityMaskRange()
        if node.GetSourceVolumeIntensityMask() and low == high:
            first, last = self._source.GetImageData().GetScalarRange() if self._source is not None else (0.0, 0.0)
            node.SetSourceVolumeIntensityMaskRange(*(first + share * (last - first) for share in QUARTERS))
        boxes: tuple[tuple[QtWidgets.QComboBox, object], ...] = (
            (ui.MaskModeComboBox, node.GetMaskSegmentID() if single else node.GetMaskMode()),
            (ui.OverwriteModeComboBox, node.GetOverwriteMode()),
        )
        for box, data in boxes:
            box.blockSignals(True)
            box.setCurrentIndex(box.findData(data))
            box.blockSignals(False)
        ui.SourceVolumeIntensityMaskCheckBox.blockSignals(True)
        ui.SourceVolumeIntensityMaskCheckBox.setChecked(node.GetSourceVolumeIntensityMask())
        ui.SourceVolumeIntensityMaskCheckBox.blockSignals(False)

    def _updateUndo(self, *_event: object) -> None:
        self._ui.UndoButton.setEnabled(not self._locked and self._logic.CanUndo())
        self._ui.RedoButton.setEnabled(not self._locked and self._logic.CanRedo())

    def _onMaskModeChanged(self, index: int) -> None:
        if index >= len(MASK_MODES):
            self._node.SetMaskSegmentID(self._ui.MaskModeComboBox.itemData(index))
            self._node.SetMaskMode(slicer.vtkMRMLSegmentationNode.EditAllowedInsideSingleSegment)
        else:
            self._node.SetMaskMode(self._ui.MaskModeComboBox.itemData(index))

    def _onOverwriteModeChanged(self) -> None:
        self._node.SetOverwriteMode(self._ui.OverwriteModeComboBox.currentData)


def _idOf(node: slicer.vtkMRMLNode | None) -> str:
    return node.GetID() or "" if node is not None else ""


def _select(selector: QtWidgets.QWidget, node: slicer.vtkMRMLNode | None) -> None:
    selector.blockSignals(True)
    selector.setCurrentNode(node)
    selector.blockSignals(False)
