"""Slicer's application object, and what its Python has beyond MRML: Qt, the base classes of modules, Slicer's own modules."""

from __future__ import annotations

import atexit
import os
import sys
from types import ModuleType

import slicer
import slicer.util
from PySide6 import QtCore, QtGui, QtWidgets

from slicerhost import (
    dialogs,
    editoreffect,
    modules,
    mrml,
    packaging,
    parameternode,
    sampledata,
    scripted,
    scriptededitoreffect,
    scriptedeffectbase,
    segmenteditor,
    segmenteditormodule,
    segmentstatistics,
    signals,
)
from slicerhost.nodecombobox import qMRMLNodeComboBox
from slicerhost.pythonqt import qtModule
from slicerhost.uiloader import QUiLoader

FONT = ("DejaVu Sans", 9)


class Signals(QtCore.QObject):
    """The signals of the application object."""

    standsForCxx = True
    startupCompleted = QtCore.Signal()
    layoutChanged = QtCore.Signal(int)
    aboutToQuit = QtCore.Signal()


class Application(mrml.MRMLApplication):
    """`slicer.app`, without a main window until a test opens one; see `mainwindow`.

    Attributes:
        window, builtWindow: the main window while it is open, and once it was made.
        rendersPaused: how often rendering was paused and not yet resumed.
        testing: what `testingEnabled()` says; False, for these tests are a person's, with dialogs.
        selected: the name of the current module.
    """

    applicationVersion = "5.12.4"

    def __init__(self) -> None:
        super().__init__()
        self.testing, self.selected = False, ""
        self.window = self.builtWindow = None
        self.rendersPaused = 0
        self._signals, self._moduleManager = Signals(), modules.ModuleManager()
        self.startupCompleted, self.aboutToQuit = self._signals.startupCompleted, self._signals.aboutToQuit
        self.layoutChanged = self._signals.layoutChanged

    def connect(self, signal: str, slot: object) -> bool:
        return self._signals.connect(signal, slot)

    def processEvents(self) -> None:
        QtWidgets.QApplication.processEvents()

    def testingEnabled(self) -> bool:
        return self.testing

    def moduleManager(self) -> modules.ModuleManager:
        return self._moduleManager

    def mainWindow(self) -> QtWidgets.QMainWindow | None:
        return self.window

    def layoutManager(self) -> QtCore.QObject | None:
        """None without a main window."""
        return self.window.layoutManager if self.window is not None else None

    def pauseRender(self) -> None:
        self.rendersPaused += 1

    def resumeRender(self) -> None:
        self.rendersPaused -= 1

    def userSettings(self) -> QtCore.QSettings:
        return QtCore.QSettings()

    def topLevelWidgets(self) -> list[QtWidgets.QWidget]:
        return QtWidgets.QApplication.topLevelWidgets()


class QProcess(QtCore.QProcess):
    """`qt.QProcess`; like every class of Qt in Slicer it takes the application object as its parent."""

    standsForCxx = True

    def __init__(self, parent: object = None) -> None:
        super().__init__(QtWidgets.QApplication.instance() if parent is slicer.app else parent)


def boot() -> None:
    """Start the application, once a process, before a module is imported.

    Afterwards `slicer.app`, `slicer.mrmlScene`, `slicer.modules`, `qt` and the rest are there.
    """
    if getattr(slicer, "app", None) is not None:
        return
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    qt = qtModule()
    QtWidgets.QApplication.instance() or QtWidgets.QApplication(["Slicer"])
    dialogs.install()
    signals.noteUnraised()
    slicer.app = Application()
    slicer.mrmlScene, slicer.modules = slicer.app.mrmlScene(), slicer.app.modules
    _dressQApplication()
    qt.QUiLoader, qt.QProcess = QUiLoader, QProcess
    for cls in (qMRMLNodeComboBox, modules.qSlicerScriptedLoadableModule, modules.qSlicerScriptedLoadableModuleWidget):
        setattr(slicer, cls.__name__, cls)
    sys.modules.update({"qt": qt, "SampleData": sampledata, "SegmentStatistics": segmentstatistics})
    inSlicer = {"ScriptedLoadableModule": scripted, "parameterNodeWrapper": parameternode, "packaging": packaging}
    for name, module in {**inSlicer, "i18n": _english(), "qt": qt}.items():
        sys.modules[f"slicer.{name}"] = module
        setattr(slicer, name, module)
    slicer.util.selectModule = modules.selectModule
    _addSegmentEditor()
    sampledata.addSampleData()
    atexit.register(modules.quitApplication)


def _addSegmentEditor() -> None:
    """The module SegmentEditor, and what a scripted effect imports."""
    sys.modules["qSlicerSegmentationsEditorEffectsPythonQt"] = scriptededitoreffect.effectsModule()
    sys.modules.update(scriptedeffectbase.packageModules())
    for cls in (
        editoreffect.qSlicerSegmentEditorAbstractEffect,
        scriptededitoreffect.qSlicerSegmentEditorScriptedEffect,
        scriptededitoreffect.qSlicerSegmentEditorEffectFactory,
        segmenteditor.qMRMLSegmentEditorWidget,
    ):
        setattr(slicer, cls.__name__, cls)
    sys.modules["SegmentEditor"] = segmenteditormodule
    slicer.modules.segmenteditor = modules.qSlicerScriptedLoadableModule("SegmentEditor", "SegmentEditor.py")


def _english() -> ModuleType:
    """`slicer.i18n`, with every text as it stands."""
    i18n = ModuleType("slicer.i18n")
    i18n.tr = lambda text: text
    i18n.translate = lambda _context, text: text
    return i18n


def _dressQApplication() -> None:
    """Its name, its looks, and settings of this process alone."""
    application = QtWidgets.QApplication.instance()
    application.setOrganizationName("NA-MIC")
    application.setApplicationName("Slicer")
    application.setStyle("Fusion")
    application.setFont(QtGui.QFont(*FONT))
    settings = QtCore.QSettings
    settings.setDefaultFormat(settings.IniFormat)
    settings.setPath(settings.IniFormat, settings.UserScope, slicer.app.temporaryPath)
