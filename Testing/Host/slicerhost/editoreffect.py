"""Stand-in for qSlicerSegmentEditorAbstractEffect: what an effect asks of the Segment Editor, on its real logic."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import slicer
from PySide6 import QtCore, QtGui, QtWidgets

from slicerhost import dialogs
from slicerhost.effectparameters import EffectParameters
from slicerhost.effectviews import EffectViews
from slicerhost.standins import standIn, stored

Logic = slicer.vtkSlicerSegmentEditorLogic
MODES = (
    Logic.ModificationModeSet,
    Logic.ModificationModeAdd,
    Logic.ModificationModeRemove,
    Logic.ModificationModeRemoveAll,
)
WHOLE_EXTENT = (0, -1, 0, -1, 0, -1)
INVISIBLE = "The currently selected segment is hidden. Would you like to make it visible?"


@standIn
class qSlicerSegmentEditorAbstractEffect(EffectParameters, EffectViews, QtCore.QObject):
    """One effect of one editor. What begins with an underscore is the editor's: Python cannot call it in Slicer."""

    ModificationModeSet, ModificationModeAdd, ModificationModeRemove, ModificationModeRemoveAll = range(4)
    NotConfirmed, ConfirmedWithoutDialog, ConfirmedWithDialog = range(3)

    name = stored("name", str, "UnnamedScriptedEffect")
    perSegment = stored("perSegment", bool, True)
    requireSegments = stored("requireSegments", bool, True)
    showEffectCursorInSliceView = stored("showEffectCursorInSliceView", bool, True)
    showEffectCursorInThreeDView = stored("showEffectCursorInThreeDView", bool, False)

    def __init__(self, parent: QtCore.QObject | None = None) -> None:
        super().__init__(parent)
        self._active, self._editor, self._logic = False, None, None
        self._confirmedSegment: slicer.vtkSegment | None = None
        self._frame = QtWidgets.QFrame()
        policy = QtWidgets.QSizePolicy
        self._frame.setSizePolicy(policy.Preferred, policy.MinimumExpanding)
        layout = QtWidgets.QFormLayout(self._frame)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.setSpacing(4)

    def _title(self) -> str:
        return self.__dict__.get("_ownTitle") or self.name

    def _setTitle(self, title: str) -> None:
        self._ownTitle = title

    title = QtCore.Property(str, _title, _setTitle)

    def _icon(self) -> QtGui.QIcon:
        return QtGui.QIcon()

    def helpText(self) -> str:
        return ""

    def cleanup(self) -> None:
        """Before the effect is deleted."""

    def active(self) -> bool:
        return self._active

    def activate(self) -> None:
        self._frame.setVisible(True)
        self._active = True
        self.updateGUIFromMRML()

    def deactivate(self) -> None:
        self._frame.setVisible(False)
        self._active = False

    def updateGUIFromMRML(self) -> None:
        """Called when a parameter of any effect has changed, and when this one is activated."""

    def updateMRMLFromGUI(self) -> None:
        """Called by the effect itself."""

    def _interactionNodeModified(self, interactionNode: slicer.vtkMRMLInteractionNode | None) -> None:
        """Placing a markup and this effect would both take the click."""
        if interactionNode is not None and interactionNode.GetCurrentInteractionMode() != interactionNode.ViewTransform:
            self.selectEffect("")

    def _join(self, editor: Any, logic: slicer.vtkSlicerSegmentEditorLogic) -> None:
        """What the effect asks is answered by this editor and its logic."""
        self._editor, self._logic = editor, logic

    def optionsFrame(self) -> QtWidgets.QFrame:
        return self._frame

    def optionsLayout(self) -> QtWidgets.QFormLayout:
        return self._frame.layout()

    def addOptionsWidget(self, newOptionsWidget: QtWidgets.QWidget | QtWidgets.QLayout) -> None:
        self.optionsLayout().addRow(self._fitted(newOptionsWidget))

    def addLabeledOptionsWidget(self, label: str, newOptionsWidget: QtWidgets.QWidget | QtWidgets.QLayout) -> QtWidgets.QLabel:
        labelWidget = QtWidgets.QLabel(label)
        self.optionsLayout().addRow(labelWidget, self._fitted(newOptionsWidget))
        return labelWidget

    def _fitted(self, added: QtWidgets.QWidget | QtWidgets.QLayout) -> QtWidgets.QWidget | QtWidgets.QLayout:
        if isinstance(added, QtWidgets.QWidget):
            added.setParent(self._frame)
            added.setSizePolicy(QtWidgets.QSizePolicy.Preferred, QtWidgets.QSizePolicy.MinimumExpanding)
        return added

    def selectEffect(self, effectName: str) -> None:
        if self._editor is not None:
            self._editor.setActiveEffectByName(effectName)

    def saveStateForUndo(self) -> None:
        if self._editor is not None:
            self._editor.saveStateForUndo()

    def segmentationDisplayableInView(self, viewNode: slicer.vtkMRMLAbstractViewNode) -> bool:
        return self._logic is not None and self._logic.IsSegmentationDisplayableInView(viewNode)

    def modifierLabelmap(self) -> slicer.vtkOrientedImageData | None:
        """As the effect left it."""
        return self._logic.GetModifierLabelmap() if self._logic is not None else None

    def defaultModifierLabelmap(self) -> slicer.vtkOrientedImageData | None:
        """Made anew: empty, on the grid and in the extent that are edited."""
        return self._updated("ResetModifierLabelmapToDefault", "GetModifierLabelmap")

    def maskLabelmap(self) -> slicer.vtkOrientedImageData | None:
        return self._updated("UpdateMaskLabelmap", "GetMaskLabelmap")

    def sourceVolumeImageData(self) -> slicer.vtkOrientedImageData | None:
        """The source volume on the edited grid."""
        return self._updated("UpdateAlignedSourceVolume", "GetAlignedSourceVolume")

    def masterVolumeImageData(self) -> slicer.vtkOrientedImageData | None:
        """Deprecated in Slicer."""
        return self.sourceVolumeImageData()

    def selectedSegmentLabelmap(self) -> slicer.vtkOrientedImageData | None:
        return self._updated("UpdateSelectedSegmentLabelmap", "GetSelectedSegmentLabelmap")

    def referenceGeometryImage(self) -> slicer.vtkOrientedImageData | None:
        return self._updated("UpdateReferenceGeometryImage", "GetReferenceGeometryImage")

    def _updated(self, update: str, get: str) -> slicer.vtkOrientedImageData | None:
        """One of the logic's images after it was brought up to date; None where that cannot be."""
        if self._logic is None or not getattr(self._logic, update)():
            return None
        return getattr(self._logic, get)()

    def applyImageMask(
        self, image: slicer.vtkOrientedImageData, mask: slicer.vtkOrientedImageData, fillValue: float, notMask: bool = False
    ) -> None:
        slicer.vtkOrientedImageDataResample.ApplyImageMask(image, mask, fillValue, notMask)

    def modifySelectedSegmentByLabelmap(
        self, modifierLabelmap: slicer.vtkOrientedImageData, modificationMode: int, *rest: Sequence[int] | bool
    ) -> None:
        """`rest`: bypassMasking, or the extent as a list of six and bypassMasking; False and everything where left out."""
        extent = WHOLE_EXTENT
        if rest and not isinstance(rest[0], bool | int):
            extent, *rest = rest
        if len(rest) > 1:
            raise ValueError("Called modifySelectedSegmentByLabelmap with wrong number of arguments")
        if len(extent) != len(WHOLE_EXTENT):
            logging.error("modifySelectedSegmentByLabelmap failed: extent must have 6 int values")
            return
        node = self.parameterSetNode()
        segment = (node.GetSegmentationNode(), node.GetSelectedSegmentID() or "")
        self._modify(*segment, modifierLabelmap, modificationMode, tuple(extent), *rest)

    def modifySegmentByLabelmap(
        self,
        segmentationNode: slicer.vtkMRMLSegmentationNode,
        segmentID: str,
        modifierLabelmap: slicer.vtkOrientedImageData,
        modificationMode: int,
        bypassMasking: bool = False,
    ) -> None:
        """Without an extent: Slicer has that overload in C++ alone."""
        self._modify(segmentationNode, segmentID, modifierLabelmap, modificationMode, WHOLE_EXTENT, bypassMasking)

    def _modify(self, segmentationNode, segmentID, labelmap, mode, extent, bypassMasking=False) -> None:
        if self._logic is not None:
            self._logic.ModifySegmentByLabelmap(
                segmentationNode, segmentID, labelmap, MODES[mode], extent, self.perSegment, bool(bypassMasking)
            )

    def confirmCurrentSegmentVisible(self) -> int:
        """Whether to go on; asks where the selected segment is hidden, unless the answer was once to leave it so."""
        node = self.parameterSetNode()
        segmentationNode = node.GetSegmentationNode() if node is not None else None
        segmentID = node.GetSelectedSegmentID() if node is not None else ""
        if segmentationNode is None or not segmentID:
            return self.ConfirmedWithoutDialog
        segment = segmentationNode.GetSegmentation().GetSegment(segmentID)
        shown = [segmentationNode.GetNthDisplayNode(n) for n in range(segmentationNode.GetNumberOfDisplayNodes())]
        visible = any(display.GetVisibility() and display.GetSegmentVisibility(segmentID) for display in shown)
        if visible or segment is self._confirmedSegment:
            return self.ConfirmedWithoutDialog
        answer = dialogs.answer("showSegment", INVISIBLE)
        if answer is None:
            return self.NotConfirmed
        if answer:
            segmentationNode.GetDisplayNode().SetVisibility(True)
            segmentationNode.GetDisplayNode().SetSegmentVisibility(segmentID, True)
        else:
            self._confirmedSegment = segment
        return self.ConfirmedWithDialog
