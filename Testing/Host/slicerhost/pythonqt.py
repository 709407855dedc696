"""PySide6 dressed as PythonQt, the Python binding of Qt in Slicer.

What differs there and is imitated here, for every class derived from QObject:

- Qt properties are attributes, to read and to write: `button.text`, `table.rowCount`, `widget.width`.
- A new attribute on an object of Qt's own classes is refused, as is one that would hide a method or a signal.
- `object.connect("signal(types)", function)`; see `signals`.
- `name`, `className()`, `delete()`, `findChildren("QWidget")`.
- An object without a parent is deleted at once with the last reference to it, `deleteLater()` or not; see `signals`.
- An event filter of Python hears of `ShortcutOverride` as a plain QEvent, without `key()`; what it raises is noted.
- File dialogs answer with a plain string; see `dialogs`.

Stricter than PythonQt: a signal that does not exist raises, where PythonQt prints a line and goes on.
"""

from __future__ import annotations

import ctypes
import inspect
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import shiboken6
from PySide6 import QtCore, QtGui, QtNetwork, QtWidgets

from slicerhost.signals import BoundSignal, connect, disconnect, guarded

QT_MODULES = (QtCore, QtGui, QtNetwork, QtWidgets)
_readProperty, _writeProperty = QtCore.QObject.property, QtCore.QObject.setProperty
_nativeSingleShot = QtCore.QTimer.singleShot
_findChildren = QtCore.QObject.findChildren
_installEventFilter = QtCore.QObject.installEventFilter
_dressed: set[type] = set()
_beingRead: set[tuple[int, str]] = set()


class PropertyAttribute:
    """A Qt property as an attribute of the objects; the class itself keeps what stood there (`QTimer.singleShot`)."""

    def __init__(self, name: str, ofClass: Any, ofObjects: bool = False) -> None:
        """`ofObjects`: its values are QObjects, which PySide6 would delete with the answer; they are read by the getter."""
        self.name = name
        self.ofClass = ofClass
        self.ofObjects = ofObjects

    def __get__(self, instance: QtCore.QObject | None, owner: type | None = None) -> Any:
        key = (id(instance), self.name)
        if instance is None or key in _beingRead:
            return self.ofClass
        if self.ofObjects:
            return self.ofClass(instance)
        _beingRead.add(key)  # reading `sizeHint` makes PySide6 ask for a method of that name
        try:
            return _readProperty(instance, self.name)
        finally:
            _beingRead.discard(key)

    def __set__(self, instance: QtCore.QObject, value: Any) -> None:
        meta = instance.metaObject()
        kind = meta.property(meta.indexOfProperty(self.name)).typeName()
        if kind == "QString" and value is not None:
            value = str(value)
        if value is None or not _writeProperty(instance, self.name, value):
            raise AttributeError(f"Property '{self.name}' of type '{kind}' does not accept {value!r}")


def attributeReader(native: Callable[[QtCore.QObject, str], Any]) -> Callable[[QtCore.QObject, str], Any]:
    """`__getattribute__` of a class whose own one is `native`."""

    def readAttribute(instance: QtCore.QObject, name: str) -> Any:
        value = native(instance, name)
        if name == "connect":  # PySide6 finds these two by itself, past the class, and calls them with more arguments
            return lambda *given: connect(instance, *given) if len(given) == 2 else value(*given)
        if name == "disconnect":
            return lambda *given: disconnect(instance, *given) if len(given) <= 2 else value(*given)
        return BoundSignal(instance, name, value) if type(value) is QtCore.SignalInstance else value

    return readAttribute


def writeAttribute(instance: QtCore.QObject, name: str, value: Any) -> None:
    """Set a property; on objects of a class written in Python also any other attribute, as in PythonQt.

    Raises:
        AttributeError: the class has no such property.
    """
    ownedByPython = not (type(instance) in _dressed or getattr(type(instance), "standsForCxx", False)) or name.startswith("_")
    existing = inspect.getattr_static(type(instance), name, None)
    if type(value) is QtCore.SignalInstance:  # PySide6 keeps a signal with its object when it is first asked for
        instance.__dict__[name] = value
    elif isinstance(value, QtWidgets.QWidget) and value.objectName == name and isinstance(instance, QtWidgets.QWidget):
        instance.__dict__.setdefault(name, value)  # PySide6's QUiLoader names the children so; PythonQt finds them by name too
    elif isinstance(existing, PropertyAttribute | property):
        existing.__set__(instance, value)
    elif isinstance(existing, QtCore.Property):
        PropertyAttribute(name, None).__set__(instance, value)
    elif name in bytesOf(instance.dynamicPropertyNames()):
        _writeProperty(instance, name, value)
    elif ownedByPython:
        instance.__dict__[name] = value
    elif existing is None:
        raise AttributeError(f"'{name}' does not exist on {type(instance).__name__}, and C++ objects take no new attributes")
    else:
        raise AttributeError(f"'{name}' cannot be overwritten on a {type(instance).__name__} object")


