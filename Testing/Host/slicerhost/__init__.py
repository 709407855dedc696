"""A stand-in for the Slicer application, for tests: Slicer's own MRML and PySide6 dressed as Slicer's Qt.

    slicerhost.boot()
    panel = slicerhost.loadModule("SAMed")
    slicerhost.click(panel.ui.applyButton)
    slicerhost.waitUntil(lambda: slicerhost.dialogs.shown, seconds=5)

`boot` comes first: it makes `slicer.app`, `qt` and the rest. There is as much here as the module asks for. Where Slicer
refuses, is late or raises, so does this.
"""

from slicerhost import dialogs, packaging, signals
from slicerhost.application import boot
from slicerhost.events import StallMeter, click, processEvents, waitUntil
from slicerhost.modules import closeScene, loadModule, selectModule, unloadModule

__all__ = [
    "StallMeter",
    "boot",
    "click",
    "closeScene",
    "dialogs",
    "loadModule",
    "packaging",
    "processEvents",
    "selectModule",
    "signals",
    "unloadModule",
    "waitUntil",
]
