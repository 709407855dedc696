"""Connecting Python functions to Qt signals the way PythonQt does it."""

from __future__ import annotations

import inspect
import sys
import traceback
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import Any

import shiboken6
from PySide6 import QtCore

_nativeDisconnect = QtCore.QObject.disconnect
slotErrors: list[BaseException] = []
"""What was raised in functions that a signal, a timer or a VTK event called. Slicer goes on after them, so tests look here."""
REFERENCES_OF_A_LOCAL = 2
"""What `sys.getrefcount` says of an object that only a local variable holds."""


def noteUnraised() -> None:
    """Note in `slotErrors` what VTK's observers raise too, which VTK hands to `sys.excepthook`."""
    printed = sys.excepthook

    def note(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        slotErrors.append(error)
        printed(kind, error, trace)

    sys.excepthook = note


class BoundSignal:
    """A signal of one object: `button.clicked`, to connect to, to disconnect from and to emit."""

    def __init__(self, instance: QtCore.QObject, name: str, signal: QtCore.SignalInstance) -> None:
        self._instance, self._name, self._signal = instance, name, signal

    def connect(self, slot: Callable) -> bool:
        return _join(self._instance, self._name, self._signal, slot, None)

    def disconnect(self, slot: Callable | None = None) -> bool:
        return _part(self._instance, self._name, slot)

    def emit(self, *arguments: Any) -> None:
        self._signal.emit(*arguments)


def connect(instance: QtCore.QObject, signal: str, slot: Callable) -> bool:
    """Call `slot` whenever the signal is sent.

    Args:
        signal: name and C++ types, "clicked(bool)".

    Raises:
        ValueError: the object has no such signal.
    """
    bound, count = _resolve(instance, signal)
    return _join(instance, signal, bound, slot, count)


def disconnect(instance: QtCore.QObject, signal: str, slot: Callable | None = None) -> bool:
    """Undo `connect`; without a slot, for all of them. False where there was no such connection."""
    _resolve(instance, signal)
    return _part(instance, signal, slot)


def guarded(slot: Callable, passed: int | None = None) -> Callable:
    """The slot as PythonQt calls it: with the first `passed` arguments, of these no more than a Python function takes.

    What it raises is printed and noted in `slotErrors`, for Qt knows no exceptions.
    """
    accepted = _positionalCount(slot)

    def call(*arguments: Any) -> None:
        arguments = arguments if passed is None else arguments[:passed]
        try:
            slot(*(arguments if accepted is None else arguments[:accepted]))
        except Exception as error:
            traceback.print_exc()
            slotErrors.append(error)

    return call


def _watched(sender: QtCore.QObject, call: Callable) -> Callable:
    """`call` as a slot of `sender`, which may be let go of in it only where it has a parent.

    Without one PythonQt deletes it at once, while its signal is still being sent, and Slicer crashes. Here this is noted in
    `slotErrors`, and the object lives on until the signal is over.
    """
    reference = weakref.ref(sender)

    def callAndLook(*arguments: Any) -> None:
        sending = reference()
        call(*arguments)
        if sending is None or not shiboken6.isValid(sending) or not shiboken6.ownedByPython(sending):
            return
        if sys.getrefcount(sending) <= REFERENCES_OF_A_LOCAL:
            slotErrors.append(RuntimeError(f"a {type(sending).__name__} without a parent was let go of inside its own signal"))
            QtCore.QTimer.singleShot(0, lambda kept=sending: None)

    return callAndLook


def _positionalCount(slot: Callable) -> int | None:
    """How many arguments PythonQt gives to a callable at most, those with a default included; None: all of them.

    It looks at Python functions and methods only: a `functools.partial`, a class or a Qt slot gets every argument.
    """
    function = slot.__func__ if inspect.ismethod(slot) else slot
    if not inspect.isfunction(function) or function.__code__.co_flags & inspect.CO_VARARGS:
        return None
    return function.__code__.co_argcount - inspect.ismethod(slot)


def _resolve(instance: QtCore.QObject, signal: str) -> tuple[QtCore.SignalInstance, int]:
    """The signal and its number of arguments."""
    wanted = bytes(QtCore.QMetaObject.normalizedSignature(signal).data()).decode()
    declared = getattr(type(instance), "cxxSignals", {})  # those that carry MRML nodes, which PySide6 has no C++ type for
    native = _nativeSignals(instance)
    if "(" not in signal or wanted not in [*native, *declared]:
        alike = sorted(s for s in [*native, *declared] if s.startswith(f"{signal.partition('(')[0]}("))
        raise ValueError(f"{type(instance).__name__} has no signal {signal!r}; has {alike}")
    name, _, types = wanted.rstrip(")").partition("(")
    name = declared.get(wanted, name)
    bound = getattr(instance, name)._signal
    if wanted in native and types and sum(s.startswith(f"{name}(") for s in native) > 1:
        bound = _overload(bound, types)
    return bound, len(types.split(",")) if types else 0


def _nativeSignals(instance: QtCore.QObject) -> list[str]:
    meta = instance.metaObject()
    methods = [meta.method(index) for index in range(meta.methodCount())]
    return [bytes(m.methodSignature().data()).decode() for m in methods if m.methodType() == QtCore.QMetaMethod.Signal]


def _overload(bound: QtCore.SignalInstance, types: str) -> QtCore.SignalInstance:
    """The overload with these C++ types, where PySide6 tells it from the others."""
    try:
        return bound[types]
    except (IndexError, KeyError, TypeError):
        return bound


def _join(instance: QtCore.QObject, key: str, bound: QtCore.SignalInstance, slot: Callable, count: int | None) -> bool:
    """Connect, and note it with the object, under the signal as it was written."""
    connection = bound.connect(_watched(instance, guarded(slot, count)))
    instance.__dict__.setdefault("_connections", []).append((key, slot, connection))
    return True


def _part(instance: QtCore.QObject, key: str, slot: Callable | None) -> bool:
    """Undo the first connection of a signal to a slot, all of them where there is no slot."""
    connections = instance.__dict__.get("_connections", [])
    ended = [made for made in connections if made[0] == key and (slot is None or made[1] == slot)]
    for made in ended if slot is None else ended[:1]:
        _nativeDisconnect(made[2])
        connections.remove(made)
    return bool(ended)
