"""Stand-in for qSlicerSegmentEditorScriptedEffect, which lets Python answer for an effect, and for the factory of effects.

What surprises in Slicer, and so here:

- `updateGUIFromMRML` comes before `activate`, and `editor.activeEffect()` is the effect before while this one is activated.
- Closing the scene deactivates the effect only after its nodes are gone; removing the segmentation does so before.
- The window's shortcuts take Escape, the space bar, z, y, q, w, i and more before a view gets them. To have Escape an effect
  disables the editor's QShortcut "Esc" (a child of the main window); an event filter cannot know which key a ShortcutOverride
  is about, for PythonQt shows that event without `key()`.
- Static methods of the effect's class (`renderer`, `xyToRas`) are called of the effect object, never of the class.
- A labelmap that is masked by intensity must have the grid and extent of `defaultModifierLabelmap()`, or nothing is written;
  that mask holds where masking is bypassed, too.
- `processInteractionEvents` must answer with a bool: numpy's counts as False.
"""

from __future__ import annotations

import importlib.util
import logging
import sys
import traceback
from pathlib import PurePosixPath
from types import ModuleType
from typing import Any, ClassVar

import slicer
from PySide6 import QtCore, QtGui

from slicerhost.editoreffect import qSlicerSegmentEditorAbstractEffect
from slicerhost.signals import slotErrors
from slicerhost.standins import standIn

FAILED = object()
"""What `_call` answers where the Python object has no such method, or where that raised."""


@standIn
class qSlicerSegmentEditorScriptedEffect(qSlicerSegmentEditorAbstractEffect):
    """Asks the object of a Python class first, or after its own part, as each of Slicer's methods does."""

    def __init__(self, parent: QtCore.QObject | None = None) -> None:
        super().__init__(parent)
        self._self, self._source = None, ""

    def pythonSource(self) -> str:
        return self._source

    def self(self) -> Any:
        """The object of the effect's class."""
        return self._self

    def setPythonSource(self, newPythonSource: str) -> bool:
        """Make the object of the effect's class; False where that fails.

        The class is named as the file, with "Effect" at its end. It is looked for in the module that is named as the file's
        folder; where there is no such module yet, or it has no such name, the file alone becomes that module, in place of a
        package too. `slicer.<that module>` is the object.
        """
        if not newPythonSource.endswith((".py", ".pyc")):
            return False
        path = PurePosixPath(newPythonSource)
        moduleName, className = path.parent.name, path.name.partition(".")[0]
        className += "" if className.endswith("Effect") else "Effect"
        if not hasattr(sys.modules.get(moduleName), className) and not _loadAsModule(moduleName, newPythonSource):
            return False
        try:
            self._self = getattr(sys.modules[moduleName], className)(self)
        except Exception as error:
            return _noted(error, False)
        self._source = newPythonSource
        setattr(slicer, moduleName, self._self)
        return True

    def _call(self, name: str, *arguments: Any) -> Any:
        """A method of the Python object; what it raises is printed, and Slicer goes on."""
        method = getattr(self._self, name, None)
        if method is None:
            return FAILED
        try:
            return method(*arguments)
        except Exception as error:
            return _noted(error, FAILED)

    def _icon(self) -> QtGui.QIcon:
        icon = self._call("icon")
        return icon if isinstance(icon, QtGui.QIcon) else super()._icon()

    def helpText(self) -> str:
        text = self._call("helpText")
        return text if isinstance(text, str) else super().helpText()

    def _clone(self) -> qSlicerSegmentEditorAbstractEffect | None:
        cloned = self._call("clone")
        if isinstance(cloned, qSlicerSegmentEditorAbstractEffect):
            return cloned
        logging.error("%s: clone: Invalid cloned effect object returned from python!", self._source)
        return None

    def activate(self) -> None:
        super().activate()
        self._call("activate")

    def deactivate(self) -> None:
        super().deactivate()
        self._call("deactivate")

    def _setupOptionsFrame(self) -> None:
        self._call("setupOptionsFrame")

    def createCursor(self, viewWidget: Any) -> QtGui.QCursor:
        cursor = self._call("createCursor", viewWidget)
        return cursor if isinstance(cursor, QtGui.QCursor) else super().createCursor(viewWidget)

    def _processInteractionEvents(self, callerInteractor: Any, eventId: int, viewWidget: Any) -> bool:
        """Whether nobody else is to hear of the event; only what is a bool itself counts, no number and no array's element."""
        result = self._call("processInteractionEvents", callerInteractor, eventId, viewWidget)
        if result is not FAILED and type(result) is not bool:
            logging.warning("%s - function 'processInteractionEvents' is expected to return a boolean", self._source)
        return result is True

    def _processViewNodeEvents(self, callerViewNode: Any, eventId: int, viewWidget: Any) -> None:
        self._call("processViewNodeEvents", callerViewNode, eventId, viewWidget)

    def _setMRMLDefaults(self) -> None:
        self._call("setMRMLDefaults")

    def _sourceVolumeNodeChanged(self) -> None:
        """Of every effect, the active one or not."""
        self._call("sourceVolumeNodeChanged")
        self._call("masterVolumeNodeChanged")

    def _layoutChanged(self) -> None:
        """Of every effect, the active one or not."""
        self._call("layoutChanged")

    def _interactionNodeModified(self, interactionNode: slicer.vtkMRMLInteractionNode | None) -> None:
        if self._call("interactionNodeModified", interactionNode) is FAILED:
            super()._interactionNodeModified(interactionNode)

    def updateGUIFromMRML(self) -> None:
        if self.active():
            self._call("updateGUIFromMRML")

    def updateMRMLFromGUI(self) -> None:
        self._call("updateMRMLFromGUI")

    def cleanup(self) -> None:
        self._call("cleanup")


