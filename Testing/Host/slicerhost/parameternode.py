"""Stand-in for `slicer.parameterNodeWrapper`: typed access to a parameter node, bound to widgets.

Values are stored in the vtkMRMLScriptedModuleNode the way Slicer stores them, so a scene saved here opens there. Types: int,
float, bool, str, MRML nodes, and `list` of these; the rest of Slicer's, which no parameter of ours has, is refused.
"""

from __future__ import annotations

import math
import typing
import weakref
from collections.abc import Callable
from typing import Any

import slicer
import vtk
from PySide6 import QtWidgets

from slicerhost.nodecombobox import qMRMLNodeComboBox
from slicerhost.parametertypes import Serializer, WithinRange, serializerFor

__all__ = ["ParameterNode", "WithinRange", "parameterNodeWrapper"]

RESERVED = {"allParameters", "connectGui", "dataType", "default", "disconnectGui", "getValue", "parameterNode", "setValue"}
"""Names that the wrapper needs itself."""

UNBOUNDED = {int: (-(2**31), 2**31 - 1), float: (-math.inf, math.inf)}


class GuiConnector:
    """A widget seen as the value of a parameter.

    Raises:
        RuntimeError: the widget shows no values of that type; those of derived classes do not either, as in Slicer.
    """

    WIDGETS: typing.ClassVar = {
        QtWidgets.QCheckBox: (bool, "stateChanged", "checked"),
        QtWidgets.QSpinBox: (int, "valueChanged", "value"),
        QtWidgets.QDoubleSpinBox: (float, "valueChanged", "value"),
        QtWidgets.QLineEdit: (str, "textChanged", "text"),
        qMRMLNodeComboBox: (slicer.vtkMRMLNode, "currentNodeChanged", ""),
    }
    """Type of the values, signal sent when the user changes it, property with the value."""

    def __init__(self, widget: QtWidgets.QWidget, parameter: Serializer) -> None:
        kind = parameter.kind
        shown, signal, self._property = self.WIDGETS.get(type(widget), (None, "", ""))
        isNode = issubclass(kind, slicer.vtkMRMLNode)
        if shown is not (slicer.vtkMRMLNode if isNode else kind):
            raise RuntimeError(f"Unable to create GUI connector from datatype '{kind}' to widget type '{type(widget)}'")
        self._widget = widget
        self.changed = getattr(widget, signal)
        if isNode:
            widget.nodeTypes = [kind().GetClassName()]
        elif kind in UNBOUNDED:  # where the parameter has no range, whatever the .ui says
            within = parameter.within
            widget.minimum, widget.maximum = (within.minimum, within.maximum) if within else UNBOUNDED[kind]

    def read(self) -> Any:
        return getattr(self._widget, self._property) if self._property else self._widget.currentNode()

    def write(self, value: Any) -> None:
        if not self._property:
            self._widget.setCurrentNode(value)
        elif value != self.read():  # setting a text moves the cursor to its end
            setattr(self._widget, self._property, value)


class Parameter:
    """One parameter as a property of the wrapper."""

    def __init__(self, cls: type, name: str, hint: Any) -> None:
        """Its default, before anything was chosen, is the attribute of `cls`, or else its type's own."""
        self.name, self.serializer = name, serializerFor(hint)
        self.default = getattr(cls, name, self.serializer.default())

    def __get__(self, wrapper: ParameterNode | None, owner: type | None = None) -> Any:
        return self if wrapper is None else wrapper._values[self.name]

    def __set__(self, wrapper: ParameterNode, value: Any) -> None:
        with slicer.util.NodeModify(wrapper.parameterNode):
            self.serializer.write(wrapper.parameterNode, self.name, value)
            self.update(wrapper)

    def update(self, wrapper: ParameterNode) -> None:
        """Take the value from the node, which gets the default where it has none."""
        if not self.serializer.isIn(wrapper.parameterNode, self.name):
            self.serializer.write(wrapper.parameterNode, self.name, self.default)
        wrapper._values[self.name] = self.serializer.read(wrapper.parameterNode, self.name)


