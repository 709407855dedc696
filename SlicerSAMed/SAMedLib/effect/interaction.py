"""Mouse and keys in a slice view: left drag is a box, a click a point, Enter, Escape and Backspace say what becomes of them."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
import slicer
import vtk

DRAG_PIXELS = 4
"""A press that has moved less than this when it ends is a click."""

KEEP_KEYS, DROP_KEYS, TAKE_BACK_KEYS = ("Return", "KP_Enter"), ("Escape",), ("BackSpace",)


class Prompted(Protocol):
    """What becomes of the mouse's movements; places are world RAS (3,)."""

    def canBegin(self, sliceWidget, world: np.ndarray) -> bool:
        """Whether a prompt may begin here; where not, the event is left to the view."""

    def begin(self, world: np.ndarray) -> bool:
        """False where the person decides otherwise; the event is taken all the same."""

    def boxMoved(self, first: np.ndarray, opposite: np.ndarray) -> None: ...

    def boxDrawn(self, first: np.ndarray, opposite: np.ndarray) -> None: ...

    def clicked(self, world: np.ndarray, belongs: bool) -> None: ...

    def keep(self) -> bool:
        """False where there is nothing to keep, drop or take back."""

    def drop(self) -> bool: ...

    def takeBack(self) -> bool: ...


class Interaction:
    """Takes the events of the slice views, and gives their meaning to `prompted`."""

    def __init__(self, prompted: Prompted) -> None:
        self._prompted = prompted
        self._press: tuple[object, tuple[int, int], np.ndarray] | None = None
        self._isDragging = self._belongs = False

    def process(self, interactor: vtk.vtkRenderWindowInteractor, event: int, sliceWidget) -> bool:
        """Whether the event was taken, so that the view is not to act on it."""
        command = vtk.vtkCommand
        if event in (command.LeftButtonPressEvent, command.LeftButtonDoubleClickEvent):
            return self._pressed(interactor, sliceWidget)
        if event == command.KeyPressEvent:
            return self._key(interactor.GetKeySym())
        if self._press is None or self._press[0] is not sliceWidget:
            return False
        if event == command.MouseMoveEvent:
            self._moved(interactor)
            return True
        if event == command.LeftButtonReleaseEvent:
            self._released(interactor)
            return True
        return False

    def cancel(self) -> None:
        """Forget a press that has not ended."""
        self._press = None

    def _pressed(self, interactor, sliceWidget) -> bool:
        if interactor.GetShiftKey() or interactor.GetAltKey():
            return False
        xy = interactor.GetEventPosition()
        world = _worldAt(sliceWidget, xy)
        if not self._prompted.canBegin(sliceWidget, world):
            return False
        if self._prompted.begin(world):
            # VTK reports the Command key of macOS as Control.
            self._belongs = not interactor.GetControlKey()
            self._press, self._isDragging = (sliceWidget, xy, world), False
        return True

    def _moved(self, interactor) -> None:
        sliceWidget, begin, world = self._press
        xy = interactor.GetEventPosition()
        self._isDragging = self._belongs and (self._isDragging or math.dist(xy, begin) >= DRAG_PIXELS)
        if self._isDragging:
            self._prompted.boxMoved(world, _worldAt(sliceWidget, xy))

    def _released(self, interactor) -> None:
        self._moved(interactor)
        sliceWidget, _begin, world = self._press
        self._press = None
        if self._isDragging:
            self._prompted.boxDrawn(world, _worldAt(sliceWidget, interactor.GetEventPosition()))
        else:
            self._prompted.clicked(world, self._belongs)

    def _key(self, key: str) -> bool:
        if key in KEEP_KEYS:
            return self._prompted.keep()
        if key in DROP_KEYS:
            return self._prompted.drop()
        if key in TAKE_BACK_KEYS:
            return self._prompted.takeBack()
        return False


class EscapeKey:
    """Escape reaches the slice views while there are prompts to drop: otherwise it is the editor's shortcut to leave an effect.

    A shortcut of the window comes before the views, and a second one of the same key would only make both ambiguous.
    """

    def __init__(self) -> None:
        self._disabled: list = []

    def take(self) -> None:
        """It is the views' until `giveBack`."""
        window = slicer.util.mainWindow()
        for shortcut in window.findChildren("QShortcut") if window is not None else ():
            if shortcut.enabled and shortcut.key.toString() == "Esc":
                shortcut.enabled = False
                self._disabled.append(shortcut)

    def giveBack(self) -> None:
        """It is the editor's again."""
        for shortcut in self._disabled:
            shortcut.enabled = True
        self._disabled.clear()


def _worldAt(sliceWidget, xy: tuple[int, int]) -> np.ndarray:
    """(3,) the place in world RAS that a pixel of the view shows."""
    toRAS = slicer.util.arrayFromVTKMatrix(sliceWidget.mrmlSliceNode().GetXYToRAS())
    return (toRAS @ [*xy, 0.0, 1.0])[:3]
