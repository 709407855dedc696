"""The Qt half of the stand-in: what Slicer's application object and its Python modules are beyond MRML."""

from __future__ import annotations

import atexit
import os
import sys
from pathlib import Path
from types import ModuleType

import slicer
import slicer.util
from PySide6 import QtCore, QtGui, QtWidgets

from slicerhost import dialogs, i18n, modules, mrml, packaging, parameternode, sampledata, scripted, signals
from slicerhost.pythonqt import qtModule
from slicerhost.standins import STAND_INS
from slicerhost.uiloader import QUiLoader

FONT = ("DejaVu Sans", 9)


class Signals(QtCore.QObject):
    """The signals of the application object."""

    standsForCxx = True
    startupCompleted = QtCore.Signal()
    aboutToQuit = QtCore.Signal()


class HostApplication(mrml.Application):
    """`slicer.app` with what comes from Qt.

    Attributes:
        testing: what `testingEnabled()` says; False, for these tests are a person's, with dialogs.
        selected: the name of the current module.
        restarts: how often a restart was asked for.
    """

    documentationBaseUrl = "https://slicer.readthedocs.io/en/5.12/"
    slicerHome = str(Path(sys.prefix))
    launcherExecutableFilePath = ""
    os = {"linux": "linux", "win32": "win", "darwin": "macosx"}.get(sys.platform, "")

    def startQt(self) -> None:
        self.testing, self.selected, self.restarts = False, "", 0
        self._signals, self._moduleManager = Signals(), modules.ModuleManager()
        self.startupCompleted, self.aboutToQuit = self._signals.startupCompleted, self._signals.aboutToQuit

    def connect(self, signal: str, slot: object) -> bool:
        return self._signals.connect(signal, slot)

    def disconnect(self, signal: str, slot: object = None) -> bool:
        return self._signals.disconnect(signal, slot)

    def processEvents(self, *flags: object) -> None:
        QtWidgets.QApplication.processEvents(*flags)

    def testingEnabled(self) -> bool:
        return self.testing

    def moduleManager(self) -> modules.ModuleManager:
        return self._moduleManager

    def settings(self) -> QtCore.QSettings:
        return QtCore.QSettings()

    userSettings = settings

    def restart(self) -> None:
        self.restarts += 1

    def topLevelWidgets(self) -> list[QtWidgets.QWidget]:
        return QtWidgets.QApplication.topLevelWidgets()

    def setOverrideCursor(self, cursor: object) -> None:
        QtWidgets.QApplication.setOverrideCursor(cursor)

    def restoreOverrideCursor(self) -> None:
        QtWidgets.QApplication.restoreOverrideCursor()

    def keyboardModifiers(self) -> object:
        return QtWidgets.QApplication.keyboardModifiers()

    def clipboard(self) -> QtGui.QClipboard:
        return QtWidgets.QApplication.clipboard()

    def thread(self) -> QtCore.QThread:
        return QtWidgets.QApplication.instance().thread()

    def translate(self, context: str, text: str) -> str:
        return i18n.translate(context, text)

    def moduleDocumentationUrl(self, moduleName: str) -> str:
        return f"{self.documentationBaseUrl}user_guide/modules/{moduleName.lower()}.html"

    def startupEnvironment(self) -> QtCore.QProcessEnvironment:
        return QtCore.QProcessEnvironment.systemEnvironment()


class QProcess(QtCore.QProcess):
    """`qt.QProcess`; like every class of Qt in Slicer it takes the application object as its parent."""

    standsForCxx = True

    def __init__(self, parent: object = None) -> None:
        super().__init__(QtWidgets.QApplication.instance() if parent is slicer.app else parent)


def boot(shareFolder: Path | str | None = None) -> HostApplication:
    """Start the application with Qt, once a process, before a module is imported. An application without Qt is completed."""
    application = mrml.boot(shareFolder)
    if isinstance(application, HostApplication):
        return application
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    qt = qtModule()
    _startQApplication(application.temporaryPath)
    dialogs.install()
    signals.noteUnraised()
    # the tests of the MRML side may have started it without Qt, and hold on to that object
    application.__class__ = HostApplication
    application.startQt()
    qt.QUiLoader, qt.QProcess = QUiLoader, QProcess
    ctk = ModuleType("ctk", "ctk's widgets, as in Slicer")
    for name, cls in STAND_INS.items():
        setattr(ctk if name.startswith("ctk") else slicer, name, cls)
    for cls in (modules.qSlicerScriptedLoadableModule, modules.qSlicerScriptedLoadableModuleWidget):
        setattr(slicer, cls.__name__, cls)
    sys.modules.update({"qt": qt, "ctk": ctk, "SampleData": sampledata})
    slicer.qt = qt
    for name, module in {
        "ScriptedLoadableModule": scripted,
        "parameterNodeWrapper": parameternode,
        "i18n": i18n,
        "packaging": packaging,
    }.items():
        sys.modules[f"slicer.{name}"] = module
        setattr(slicer, name, module)
    slicer.util.selectModule, slicer.util.selectedModule = modules.selectModule, modules.selectedModule
    modules.addSegmentEditor()
    sampledata.addSampleData()
    atexit.register(modules.quitApplication)
    return application


def _startQApplication(temporaryPath: str) -> None:
    application = QtWidgets.QApplication.instance() or QtWidgets.QApplication(["Slicer"])
    application.setOrganizationName("NA-MIC")
    application.setApplicationName("Slicer")
    application.setStyle("Fusion")
    application.setFont(QtGui.QFont(*FONT))
    settings = QtCore.QSettings
    settings.setDefaultFormat(settings.IniFormat)
    settings.setPath(settings.IniFormat, settings.UserScope, temporaryPath)
