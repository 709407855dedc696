"""The class that the Segment Editor asks; what the effect does is in `SAMedLib.effect`."""

from __future__ import annotations

from pathlib import Path

import qt
import slicer
from SegmentEditorEffects import AbstractScriptedSegmentEditorEffect
from slicer.i18n import tr as _

from SAMedLib.setup.locations import makeCoreImportable

FOLDER = Path(__file__).resolve().parent


class SegmentEditorEffect(AbstractScriptedSegmentEditorEffect):
    """Boxes and clicks to masks. Nothing is connected or observed while the effect is not active.

    The library is imported when it is needed, so that reloading the module SAMed reloads it here too.

    Attributes:
        activity: what the effect does while it is active; None while it is not.
    """

    def __init__(self, scriptedEffect) -> None:
        scriptedEffect.name = "SAMed"  # not translated: modules find effects by it
        scriptedEffect.title = "SAMed"
        scriptedEffect.perSegment = True
        scriptedEffect.requireSegments = True
        AbstractScriptedSegmentEditorEffect.__init__(self, scriptedEffect)
        self.activity = None
        makeCoreImportable()

    def clone(self):
        from qSlicerSegmentationsEditorEffectsPythonQt import qSlicerSegmentEditorScriptedEffect

        cloned = qSlicerSegmentEditorScriptedEffect(None)
        cloned.setPythonSource(Path(__file__).as_posix())
        return cloned

    def icon(self):
        return qt.QIcon(str(FOLDER / "SegmentEditorEffect.png"))

    def helpText(self) -> str:
        return "<html>" + _("""Draws the selected segment on axial slices from boxes and clicks, and carries it on through the
volume.
<p><ul style="margin: 0">
<li><b>Left-button drag-and-drop:</b> a box around the structure.
<li><b>Left-click:</b> a place that belongs to it. <b>Ctrl + left-click</b> (Cmd on macOS): one that does not.
<li><b>Enter</b> or <b>Apply:</b> keep what is previewed. <b>Esc</b> or <b>Clear prompts:</b> drop it.
<li><b>Backspace:</b> take back the last click or box. <b>z:</b> undo what was kept.
<li><b>Through the volume:</b> draw the slices between and beyond those that are kept.
</ul><p>
What is previewed is dropped when another slice is begun, or another segment, volume or effect chosen.
Kept slices count as drawn by you, those that were carried on as the model's. For research use only.""")

    def setupOptionsFrame(self) -> None:
        from SAMedLib.setup.packages import RESOURCES

        widget = slicer.util.loadUI(str(RESOURCES / "UI" / "SegmentEditorSAMed.ui"))
        widget.setMRMLScene(slicer.mrmlScene)
        self.scriptedEffect.addOptionsWidget(widget)
        self.ui = slicer.util.childWidgetVariables(widget)

    def setMRMLDefaults(self) -> None:
        from SAMedLib.effect.frame import setDefaults

        setDefaults(self.scriptedEffect)

    def activate(self) -> None:
        from SAMedLib.effect.activity import Activity

        self.activity = Activity(self.scriptedEffect, self.ui)

    def deactivate(self) -> None:
        if self.activity is not None:
            ended, self.activity = self.activity, None
            ended.end()

    def cleanup(self) -> None:
        self.deactivate()

    def processInteractionEvents(self, callerInteractor, eventId, viewWidget) -> bool:
        return self.activity is not None and self.activity.processInteraction(callerInteractor, eventId, viewWidget)

    def processViewNodeEvents(self, callerViewNode, eventId, viewWidget) -> None:
        if self.activity is not None:
            self.activity.viewMoved(viewWidget)

    def sourceVolumeNodeChanged(self) -> None:
        if self.activity is not None:
            self.activity.sourceVolumeChanged()

    def layoutChanged(self) -> None:
        if self.activity is not None:
            self.activity.layoutChanged()

    def updateGUIFromMRML(self) -> None:
        if self.activity is not None:
            self.activity.parametersChanged()
