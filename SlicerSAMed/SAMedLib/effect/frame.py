"""The effect's options: what is chosen there is kept in the editor's parameter node, and what happens is said there."""

from __future__ import annotations

from collections.abc import Callable

from slicer.i18n import tr as _

from SAMedCore.address import DEVICES
from SAMedCore.image.prompts import Limits
from SAMedCore.options import DEFAULT_BASE, PromptOptions
from SAMedCore.service.events import Ready
from SAMedLib.effect.throughVolume import DoubtfulSlice, boxOfROI
from SAMedLib.scene.axialSlices import AxialSlices
from SAMedLib.scene.intensities import AUTO, automatic, intensitiesChoices
from SAMedLib.setup.locations import baseModels
from SAMedLib.setup.otherComputer import choicesElsewhere

NO_LIMIT = -1
LISTED = 5
"""Slices that the model is least sure of."""


def setDefaults(scriptedEffect) -> None:
    """What is chosen before anything is; effects are asked for it as soon as there is a parameter node."""
    for name, value in (("Base", DEFAULT_BASE), ("Device", DEVICES[0]), ("Intensities", AUTO)):
        scriptedEffect.setParameterDefault(name, value)
    for name, value in (("LowestSlice", NO_LIMIT), ("HighestSlice", NO_LIMIT), ("AllSegments", 0)):
        scriptedEffect.setParameterDefault(name, value)


class Frame:
    """The widgets while the effect is active.

    Args:
        scriptedEffect: whose parameters are shown.
        ui: the widgets by name.

    Attributes:
        doubtful: the slices that are named as least sure.
    """

    def __init__(self, scriptedEffect, ui) -> None:
        self.doubtful: list[DoubtfulSlice] = []
        self._effect = scriptedEffect
        self.ui = ui
        self._connected: list[tuple[object, str, Callable]] = []
        self._isShowing = False
        ui.baseComboBox.clear()
        for base in baseModels():
            ui.baseComboBox.addItem(base.name, base.name)
        ui.intensitiesComboBox.clear()
        for value, title in intensitiesChoices():
            ui.intensitiesComboBox.addItem(title, value)
        self._choices = (
            (ui.baseComboBox, "Base"),
            (ui.intensitiesComboBox, "Intensities"),
            (ui.deviceComboBox, "Device"),
        )
        self.listDevices(None)
        self.showDoubtful([])
        for box, name in ((ui.lowestSpinBox, "LowestSlice"), (ui.highestSpinBox, "HighestSlice")):
            self.connect(box, "valueChanged(int)", lambda value, name=name: self._choose(name, value))
        for box, name in self._choices:
            self.connect(box, "activated(int)", lambda index, box=box, name=name: self._choose(name, box.itemData(index)))
        self.connect(ui.allSegmentsCheckBox, "toggled(bool)", lambda checked: self._choose("AllSegments", int(checked)))
        self.connect(ui.roiSelector, "currentNodeChanged(vtkMRMLNode*)", self._onROI)

    def connect(self, widget, signal: str, slot: Callable) -> None:
        """Until `close`."""
        widget.connect(signal, slot)
        self._connected.append((widget, signal, slot))

    def close(self) -> None:
        """Nothing that the widgets say is heard any more."""
        for widget, signal, slot in self._connected:
            widget.disconnect(signal, slot)
        self._connected.clear()
        self.showDoubtful([])

    def listDevices(self, ready: Ready | None) -> None:
        """Offer the devices that the worker found, before it has those that every computer has; and another computer's."""
        devices = [(device.name, device.description) for device in ready.devices] if ready else [("cpu", _("CPU"))]
        automatic = _("Automatic ({device})").format(device=devices[0][1]) if ready else _("Automatic")
        self.ui.deviceComboBox.clear()
        for name, text in [(DEVICES[0], automatic), *devices, *choicesElsewhere()]:
            self.ui.deviceComboBox.addItem(text, name)
        self.show()

    def show(self) -> None:
        """What the parameter node says."""
        ui, effect = self.ui, self._effect
        self._isShowing = True
        try:
            for box, name in self._choices:
                chosen = effect.parameter(name)
                if box.findData(chosen) < 0:
                    box.addItem(chosen, chosen)
                box.setCurrentIndex(box.findData(chosen))
            ui.lowestSpinBox.value = effect.integerParameter("LowestSlice")
            ui.highestSpinBox.value = effect.integerParameter("HighestSlice")
            ui.allSegmentsCheckBox.checked = bool(effect.integerParameter("AllSegments"))
            ui.roiSelector.setCurrentNode(effect.nodeReference("ROI"))
        finally:
            self._isShowing = False

    def showFound(self, volumeNode) -> None:
        """What the values of this volume (None: of none) are where nobody says."""
        self.ui.intensitiesComboBox.setItemText(0, automatic([volumeNode]))

    def limitTo(self, count: int) -> None:
        """Slices that there are: no limit lies beyond them."""
        for box in (self.ui.lowestSpinBox, self.ui.highestSpinBox):
            box.maximum = count - 1

    @property
    def options(self) -> PromptOptions:
        return PromptOptions(*(self._effect.parameter(name) for name in ("Base", "Device", "Intensities")))

    @property
    def takesAllSegments(self) -> bool:
        return bool(self._effect.integerParameter("AllSegments"))

    def limits(self, axial: AxialSlices) -> Limits:
        """Raises InputError where the lowest slice lies above the highest."""
        lowest, highest = (self._effect.integerParameter(name) for name in ("LowestSlice", "HighestSlice"))
        slices = None
        if (lowest, highest) != (NO_LIMIT, NO_LIMIT):
            slices = max(lowest, 0), axial.count - 1 if highest == NO_LIMIT else highest
        roiNode = self._effect.nodeReference("ROI")
        return Limits(slices, None if roiNode is None else boxOfROI(roiNode, axial))

    def showDoubtful(self, doubtful: list[DoubtfulSlice]) -> None:
        """The first of them as links, each with its place in `doubtful`."""
        self.doubtful = doubtful[:LISTED]
        several = len({each.segmentID for each in doubtful}) > 1
        text = _('<a href="{number}">{name}slice {k}</a> ({confidence:.2f})')
        links = (
            text.format(number=number, k=each.k, name=f"{each.segmentName}, " if several else "", confidence=each.confidence)
            for number, each in enumerate(self.doubtful)
        )
        self.ui.doubtfulLabel.text = _("Least sure: {links}").format(links=", ".join(links)) if doubtful else ""
        self.ui.doubtfulLabel.visible = bool(doubtful)

    def _choose(self, name: str, value) -> None:
        if not self._isShowing:
            self._effect.setParameter(name, value)

    def _onROI(self, node) -> None:
        if not self._isShowing:
            self._effect.setNodeReference("ROI", node)
