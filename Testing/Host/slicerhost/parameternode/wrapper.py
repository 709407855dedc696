"""The decorator that makes the annotations of a class the parameters of a parameter node."""

from __future__ import annotations

import typing
import weakref
from collections.abc import Callable
from typing import Any

import slicer
import vtk
from PySide6 import QtWidgets

from slicerhost.parameternode.annotations import Default, first, split
from slicerhost.parameternode.connectors import GuiConnector, createGuiConnector
from slicerhost.parameternode.serializers import Serializer, serializerFor

SlicerParameterNamePropertyName = "SlicerParameterName"


class _Parameter:
    """One parameter as a property of the wrapper."""

    def __init__(self, name: str, hint: Any, default: Default | None) -> None:
        self.name, self.hint = name, hint
        self.serializer: Serializer = serializerFor(hint)
        self.default = default or first(split(hint)[1], Default) or Default(generator=self.serializer.default)

    def __get__(self, wrapper: ParameterNode | None, owner: type | None = None) -> Any:
        return self if wrapper is None else wrapper._values[self.name]

    def __set__(self, wrapper: ParameterNode, value: Any) -> None:
        with slicer.util.NodeModify(wrapper.parameterNode):
            self.serializer.write(wrapper.parameterNode, self.name, value)
            self.update(wrapper)

    def update(self, wrapper: ParameterNode) -> None:
        """Take the value from the node, which gets the default where it has none."""
        if not self.serializer.isIn(wrapper.parameterNode, self.name):
            self.serializer.write(wrapper.parameterNode, self.name, self.default.value)
        wrapper._values[self.name] = self.serializer.read(wrapper.parameterNode, self.name)


class ParameterNode:
    """What the decorator adds to a class.

    As in Slicer it keeps the values and reads them again whenever the node changes. Closing the scene empties the node, which a
    wrapper that is still there fills with the defaults again.

    Attributes:
        parameterNode: the vtkMRMLScriptedModuleNode that holds the values.
        allParameters: the parameters by name, in the order in which the class has them.
    """

    allParameters: typing.ClassVar[dict[str, _Parameter]] = {}

    def __init__(self, parameterNode: slicer.vtkMRMLScriptedModuleNode) -> None:
        """Wrap a node; parameters that it does not have yet get their defaults."""
        self.parameterNode = parameterNode
        self._guis: dict[int, tuple[dict[str, GuiConnector], int]] = {}
        self._nextTag = 0
        self._updatingGui = False
        self._values: dict[str, Any] = {}
        for parameter in self.allParameters.values():
            parameter.update(self)
        tag = parameterNode.AddObserver(vtk.vtkCommand.ModifiedEvent, _updating(weakref.ref(self)))
        weakref.finalize(self, parameterNode.RemoveObserver, tag)

    def default(self, name: str) -> Default:
        return self._parameter(name).default

    def isCached(self, name: str) -> bool:
        return self._parameter(name).serializer.cached

    def dataType(self, name: str) -> Any:
        return self._parameter(name).hint

    def getValue(self, name: str) -> Any:
        return self._parameter(name).__get__(self)

    def setValue(self, name: str, value: Any) -> None:
        self._parameter(name).__set__(self, value)

    def connectGui(self, gui: Any) -> int:
        """Bind every widget with the dynamic property SlicerParameterName, below a widget or among an object's attributes.

        Returns:
            A tag for `disconnectGui`.
        """
        widgets = gui.findChildren(QtWidgets.QWidget) if isinstance(gui, QtWidgets.QWidget) else vars(gui).values()
        named = {widget.property(SlicerParameterNamePropertyName): widget for widget in widgets}
        return self.connectParametersToGui({name: widget for name, widget in named.items() if name})

    def connectParametersToGui(self, mapping: dict[str, QtWidgets.QWidget | GuiConnector]) -> int:
        """Bind parameters to widgets by name; the widgets take the parameters' values.

        Raises:
            ValueError: there is no parameter of a name.
            RuntimeError: a widget does not fit its parameter's type.
        """
        connectors = {
            name: item if isinstance(item, GuiConnector) else createGuiConnector(item, self.dataType(name))
            for name, item in mapping.items()
        }
        for name, connector in connectors.items():
            connector.write(self.getValue(name))
            connector.onChanged(self._guiChanged(name, connector))
        tag, self._nextTag = self._nextTag, self._nextTag + 1
        observer = self.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._updateGui())
        self._guis[tag] = (connectors, observer)
        return tag

    def disconnectGui(self, tag: int) -> None:
        connectors, observer = self._guis.pop(tag, ({}, None))
        for connector in connectors.values():
            connector.onChanged(None)
        if observer is not None:
            self.RemoveObserver(observer)

    def StartModify(self) -> int:
        return self.parameterNode.StartModify()

    def EndModify(self, wasModified: int) -> int:
        return self.parameterNode.EndModify(wasModified)

    def AddObserver(self, event: int | str, callback: Callable, priority: float = 0.0) -> int:
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag: int) -> None:
        self.parameterNode.RemoveObserver(tag)

    def Modified(self) -> None:
        self.parameterNode.Modified()

    def _parameter(self, name: str) -> _Parameter:
        if name not in self.allParameters:
            raise ValueError(f"Cannot find a param with the given name: {name}; there are {list(self.allParameters)}")
        return self.allParameters[name]

    def _guiChanged(self, name: str, connector: GuiConnector) -> Callable[[], None]:
        def changed() -> None:
            if not self._updatingGui:
                self.setValue(name, connector.read())

        return changed

    def _updateGui(self) -> None:
        if self._updatingGui:
            return
        self._updatingGui = True
        try:
            for connectors, _observer in list(self._guis.values()):
                for name, connector in connectors.items():
                    connector.write(self.getValue(name))
        finally:
            self._updatingGui = False


def _updating(wrapper: weakref.ref[ParameterNode]) -> Callable[..., None]:
    """What follows the node for a wrapper, without keeping the wrapper alive."""

    def update(*_event: object) -> None:
        followed = wrapper()
        for parameter in followed.allParameters.values() if followed is not None else ():
            parameter.update(followed)

    return update


def parameterNodeWrapper(cls: type | None = None) -> Any:
    """Class decorator: the annotated attributes of the class become parameters, as `@parameterNodeWrapper` in Slicer.

    Raises:
        ValueError: a parameter has a name that the wrapper needs itself.
    """
    return _wrap if cls is None else _wrap(cls)


def _wrap(cls: type) -> type:
    hints = typing.get_type_hints(cls, include_extras=True)
    reserved = [name for name in hints if hasattr(ParameterNode, name)]
    if reserved:
        raise ValueError(f"Cannot use reserved name '{reserved[0]}' in a parameterNodeWrapper")
    parameters = {name: _Parameter(name, hint, _equalsDefault(cls, name)) for name, hint in hints.items()}
    body = {**parameters, "allParameters": parameters, "__module__": cls.__module__, "__doc__": cls.__doc__}
    bases = (ParameterNode, cls)
    return type(cls)(cls.__name__, bases, body)


def _equalsDefault(cls: type, name: str) -> Default | None:
    return Default(getattr(cls, name)) if hasattr(cls, name) else None


def isParameterNodeWrapper(candidate: Any) -> bool:
    return issubclass(candidate if isinstance(candidate, type) else type(candidate), ParameterNode)