def bytesOf(names: list[QtCore.QByteArray]) -> list[str]:
    return [bytes(name.data()).decode() for name in names]


def dressClass(cls: type) -> None:
    """Make the objects of a Qt class behave as in PythonQt."""
    meta = cls.staticMetaObject
    for index in range(meta.propertyCount()):
        name = meta.property(index).name()
        own = cls.__dict__.get(name)
        if type(own).__name__ != "Signal" and (own is not None or index >= meta.propertyOffset()):
            ofObjects = meta.property(index).typeName().endswith("*")
            setattr(cls, name, PropertyAttribute(name, getattr(cls, name, None), ofObjects))
    if "__getattribute__" in cls.__dict__:  # few classes have their own
        cls.__getattribute__ = attributeReader(cls.__getattribute__)
    cls.__setattr__ = writeAttribute
    _dressed.add(cls)


def findChildren(self: QtCore.QObject, kind: type | str) -> list[QtCore.QObject]:
    """All objects below this one, of a class or of a class with this name."""
    if isinstance(kind, str):
        return [child for child in _findChildren(self, QtCore.QObject) if child.inherits(kind)]
    return _findChildren(self, kind)


class PlainEvent:
    """An event as PythonQt shows it where it does not know its C++ class."""

    def __init__(self, event: QtCore.QEvent) -> None:
        for name in ("type", "accept", "ignore", "isAccepted", "setAccepted", "spontaneous"):
            setattr(self, name, getattr(event, name))


def installEventFilter(self: QtCore.QObject, watcher: QtCore.QObject) -> None:
    """As Qt's own; the filter, where it is Python's, is called as PythonQt calls it."""
    cls = type(watcher)
    own = vars(cls).get("eventFilter")
    if inspect.isfunction(own):

        def filtered(instance: QtCore.QObject, watched: QtCore.QObject, event: QtCore.QEvent) -> bool:
            known = event.type() != QtCore.QEvent.ShortcutOverride
            answers: list[bool] = []
            guarded(lambda: answers.append(own(instance, watched, event if known else PlainEvent(event))))()
            return answers == [True]

        filtered.__wrapped__ = own
        if not hasattr(own, "__wrapped__"):
            cls.eventFilter = filtered
    _installEventFilter(self, watcher)


def singleShot(msec: int, function: Callable[[], Any]) -> None:
    """Call a function once, after some milliseconds."""
    _nativeSingleShot(msec, guarded(function))


def keepSingletons() -> None:
    """Keep None, True and False from being freed.

    PySide6 6.12 gives away references to them that it does not own. Python 3.12 and later never free them; earlier ones would,
    after some thousand signals and properties, and end the process.
    """
    if sys.version_info < (3, 12):
        for singleton in (None, True, False):
            ctypes.c_ssize_t.from_address(id(singleton)).value += 2**40


def dressQt() -> None:
    """Dress every class of Qt, once a process."""
    if _dressed:
        return
    keepSingletons()
    for module in QT_MODULES:
        for name in dir(module):  # PySide6 fills its modules lazily: vars() would miss most of them
            cls = getattr(module, name)
            if inspect.isclass(cls) and issubclass(cls, QtCore.QObject) and cls not in _dressed:
                dressClass(cls)
    base = QtCore.QObject
    base.name = property(lambda self: _readProperty(self, "objectName"), lambda self, value: self.setObjectName(value))
    base.className = lambda self: self.metaObject().className()
    base.delete = lambda self: shiboken6.delete(self)
    # PySide6's own gives the object away to Qt, so that it outlives the last reference
    base.deleteLater = lambda self: QtCore.QMetaObject.invokeMethod(self, "deleteLater")
    QtCore.QTimer.__dict__["singleShot"].ofClass = singleShot
    base.findChildren = findChildren
    base.installEventFilter = installEventFilter


def qtModule() -> ModuleType:
    """The module `qt`: all of Qt's classes in one place, as Slicer has it."""
    dressQt()
    qt = ModuleType("qt", "Qt's classes, as in Slicer")
    for module in QT_MODULES:
        for name in dir(module):
            if name.startswith("Q") or name in ("Signal", "Slot", "Property"):
                setattr(qt, name, getattr(module, name))
    return qt
