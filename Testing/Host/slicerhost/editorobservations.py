"""How the Segment Editor listens to the views: interactors' events and view nodes' changes go to the active effect."""

from __future__ import annotations

from typing import Any

import slicer
import vtk

BEFORE_THE_VIEW = 1.0
"""Priority of the editor's observers; the view's own style has 0."""
BUTTONS = [f"{button}Button{what}" for button in ("Left", "Right", "Middle") for what in ("Press", "Release")]
DOUBLE_CLICKS = [f"{button}ButtonDoubleClick" for button in ("Left", "Right", "Middle")]
WHEEL = [f"MouseWheel{direction}" for direction in ("Forward", "Backward", "Left", "Right")]
IN_3D = [f"{name}Event" for name in (*BUTTONS, "MouseMove", *WHEEL, "KeyPress", "KeyRelease", "Enter", "Leave")]
IN_SLICES = [*IN_3D, *(f"{name}Event" for name in DOUBLE_CLICKS)]


class ViewObservations:
    """The editor's observers of all views in which its segmentation is shown, until `remove`."""

    def __init__(self, editor: Any, logic: slicer.vtkSlicerSegmentEditorLogic) -> None:
        self._editor, self._logic = editor, logic
        self._made: list[tuple[vtk.vtkObject, int]] = []
        self.active = False

    def setUp(self) -> None:
        """Observe the views that are there now, where there is a layout manager."""
        self.remove()
        manager = slicer.app.layoutManager()
        if manager is None:
            return
        for name in manager.sliceViewNames():
            widget = manager.sliceWidget(name)
            self._observe(widget, widget.sliceView().interactor(), widget.mrmlSliceNode(), IN_SLICES)
        for number in range(manager.threeDViewCount):
            widget = manager.threeDWidget(number)
            self._observe(widget, widget.threeDView().interactor(), widget.mrmlViewNode(), IN_3D)
        self.active = True

    def remove(self) -> None:
        for observed, tag in self._made:
            observed.RemoveObserver(tag)
        self._made.clear()
        self.active = False

    def _observe(self, widget: Any, interactor: vtk.vtkRenderWindowInteractor, node: Any, events: list[str]) -> None:
        if not self._logic.IsSegmentationDisplayableInView(node):
            return
        tags: dict[str, int] = {}

        def onInteraction(_caller: vtk.vtkObject, event: str) -> None:
            effect = self._listening()
            if effect is None:
                return
            if effect._processInteractionEvents(interactor, vtk.vtkCommand.GetEventIdFromString(event), widget):
                interactor.GetCommand(tags[event]).SetAbortFlag(1)

        def onNode(_caller: vtk.vtkObject, event: str) -> None:
            effect = self._listening()
            if effect is not None:
                effect._processViewNodeEvents(node, vtk.vtkCommand.GetEventIdFromString(event), widget)

        for event in events:
            tags[event] = interactor.AddObserver(event, onInteraction, BEFORE_THE_VIEW)
            self._made.append((interactor, tags[event]))
        self._made.append((node, node.AddObserver(vtk.vtkCommand.ModifiedEvent, onNode, BEFORE_THE_VIEW)))

    def _listening(self) -> Any:
        """The effect that hears of events, None while the scene closes."""
        scene = self._editor.mrmlScene()
        if scene is None or scene.IsClosing() or self._editor.mrmlSegmentEditorNode() is None:
            return None
        return self._editor.activeEffect()
