"""What the stand-ins for MRML's widgets share: a scene."""

from __future__ import annotations

from typing import ClassVar

import slicer
from PySide6 import QtCore, QtWidgets

from slicerhost.standins import standIn


class MRMLWidget:
    """Has a scene, and says when it gets another."""

    def mrmlScene(self) -> slicer.vtkMRMLScene | None:
        return self.__dict__.get("_scene")

    def setMRMLScene(self, scene: slicer.vtkMRMLScene | None) -> None:
        if scene is not self.mrmlScene():
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)


@standIn
class qMRMLWidget(MRMLWidget, QtWidgets.QWidget):
    """The top level of a module's .ui: gives its scene to the widgets connected with it."""

    mrmlSceneChanged = QtCore.Signal(object)
    cxxSignals: ClassVar = {"mrmlSceneChanged(vtkMRMLScene*)": "mrmlSceneChanged"}
