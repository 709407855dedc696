"""Modules as the application holds them: what a module file describes, its panel, and loading and reloading it."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import slicer
from PySide6 import QtCore, QtWidgets

from slicerhost.events import processEvents
from slicerhost.signals import guarded
from slicerhost.standins import stored


class ModuleManager(QtCore.QObject):
    """What `slicer.app.moduleManager()` is."""

    standsForCxx = True
    moduleAboutToBeUnloaded = QtCore.Signal(str)

    def module(self, name: str) -> Any:
        """A module by name, None where there is none."""
        return next((item for item in vars(slicer.modules).values() if getattr(item, "name", None) == name), None)


class qSlicerScriptedLoadableModule(QtCore.QObject):
    """What the application knows of a module; the `parent` of the module's first class."""

    standsForCxx = True
    title = stored("title", str, "")
    helpText = stored("helpText", str, "")
    acknowledgementText = stored("acknowledgementText", str, "")
    categories = stored("categories", "QStringList", [])
    contributors = stored("contributors", "QStringList", [])
    dependencies = stored("dependencies", "QStringList", [])
    path = stored("path", str, "")
    hidden = stored("hidden", bool, False)
    defaultDocumentationLink = QtCore.Property(str, lambda self: "")

    def __init__(self, name: str, path: str) -> None:
        super().__init__()
        self.name, self.path = name, path
        self._representation: qSlicerScriptedLoadableModuleWidget | None = None

    def widgetRepresentation(self) -> qSlicerScriptedLoadableModuleWidget:
        """The module's panel, made when it is first asked for."""
        if self._representation is None:
            self._representation = qSlicerScriptedLoadableModuleWidget(self.path)
            self._representation.reload()
        return self._representation


class qSlicerScriptedLoadableModuleWidget(QtWidgets.QWidget):
    """The place of a module's panel in the application; the `parent` of the module's widget class."""

    standsForCxx = True

    def __init__(self, path: str) -> None:
        super().__init__()
        QtWidgets.QVBoxLayout(self)
        self._path, self._entered, self._self = path, False, None

    isEntered = QtCore.Property(bool, lambda self: self._entered)
    moduleName = QtCore.Property(str, lambda self: Path(self._path).stem)

    def self(self) -> Any:
        """The object of the module's widget class."""
        return self._self

    def reload(self) -> None:
        """Make the widget class's object anew and let it set up its panel, which stays as it is where that fails."""
        className = f"{self.moduleName}Widget"
        self._self = getattr(sys.modules[self.moduleName], className)(self)
        setattr(slicer.modules, className, self._self)
        self._call("setup")

    def enter(self) -> None:
        self._entered = True
        self._call("enter")

    def exit(self) -> None:
        self._entered = False
        self._call("exit")

    def _call(self, name: str) -> None:
        """Of the Python object; what it raises is printed, as PythonQt prints it, and the application goes on."""
        if hasattr(self._self, name):
            guarded(getattr(self._self, name))()


def registerModule(name: str) -> qSlicerScriptedLoadableModule:
    """Make a scripted module known, as the application does with every module when it starts; no panel is made.

    Args:
        name: of the module and of its file, which is on the Python path.
    """
    module = qSlicerScriptedLoadableModule(name, importlib.import_module(name).__file__)
    setattr(slicer.modules, name.lower(), module)
    setattr(slicer.modules, f"{name}Instance", getattr(sys.modules[name], name)(module))
    return module


def loadModule(name: str) -> Any:
    """Load a scripted module and enter its panel, as when the user chooses it in the list of modules.

    Returns:
        The object of its widget class.
    """
    panel = registerModule(name).widgetRepresentation()
    selectModule(name)
    panel.show()
    processEvents()
    return panel.self()


def unloadModule(name: str) -> None:
    """Leave the module's panel and take it away, as at the application's end."""
    panel = getattr(slicer.modules, name.lower())._representation
    if slicer.app.selected == name:
        selectModule("")
    slicer.app.moduleManager().moduleAboutToBeUnloaded.emit(name)
    for attribute in (name.lower(), f"{name}Widget", f"{name}Instance"):
        vars(slicer.modules).pop(attribute, None)
    if panel is not None:
        panel.delete()
    processEvents()


def quitApplication() -> None:
    """File > Exit: the modules hear of it, and their panels are taken away."""
    slicer.app.aboutToQuit.emit()
    for name in [item.name for item in vars(slicer.modules).values() if isinstance(item, qSlicerScriptedLoadableModule)]:
        unloadModule(name)


def selectModule(name: str) -> None:
    """Leave the current module and enter this one; "" for none."""
    leaving, entering = (slicer.app.moduleManager().module(each) for each in (slicer.app.selected, name))
    if name and entering is None:
        raise RuntimeError(f"Could not find module with name '{name}'")
    if leaving is not None:
        leaving.widgetRepresentation().exit()
    slicer.app.selected = name
    if entering is not None:
        if slicer.app.window is not None:
            slicer.app.window.showPanel(entering.widgetRepresentation())
        entering.widgetRepresentation().enter()


def closeScene() -> None:
    """File > Close scene."""
    slicer.mrmlScene.Clear(0)
    processEvents()
