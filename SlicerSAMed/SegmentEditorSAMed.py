"""The hidden module that puts the effect "SAMed" into the Segment Editor."""

from pathlib import Path

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import ScriptedLoadableModule


class SegmentEditorSAMed(ScriptedLoadableModule):
    """Registers the effect, once Slicer has the Segment Editor."""

    def __init__(self, parent) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = "SegmentEditorSAMed"
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = ["Segmentations", "SAMed"]
        self.parent.contributors = ["SlicerSAMed contributors"]
        self.parent.hidden = True
        self.parent.helpText = _("This hidden module registers the Segment Editor effect SAMed.")
        self.parent.acknowledgementText = _("Segment Anything: Meta AI. LiteMedSAM: J. Ma and others.")
        # A module that is dragged onto Slicer's window comes long after the start.
        if hasattr(slicer.modules, "segmenteditor"):
            self.registerEffect()
        else:
            slicer.app.connect("startupCompleted()", self.registerEffect)

    def registerEffect(self) -> None:
        """Every Segment Editor gets a clone of it."""
        from qSlicerSegmentationsEditorEffectsPythonQt import qSlicerSegmentEditorScriptedEffect

        instance = qSlicerSegmentEditorScriptedEffect(None)
        instance.setPythonSource((Path(__file__).parent / "SegmentEditorSAMedLib" / "SegmentEditorEffect.py").as_posix())
        instance.self().register()
