"""A stand-in for the Slicer application, for tests: Slicer's own MRML and PySide6 dressed as Slicer's Qt.

    slicerhost.boot()
    panel = slicerhost.loadModule("SAMed")
    slicerhost.click(panel.ui.applyButton)
    slicerhost.waitUntil(lambda: slicerhost.dialogs.shown, seconds=5)

    with slicerhost.mainWindow():
        slicer.util.selectModule("SegmentEditor")
        editor = slicer.modules.segmenteditor.widgetRepresentation().self().editor
        editor.setActiveEffectByName("SAMed")
        slicerhost.mouse.drag("Red", (-40, 10, 0), (20, 60, 0))

`boot` comes first: it makes `slicer.app`, `qt` and the rest. There is as much here as the module asks for. Where Slicer
refuses, is late or raises, so does this.
"""

from slicerhost import dialogs, mouse, packaging, signals
from slicerhost.application import boot
from slicerhost.events import StallMeter, click, processEvents, waitUntil
from slicerhost.mainwindow import mainWindow
from slicerhost.modules import closeScene, loadModule, registerModule, selectModule, unloadModule

__all__ = [
    "StallMeter",
    "boot",
    "click",
    "closeScene",
    "dialogs",
    "loadModule",
    "mainWindow",
    "mouse",
    "packaging",
    "processEvents",
    "registerModule",
    "selectModule",
    "signals",
    "unloadModule",
    "waitUntil",
]
