"""Connecting Python functions to Qt signals the way PythonQt does it."""

from __future__ import annotations

import inspect
import re
import sys
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Any

from PySide6 import QtCore

slotErrors: list[BaseException] = []
"""What was raised in functions that a signal, a timer or a VTK event called. Slicer goes on after them, so tests look here."""


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
        return _part(self._instance, self._name, self._signal, slot)

    def emit(self, *arguments: Any) -> None:
        self._signal.emit(*arguments)

    __call__ = emit

    def __getitem__(self, overload: Any) -> BoundSignal:
        return BoundSignal(self._instance, self._name, self._signal[overload])


def connect(instance: QtCore.QObject, signal: str, slot: Callable) -> bool:
    """Call `slot` whenever the signal is sent.

    Args:
        signal: name and C++ types, "clicked(bool)".

    Raises:
        ValueError: the object has no such signal.
    """
    name, bound, count = _resolve(instance, signal)
    return _join(instance, signal, bound, slot, count, name)


def disconnect(instance: QtCore.QObject, signal: str, slot: Callable | None = None) -> bool:
    """Undo `connect`; without a slot, for all of them. False where there was no such connection."""
    _name, bound, _count = _resolve(instance, signal)
    return _part(instance, signal, bound, slot)


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


def _positionalCount(slot: Callable) -> int | None:
    """How many arguments PythonQt gives to a callable at most, those with a default included; None: all of them.

    It looks at Python functions and methods only: a `functools.partial`, a class or a Qt slot gets every argument.
    """
    function = slot.__func__ if inspect.ismethod(slot) else slot
    if not inspect.isfunction(function) or function.__code__.co_flags & inspect.CO_VARARGS:
        return None
    return function.__code__.co_argcount - inspect.ismethod(slot)


def _resolve(instance: QtCore.QObject, signal: str) -> tuple[str, QtCore.SignalInstance, int]:
    """The signal's name, the signal itself and its number of arguments."""
    wanted = bytes(QtCore.QMetaObject.normalizedSignature(signal).data()).decode()
    match = re.fullmatch(r"(\w+)\((.*)\)", wanted)
    meta = instance.metaObject()
    methods = [meta.method(index) for index in range(meta.methodCount())]
    native = [bytes(m.methodSignature().data()).decode() for m in methods if m.methodType() == QtCore.QMetaMethod.Signal]
    # signals of the stand-ins carry MRML nodes, for which PySide6 has no C++ type
    declared = getattr(type(instance), "cxxSignals", {})
    if match is None or wanted not in [*native, *declared]:
        alike = sorted(s for s in [*native, *declared] if s.startswith(f"{signal.partition('(')[0]}("))
        raise ValueError(f"{type(instance).__name__} has no signal {signal!r}; has {alike}")
    name, types = declared.get(wanted, match[1]), match[2]
    bound = getattr(instance, name)._signal
    overloads = [s for s in native if s.startswith(f"{name}(")]
    if wanted in native and types and len(overloads) > 1:
        bound = bound[types] if _hasOverload(bound, types) else bound
    return name, bound, len(types.split(",")) if types else 0


def _hasOverload(bound: QtCore.SignalInstance, types: str) -> bool:
    try:
        bound[types]
    except (IndexError, KeyError, TypeError):
        return False
    return True


def _join(instance, key, bound, slot, count, name=None) -> bool:
    called = guarded(slot, count)
    instance.__dict__.setdefault("_connections", []).append((key, slot, bound, called))
    bound.connect(called)
    return True


def _part(instance, key, bound, slot) -> bool:
    connections = instance.__dict__.get("_connections", [])
    ended = [c for c in connections if c[0] == key and (slot is None or c[1] == slot)]
    for connection in ended if slot is None else ended[:1]:
        connection[2].disconnect(connection[3])
        connections.remove(connection)
    return bool(ended)
