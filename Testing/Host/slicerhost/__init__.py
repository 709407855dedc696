"""A stand-in for the Slicer application, for tests: Slicer's own MRML and PySide6 dressed as Slicer's Qt.

    slicerhost.boot()
    panel = slicerhost.loadModule("SAMed")
    slicerhost.click(panel.ui.applyButton)
    slicerhost.waitUntil(lambda: slicerhost.dialogs.shown, seconds=5)

`boot` comes first: it makes `slicer.app`, `qt`, `ctk` and the rest. It needs PySide6; `slicerhost.mrml.boot` does without.
"""

from importlib import import_module
from typing import Any

NAMES = {
    "boot": "application",
    "StallMeter": "events",
    "click": "events",
    "processEvents": "events",
    "render": "events",
    "waitUntil": "events",
    "closeScene": "modules",
    "loadModule": "modules",
    "selectModule": "modules",
    "unloadModule": "modules",
}
"""The module of this package where each name is."""


def __getattr__(name: str) -> Any:
    """Import on demand: the MRML half must not need Qt."""
    if name in NAMES:
        return getattr(import_module(f"slicerhost.{NAMES[name]}"), name)
    if name in ("dialogs", "i18n", "packaging", "signals"):
        return import_module(f"slicerhost.{name}")
    raise AttributeError(f"slicerhost has no {name}")
