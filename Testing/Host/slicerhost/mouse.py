"""A mouse and a keyboard for the views of an open main window.

A place is (right, anterior, superior) in mm, of a point in the shown slice, or (x, y) in pixels from the lower left corner.
Events go to VTK as Slicer's views send them; what nobody took comes to the view itself, and is counted in `fellThrough`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import slicer
import vtk
from PySide6 import QtCore, QtTest, QtWidgets

from slicerhost.events import processEvents
from slicerhost.viewwidgets import SPECIAL_KEYS, VTKView

AFTER_THE_EDITOR = 0.5
"""Priority of an observer between the Segment Editor's, 1, and that of the view's style, 0."""
HALF_A_SLICE = 0.5

fellThrough: Counter[str] = Counter()
"""How often an event of each name has come to a view, since the last `forget`."""
_watched: set[str] = set()
_over: list[str] = []


def forget() -> None:
    """The mouse is nowhere, and nothing fell through."""
    fellThrough.clear()
    _over.clear()


def press(viewName: str, at: Sequence[float], *, button: str = "Left", ctrl: bool = False, shift: bool = False) -> None:
    """Press a button, "Left", "Right" or "Middle"; the view gets the keyboard. Ctrl stands for Cmd on macOS."""
    view = _viewOf(viewName)
    view.window().activateWindow()
    view.setFocus(QtCore.Qt.MouseFocusReason)
    _send(viewName, f"{button}ButtonPressEvent", at, ctrl, shift)


def move(viewName: str, at: Sequence[float], *, ctrl: bool = False, shift: bool = False) -> None:
    _send(viewName, "MouseMoveEvent", at, ctrl, shift)


def release(viewName: str, at: Sequence[float], *, button: str = "Left", ctrl: bool = False, shift: bool = False) -> None:
    _send(viewName, f"{button}ButtonReleaseEvent", at, ctrl, shift)


def click(viewName: str, at: Sequence[float], **held: bool) -> None:
    """Press and release in one place."""
    move(viewName, at, **held)
    press(viewName, at, **held)
    release(viewName, at, **held)


def doubleClick(viewName: str, at: Sequence[float]) -> None:
    """A click, and in place of the second press a double click, as Qt has it."""
    click(viewName, at)
    _send(viewName, "LeftButtonDoubleClickEvent", at, False, False)
    release(viewName, at)


def drag(viewName: str, start: Sequence[float], end: Sequence[float], steps: int = 4, **held: bool) -> None:
    """Press at the start, move to the end in some steps, release there."""
    move(viewName, start, **held)
    press(viewName, start, **held)
    for step in range(1, steps + 1):
        share = step / steps
        move(viewName, [a + share * (b - a) for a, b in zip(start, end, strict=True)], **held)
    release(viewName, end, **held)


def wheel(viewName: str, at: Sequence[float], clicks: int, *, ctrl: bool = False) -> None:
    """Turn the wheel, forwards where `clicks` is positive."""
    for _click in range(abs(clicks)):
        _send(viewName, f"MouseWheel{'Forward' if clicks > 0 else 'Backward'}Event", at, ctrl, False)


def leave() -> None:
    """Take the mouse out of the view that it is over."""
    if _over:
        _viewOf(_over.pop()).interactor().InvokeEvent("LeaveEvent")


def key(viewName: str, keysym: str, *, ctrl: bool = False, shift: bool = False) -> None:
    """Press and release a key by VTK's name of it ("Return", "Escape", "BackSpace", "z") while the view has the keyboard.

    As in Slicer the window's shortcuts come first; with the Segment Editor these are Escape, the space bar and many letters.

    Raises:
        AssertionError: the keyboard is elsewhere; a person clicks into the view first.
    """
    view = _viewOf(viewName)
    focus = QtWidgets.QApplication.focusWidget()
    assert focus is view, f"the keyboard is not in {viewName} but in {focus}: click into the view first"
    special = {name: code for code, name in reversed(SPECIAL_KEYS.items())}
    modifiers = QtCore.Qt.ControlModifier if ctrl else QtCore.Qt.NoModifier
    if shift:
        modifiers |= QtCore.Qt.ShiftModifier
    QtTest.QTest.keyClick(view, special.get(keysym, keysym), modifiers)
    processEvents()


def pixelOf(viewName: str, at: Sequence[float]) -> tuple[int, int]:
    """x and y of a place in a view.

    Raises:
        AssertionError: it is not in the shown slice, or outside the view.
    """
    view = _viewOf(viewName)
    if len(at) == 3:
        x, y, depth = view.convertRASToXYZ(list(at))
        assert abs(depth) <= HALF_A_SLICE, f"{tuple(at)} mm is not in the slice that {viewName} shows: {depth:.1f} slices away"
        at = (x, y)
    x, y = (round(value) for value in at)
    width, height = view._view.size
    inside = 0 <= x < width and 0 <= y < height
    assert inside, f"({x}, {y}) is outside {viewName}, which has {width} x {height} pixels"
    return x, y


def _viewOf(viewName: str) -> VTKView:
    manager = slicer.app.layoutManager()
    assert manager is not None, "there are no views: open a main window first"
    return (manager.threeDWidget(0) if viewName == "1" else manager.sliceWidget(viewName))._viewOf()


def _send(viewName: str, event: str, at: Sequence[float], ctrl: bool, shift: bool) -> None:
    x, y = pixelOf(viewName, at)
    interactor = _viewOf(viewName).interactor()
    _watch(viewName, interactor)
    interactor.SetEventInformation(x, y, int(ctrl), int(shift), "\0", int("DoubleClick" in event), None)
    if _over != [viewName]:
        leave()
        _over.append(viewName)
        interactor.InvokeEvent("EnterEvent")
    interactor.InvokeEvent(event)
    processEvents()


def _watch(viewName: str, interactor: vtk.vtkRenderWindowInteractor) -> None:
    """Count what comes to the view, from now on."""
    if viewName not in _watched:
        _watched.add(viewName)
        interactor.AddObserver("AnyEvent", _count, AFTER_THE_EDITOR)


def _count(_interactor: vtk.vtkRenderWindowInteractor, event: str) -> None:
    fellThrough[event] += 1
