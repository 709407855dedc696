"""What the stand-ins for ctk's and MRML's widgets share: where they are listed, and their properties."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtWidgets

STAND_INS: dict[str, type[QtWidgets.QWidget]] = {}
"""The widget classes that a .ui may name beside Qt's own, by name."""


def standIn(cls: type) -> type:
    """List a class among the stand-ins, whose objects take no new attributes, as those of C++ classes in PythonQt."""
    cls.standsForCxx = True
    meta = cls.staticMetaObject  # PySide6 loses it with the first object that is deleted
    cls.cxxProperties = frozenset(meta.property(index).name() for index in range(meta.propertyCount()))
    STAND_INS[cls.__name__] = cls
    return cls


def stored(name: str, kind: type | str, default: Any, changed: str = "") -> QtCore.Property:
    """A Qt property that is a plain value; `changed` names a method to call without arguments after it was set."""

    def read(self: QtCore.QObject) -> Any:
        return self.__dict__.get(f"_{name}", default)

    def write(self: QtCore.QObject, value: Any) -> None:
        self.__dict__[f"_{name}"] = value
        if changed:
            getattr(self, changed)()

    return QtCore.Property(kind, read, write)


def forwarded(name: str, kind: type | str, inner: str) -> QtCore.Property:
    """A Qt property that is the property of the same name of the widget in the attribute `inner`."""

    def read(self: QtCore.QObject) -> Any:
        return getattr(self.__dict__[inner], name)

    def write(self: QtCore.QObject, value: Any) -> None:
        setattr(self.__dict__[inner], name, value)

    return QtCore.Property(kind, read, write)


def plainLayout(layout: QtWidgets.QLayout) -> QtWidgets.QLayout:
    """A layout without margins, for the parts of one widget."""
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(2)
    return layout
