"""Which widget shows which type of parameter, and how."""

from __future__ import annotations

import enum
import math
import pathlib
import types
import typing
from collections.abc import Callable
from typing import Any

import slicer
from PySide6 import QtWidgets

from slicerhost.ctkinputs import (
    ctkCheckBox,
    ctkComboBox,
    ctkDirectoryButton,
    ctkDoubleSpinBox,
    ctkPathLineEdit,
    ctkSliderWidget,
)
from slicerhost.nodecombobox import qMRMLNodeComboBox
from slicerhost.parameternode.annotations import Choice, Decimals, Maximum, Minimum, SingleStep, WithinRange, first, split

INT_RANGE = (-(2**31), 2**31 - 1)


class GuiConnector:
    """A widget seen as a value.

    Args:
        widget: the widget.
        hint: the parameter's type with its annotations.

    Class attributes:
        widgets: the widget classes that this connector knows; not those derived from them, as in Slicer.
        signal: sent when the user changes the value.
        attribute: the widget's property with the value.
    """

    widgets: tuple[type, ...] = ()
    signal, attribute = "", ""

    def __init__(self, widget: QtWidgets.QWidget, hint: Any) -> None:
        self._widget, self._callback = widget, None
        self.kind, self.annotations = split(hint)

    @classmethod
    def takes(cls, kind: Any) -> bool:
        """Whether it shows values of this type."""
        raise NotImplementedError

    @classmethod
    def canRepresent(cls, widget: QtWidgets.QWidget, hint: Any) -> bool:
        return type(widget) in cls.widgets and cls.takes(split(hint)[0])

    def widget(self) -> QtWidgets.QWidget:
        return self._widget

    def onChanged(self, callback: Callable[[], None] | None) -> None:
        """Call this when the user changes the value; None ends it."""
        if self._callback is not None:
            getattr(self._widget, self.signal).disconnect(self.changed)
        self._callback = callback
        if callback is not None:
            getattr(self._widget, self.signal).connect(self.changed)

    def changed(self) -> None:
        if self._callback is not None:
            self._callback()

    def read(self) -> Any:
        return self.kind(getattr(self._widget, self.attribute))

    def write(self, value: Any) -> None:
        setattr(self._widget, self.attribute, value)


class CheckBoxConnector(GuiConnector):
    widgets = (QtWidgets.QCheckBox, ctkCheckBox)
    signal, attribute = "stateChanged", "checked"

    @classmethod
    def takes(cls, kind: Any) -> bool:
        return kind is bool


class PushButtonConnector(CheckBoxConnector):
    widgets = (QtWidgets.QPushButton,)
    signal = "toggled"

    def __init__(self, widget: QtWidgets.QPushButton, hint: Any) -> None:
        super().__init__(widget, hint)
        widget.checkable = True


class NumberConnector(GuiConnector):
    """The annotations set the widget's range, decimals and step; without a range they are unbounded, whatever the .ui says."""

    signal, attribute = "valueChanged", "value"
    bounded: tuple[type, ...] = ()

    def __init__(self, widget: QtWidgets.QWidget, hint: Any) -> None:
        super().__init__(widget, hint)
        within = first(self.annotations, WithinRange)
        low = within or first(self.annotations, Minimum)
        high = within or first(self.annotations, Maximum)
        if type(widget) in self.bounded and not (low and high):
            raise RuntimeError(f"{type(widget).__name__} shows no number without a range")
        self.prepare(first(self.annotations, Decimals))
        if step := first(self.annotations, SingleStep):
            widget.singleStep = step.value
        widget.minimum = low.minimum if low else self.limits[0]
        widget.maximum = high.maximum if high else self.limits[1]

    def prepare(self, decimals: Decimals | None) -> None:
        """Before the range is set, which rounds to the decimals."""


class SpinBoxConnector(NumberConnector):
    widgets = (QtWidgets.QSpinBox, QtWidgets.QSlider)
    bounded = (QtWidgets.QSlider,)
    limits = INT_RANGE

    @classmethod
    def takes(cls, kind: Any) -> bool:
        return kind is int


class DoubleSpinBoxConnector(NumberConnector):
    widgets = (QtWidgets.QDoubleSpinBox, ctkDoubleSpinBox, ctkSliderWidget)
    bounded = (ctkSliderWidget,)
    limits = (-math.inf, math.inf)

    @classmethod
    def takes(cls, kind: Any) -> bool:
        return kind in (int, float)

    def prepare(self, decimals: Decimals | None) -> None:
        if self.kind is int:
            self._widget.decimals = 0
        elif decimals is not None:
            self._widget.decimals = decimals.value