class ParameterNode:
    """What the decorator adds to a class.

    As in Slicer it keeps the values and reads them again whenever the node changes. Closing the scene empties the node, which a
    wrapper that is still there fills with the defaults again.

    Attributes:
        parameterNode: the vtkMRMLScriptedModuleNode that holds the values.
        allParameters: the parameters by name, in the order in which the class has them.
    """

    allParameters: typing.ClassVar[dict[str, Parameter]] = {}

    def __init__(self, parameterNode: slicer.vtkMRMLScriptedModuleNode) -> None:
        """Wrap a node; parameters that it does not have yet get their defaults."""
        self.parameterNode = parameterNode
        self._guis: list[tuple[list[tuple[GuiConnector, Callable]], int]] = []
        self._updatingGui = False
        self._values: dict[str, Any] = {}
        for parameter in self.allParameters.values():
            parameter.update(self)
        tag = parameterNode.AddObserver(vtk.vtkCommand.ModifiedEvent, _updating(weakref.ref(self)))
        weakref.finalize(self, parameterNode.RemoveObserver, tag)

    def connectGui(self, gui: object) -> int:
        """Bind every widget with the dynamic property SlicerParameterName among an object's attributes.

        Returns:
            A tag for `disconnectGui`.

        Raises:
            ValueError: there is no parameter of that name.
            RuntimeError: a widget does not fit its parameter's type.
        """
        named = {widget.property("SlicerParameterName"): widget for widget in vars(gui).values()}
        if unknown := [name for name in named if name and name not in self.allParameters]:
            raise ValueError(f"Cannot find a param with the given name: {unknown[0]}; there are {list(self.allParameters)}")
        connectors = {name: GuiConnector(named[name], self.allParameters[name].serializer) for name in named if name}
        slots = []
        for name, connector in connectors.items():
            connector.write(getattr(self, name))
            slots.append((connector, self._guiChanged(name, connector)))
            connector.changed.connect(slots[-1][1])
        observer = self.parameterNode.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._updateGui(connectors))
        self._guis.append((slots, observer))
        return len(self._guis) - 1

    def disconnectGui(self, tag: int) -> None:
        slots, observer = self._guis[tag]
        self._guis[tag] = ([], 0)
        for connector, slot in slots:
            connector.changed.disconnect(slot)
        self.parameterNode.RemoveObserver(observer)

    def StartModify(self) -> int:
        return self.parameterNode.StartModify()

    def EndModify(self, wasModified: int) -> int:
        return self.parameterNode.EndModify(wasModified)

    def _guiChanged(self, name: str, connector: GuiConnector) -> Callable[[], None]:
        def changed() -> None:
            if not self._updatingGui:
                setattr(self, name, connector.read())

        return changed

    def _updateGui(self, connectors: dict[str, GuiConnector]) -> None:
        if self._updatingGui:
            return
        self._updatingGui = True
        try:
            for name, connector in connectors.items():
                connector.write(getattr(self, name))
        finally:
            self._updatingGui = False


def _updating(wrapper: weakref.ref[ParameterNode]) -> Callable[..., None]:
    """What follows the node for a wrapper, without keeping the wrapper alive."""

    def update(*_event: object) -> None:
        followed = wrapper()
        for parameter in followed.allParameters.values() if followed is not None else ():
            parameter.update(followed)

    return update


def parameterNodeWrapper(cls: type) -> type:
    """Class decorator: the annotated attributes of the class become parameters, as `@parameterNodeWrapper` in Slicer.

    Raises:
        ValueError: a parameter has a name that the wrapper needs itself.
    """
    hints = typing.get_type_hints(cls, include_extras=True)
    if reserved := RESERVED & hints.keys():
        raise ValueError(f"Cannot use reserved name '{min(reserved)}' in a parameterNodeWrapper")
    parameters = {name: Parameter(cls, name, hint) for name, hint in hints.items()}
    body = {**parameters, "allParameters": parameters, "__module__": cls.__module__, "__doc__": cls.__doc__}
    return type(cls)(cls.__name__, (ParameterNode, cls), body)
