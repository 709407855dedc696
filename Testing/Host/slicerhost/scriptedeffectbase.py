"""Stand-in for the Python package SegmentEditorEffects: the base class of a scripted effect, by its documented behaviour."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import slicer
from PySide6 import QtCore, QtGui


class AbstractScriptedSegmentEditorEffect:
    """Attributes:
    scriptedEffect: the adaptor, by which the effect calls the editor.
    """

    def __init__(self, scriptedEffect: Any) -> None:
        self.scriptedEffect = scriptedEffect

    def register(self) -> None:
        slicer.qSlicerSegmentEditorEffectFactory.instance().registerEffect(self.scriptedEffect)

    def cleanup(self) -> None:
        """Before the effect is deleted; to be overridden."""

    def rasToXy(self, ras: Sequence[float], viewWidget: Any) -> list[int]:
        xy = self.scriptedEffect.rasToXy(QtGui.QVector3D(*ras), viewWidget)
        return [xy.x(), xy.y()]

    def xyzToRas(self, xyz: Sequence[float], viewWidget: Any) -> list[float]:
        return _listOf(self.scriptedEffect.xyzToRas(QtGui.QVector3D(*xyz), viewWidget))

    def xyToRas(self, xy: Sequence[int], viewWidget: Any) -> list[float]:
        return _listOf(self.scriptedEffect.xyToRas(QtCore.QPoint(*xy), viewWidget))

    def xyzToIjk(self, xyz: Sequence[float], viewWidget: Any, image: Any, parentTransformNode: Any = None) -> list[int]:
        ijk = self.scriptedEffect.xyzToIjk(QtGui.QVector3D(*xyz), viewWidget, image, parentTransformNode)
        return [int(value) for value in _listOf(ijk)]

    def xyToIjk(self, xy: Sequence[int], viewWidget: Any, image: Any, parentTransformNode: Any = None) -> list[int]:
        ijk = self.scriptedEffect.xyToIjk(QtCore.QPoint(*xy), viewWidget, image, parentTransformNode)
        return [int(value) for value in _listOf(ijk)]


def packageModules() -> dict[str, ModuleType]:
    """The package, and its module of the same class, by the names to import them by."""
    package, module = ModuleType("SegmentEditorEffects"), ModuleType("SegmentEditorEffects.AbstractScriptedSegmentEditorEffect")
    package.__path__ = []
    package.AbstractScriptedSegmentEditorEffect = AbstractScriptedSegmentEditorEffect
    module.AbstractScriptedSegmentEditorEffect = AbstractScriptedSegmentEditorEffect
    return {package.__name__: package, module.__name__: module}


def _listOf(vector: QtGui.QVector3D) -> list[float]:
    return [vector.x(), vector.y(), vector.z()]