class qSlicerSegmentEditorEffectFactory(QtCore.QObject):
    """The effects that every Segment Editor has a clone of. None is ever taken out again."""

    standsForCxx = True
    effectRegistered = QtCore.Signal(str)
    _instance: ClassVar[qSlicerSegmentEditorEffectFactory | None] = None

    def __init__(self) -> None:
        super().__init__()
        self._effects: list[qSlicerSegmentEditorAbstractEffect] = []

    @classmethod
    def instance(cls) -> qSlicerSegmentEditorEffectFactory:
        if cls._instance is None:
            cls._instance = cls()
        return cls._instance

    def registerEffect(self, effect: qSlicerSegmentEditorAbstractEffect) -> bool:
        """False for one without a name, or with one that is taken."""
        if not effect.name or effect.name in [known.name for known in self._effects]:
            return False
        self._effects.append(effect)
        self.effectRegistered.emit(effect.name)
        return True

    def _copyEffects(self, present: list[str]) -> list[qSlicerSegmentEditorAbstractEffect]:
        """Clones of those whose names are not present."""
        clones = [effect._clone() for effect in self._effects if effect.name not in present]
        return [clone for clone in clones if clone is not None]


def effectsModule() -> ModuleType:
    """`qSlicerSegmentationsEditorEffectsPythonQt`, which an effect's module file and the effect's `clone` import."""
    module = ModuleType("qSlicerSegmentationsEditorEffectsPythonQt")
    for cls in (
        qSlicerSegmentEditorAbstractEffect,
        qSlicerSegmentEditorScriptedEffect,
        qSlicerSegmentEditorEffectFactory,
    ):
        setattr(module, cls.__name__, cls)
    return module


def _loadAsModule(name: str, path: str) -> bool:
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        return _noted(error, False)
    return True


def _noted(error: Exception, answer: Any) -> Any:
    """The answer, after an error in Python code that C++ has called."""
    traceback.print_exc()
    slotErrors.append(error)
    return answer
