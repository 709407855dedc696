"""The parameters of a Segment Editor effect: attributes of the editor's parameter node, "<Effect>.<name>" for its own ones."""

from __future__ import annotations

import logging

import slicer
import vtk

CHANGED = slicer.vtkMRMLSegmentEditorNode.EffectParameterModified


class EffectParameters:
    """What every effect has to read and write its parameters; needs `name`.

    As in Slicer a wrong call raises nothing: it is logged as an error, and answered with "", 0 or 0.0.
    """

    def parameterSetNode(self) -> slicer.vtkMRMLSegmentEditorNode | None:
        reference = self.__dict__.get("_parameterSetReference")
        return reference.Get() if reference is not None else None

    def setParameterSetNode(self, node: slicer.vtkMRMLSegmentEditorNode | None) -> None:
        self._parameterSetReference = vtk.vtkWeakReference()
        self._parameterSetReference.Set(node)

    def scene(self) -> slicer.vtkMRMLScene | None:
        node = self.parameterSetNode()
        return node.GetScene() if node is not None else None

    def parameter(self, name: str) -> str:
        """The effect's own value, or where it has none the one that all effects share."""
        node = self.parameterSetNode()
        if node is None:
            return ""
        value = node.GetAttribute(self._own(name))
        value = node.GetAttribute(name) if value is None else value
        if value is None:
            logging.error("Parameter named %s cannot be found for effect %s", name, self.name)
            return ""
        return value

    def integerParameter(self, name: str) -> int:
        return self._number(name, int)

    def doubleParameter(self, name: str) -> float:
        return self._number(name, float)

    def nodeReference(self, name: str) -> slicer.vtkMRMLNode | None:
        node = self.parameterSetNode()
        if node is None:
            return None
        return node.GetNodeReference(self._own(name)) or node.GetNodeReference(name)

    def parameterDefined(self, name: str) -> bool:
        return self.commonParameterDefined(self._own(name))

    def commonParameterDefined(self, name: str) -> bool:
        node = self.parameterSetNode()
        return node is not None and bool(node.GetAttribute(name))

    def setParameter(self, name: str, value: str | float) -> None:
        self.setCommonParameter(self._own(name), value)

    def setParameterDefault(self, name: str, value: str | float) -> None:
        self.setCommonParameterDefault(self._own(name), value)

    def setCommonParameter(self, name: str, value: str | float) -> None:
        """Write an attribute; only `EffectParameterModified` is sent, and only where the value is another one.

        Raises:
            ValueError: the value is no text, int or float. PythonQt finds no overload for it.
        """
        text = _asText(value)
        node = self._nodeToWrite()
        if node is None or (node.GetAttribute(name) or "") == text:
            return
        disabled = node.GetDisableModifiedEvent()
        node.SetDisableModifiedEvent(1)
        node.SetAttribute(name, text)
        node.SetDisableModifiedEvent(disabled)
        node.InvokeCustomModifiedEvent(CHANGED)

    def setCommonParameterDefault(self, name: str, value: str | float) -> None:
        text = _asText(value)
        if not self.commonParameterDefined(name):
            self.setCommonParameter(name, text)

    def setNodeReference(self, name: str, node: slicer.vtkMRMLNode | None) -> None:
        self.setCommonNodeReference(self._own(name), node)

    def setCommonNodeReference(self, name: str, node: slicer.vtkMRMLNode | None) -> None:
        parameterNode = self._nodeToWrite()
        if parameterNode is None or parameterNode.GetNodeReference(name) is node:
            return
        parameterNode.SetNodeReferenceID(name, node.GetID() if node is not None else None)
        parameterNode.InvokeCustomModifiedEvent(CHANGED)

    def _own(self, name: str) -> str:
        return f"{self.name}.{name}"

    def _nodeToWrite(self) -> slicer.vtkMRMLSegmentEditorNode | None:
        node = self.parameterSetNode()
        if node is None:
            logging.error("Invalid segment editor parameter set node set to effect %s", self.name)
        return node

    def _number(self, name: str, kind: type) -> float:
        if self.parameterSetNode() is None:
            return kind()
        try:
            return kind(self.parameter(name))
        except ValueError:
            logging.error("Parameter named %s cannot be converted to %s", name, kind.__name__)
            return kind()


def _asText(value: str | float) -> str:
    """As Qt writes numbers: six digits of a float."""
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return f"{value:g}"
    raise ValueError(f"Could not find matching overload for given arguments: {value!r} is no text, int or float")
