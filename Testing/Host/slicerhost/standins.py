"""What the stand-ins for Slicer's widgets share: their properties."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore


def standIn(cls: type) -> type:
    """A class whose objects take no new attributes, as those of C++ classes in PythonQt, and whose properties are known."""
    cls.standsForCxx = True
    meta = cls.staticMetaObject  # PySide6 loses it with the first object that is deleted
    cls.cxxProperties = frozenset(meta.property(index).name() for index in range(meta.propertyCount()))
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