class ComboBoxConnector(GuiConnector):
    """The choices of a `Choice` annotation, which fill the combo box."""

    widgets = (QtWidgets.QComboBox, ctkComboBox)
    signal = "currentIndexChanged"

    def __init__(self, widget: QtWidgets.QComboBox, hint: Any) -> None:
        super().__init__(widget, hint)
        self.choices = self.listChoices()
        widget.clear()
        for label, _choice in self.choices:
            widget.addItem(label)

    @classmethod
    def takes(cls, kind: Any) -> bool:
        return kind in (int, float, str, bool)

    def listChoices(self) -> list[tuple[str, Any]]:
        choice = first(self.annotations, Choice)
        if choice is None:
            raise RuntimeError("a combo box needs the Choice annotation")
        return [(str(value), value) for value in choice.choices]

    def read(self) -> Any:
        return self.choices[self._widget.currentIndex][1]

    def write(self, value: Any) -> None:
        values = [choice for _label, choice in self.choices]
        self._widget.currentIndex = values.index(value)


class EnumConnector(ComboBoxConnector):
    """The members of an enumeration, by their `label()` where they have one, by name else."""

    @classmethod
    def takes(cls, kind: Any) -> bool:
        return isinstance(kind, type) and issubclass(kind, enum.Enum)

    def listChoices(self) -> list[tuple[str, Any]]:
        return [(member.label() if hasattr(member, "label") else member.name, member) for member in self.kind]


class TextConnector(GuiConnector):
    widgets = (QtWidgets.QLineEdit,)
    signal, attribute = "textChanged", "text"

    @classmethod
    def takes(cls, kind: Any) -> bool:
        return kind is str

    def write(self, value: str) -> None:
        if value != self._widget.text:  # setting it moves the cursor to the end
            self._widget.text = value


class LabelConnector(TextConnector):
    widgets = (QtWidgets.QLabel,)

    def onChanged(self, callback: Callable[[], None] | None) -> None:
        """A label is never changed by the user."""


class TextEditConnector(TextConnector):
    widgets = (QtWidgets.QTextEdit,)

    def read(self) -> str:
        return self._widget.toPlainText()

    def write(self, value: str) -> None:
        self._widget.setPlainText(value)


class PathConnector(GuiConnector):
    widgets = (ctkPathLineEdit,)
    signal, attribute = "currentPathChanged", "currentPath"

    @classmethod
    def takes(cls, kind: Any) -> bool:
        return isinstance(kind, type) and issubclass(kind, pathlib.PurePath)

    def write(self, value: pathlib.PurePath) -> None:
        setattr(self._widget, self.attribute, str(value))


class DirectoryConnector(PathConnector):
    widgets = (ctkDirectoryButton,)
    signal, attribute = "directoryChanged", "directory"


class NodeConnector(GuiConnector):
    """The node classes of the type become those of the combo box."""

    widgets = (qMRMLNodeComboBox,)
    signal = "currentNodeChanged"

    def __init__(self, widget: qMRMLNodeComboBox, hint: Any) -> None:
        super().__init__(widget, hint)
        widget.nodeTypes = [kind().GetClassName() for kind in nodeClasses(self.kind)]

    @classmethod
    def takes(cls, kind: Any) -> bool:
        return bool(nodeClasses(kind))

    def read(self) -> slicer.vtkMRMLNode | None:
        return self._widget.currentNode()

    def write(self, value: slicer.vtkMRMLNode | None) -> None:
        self._widget.setCurrentNode(value)


CONNECTORS = (
    CheckBoxConnector,
    PushButtonConnector,
    SpinBoxConnector,
    DoubleSpinBoxConnector,
    ComboBoxConnector,
    EnumConnector,
    TextConnector,
    LabelConnector,
    TextEditConnector,
    PathConnector,
    DirectoryConnector,
    NodeConnector,
)


def nodeClasses(kind: Any) -> list[type]:
    """The node classes that a type allows; none unless it is a node class or a union of these, perhaps with None."""
    members = [split(argument)[0] for argument in typing.get_args(kind)] if _isUnion(kind) else [kind]
    members = [member for member in members if member is not types.NoneType]
    every = all(isinstance(member, type) and issubclass(member, slicer.vtkMRMLNode) for member in members)
    return members if every else []


def _isUnion(kind: Any) -> bool:
    return typing.get_origin(kind) in (typing.Union, types.UnionType)


def createGuiConnector(widget: QtWidgets.QWidget, hint: Any) -> GuiConnector:
    """The connector of a widget to a type.

    Raises:
        RuntimeError: the widget shows no values of that type.
    """
    for connector in CONNECTORS:
        if connector.canRepresent(widget, hint):
            return connector(widget, hint)
    raise RuntimeError(f"Unable to create GUI connector from datatype '{hint}' to widget type '{type(widget)}'")
