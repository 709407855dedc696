"""The stand-in's views, mouse and keyboard: what reaches an effect, what falls to the view, and what is drawn."""

import numpy as np
import pytest
import qt
import slicer
import vtk

import slicerhost
from editing import ELLIPSE, opened, register
from slicerhost import mouse

START, END = (200, 200), (260, 240)
YELLOW = (255, 255, 0)


@pytest.fixture
def calls():
    register(ELLIPSE)
    return __import__("ellipseEffect").calls


@pytest.fixture
def editor(ct, calls):
    with opened(ct, "Liver") as editor:
        editor.setActiveEffectByName("Ellipse")
        calls.clear()
        yield editor


def view(name="Red"):
    return slicer.app.layoutManager().sliceWidget(name).sliceView()


def test_there_are_views_in_an_open_main_window_alone():
    assert (slicer.app.layoutManager(), slicer.util.mainWindow()) == (None, None)
    with slicerhost.mainWindow() as window:
        assert slicer.util.mainWindow() is window
        manager = slicer.app.layoutManager()
        assert set(manager.sliceViewNames()) == {"Red", "Yellow", "Green"}
        assert manager.sliceWidget("Red").className() == "qMRMLSliceWidget"
        assert manager.threeDWidget(0).mrmlViewNode().IsA("vtkMRMLViewNode")
    assert (slicer.app.layoutManager(), slicer.util.mainWindow()) == (None, None)


def test_a_drag_is_heard_in_vtk_s_order(editor, calls):
    mouse.drag("Red", START, END, steps=2)
    moves = ["MouseMoveEvent"] * 2
    assert calls == ["EnterEvent", "MouseMoveEvent", "LeftButtonPressEvent", *moves, "LeftButtonReleaseEvent"]
    calls.clear()
    mouse.move("Green", START)
    assert calls == ["LeaveEvent", "EnterEvent", "MouseMoveEvent"]


def test_what_the_effect_takes_does_not_come_to_the_view(editor):
    mouse.drag("Red", START, END)
    assert mouse.fellThrough["LeftButtonPressEvent"] == mouse.fellThrough["LeftButtonReleaseEvent"] == 0
    assert mouse.fellThrough["MouseMoveEvent"] == 1  # before the button was pressed
    mouse.drag("Red", START, END, shift=True)
    assert mouse.fellThrough["LeftButtonPressEvent"] == 1


def test_modifiers_and_places_are_vtk_s(editor, monkeypatch):
    seen = []

    def note(_self, interactor, eventId, _widget):
        seen.append((interactor.GetEventPosition(), interactor.GetControlKey(), interactor.GetShiftKey()))
        return eventId == vtk.vtkCommand.LeftButtonPressEvent

    monkeypatch.setattr(type(editor.activeEffect().self()), "processInteractionEvents", note)
    mouse.press("Red", START, ctrl=True)
    assert seen[-1] == (START, 1, 0)
    mouse.press("Red", START, shift=True)
    assert seen[-1] == (START, 0, 1)


def test_a_double_click_comes_in_the_place_of_the_second_press(editor, calls):
    mouse.doubleClick("Red", START)
    buttons = [name for name in calls if "Button" in name]
    press, release = "LeftButtonPressEvent", "LeftButtonReleaseEvent"
    assert buttons == [press, release, "LeftButtonDoubleClickEvent", release]


def test_a_point_in_millimetres_is_where_the_view_shows_it(editor):
    ras = view().convertXYZToRAS([*START, 0])
    assert mouse.pixelOf("Red", ras) == START
    effect = editor.activeEffect().self()
    widget = slicer.app.layoutManager().sliceWidget("Red")
    assert np.allclose(effect.xyToRas(START, widget), ras, atol=1e-3)
    assert np.allclose(effect.rasToXy(ras, widget), START, atol=1)


def test_a_point_that_is_not_shown_cannot_be_clicked(editor):
    ras = np.array(view().convertXYZToRAS([*START, 0]))
    with pytest.raises(AssertionError, match="not in the slice that Red shows"):
        mouse.press("Red", np.add(ras, [0, 0, 6]).tolist())
    with pytest.raises(AssertionError, match="outside Red"):
        mouse.press("Red", (5000, 10))


def test_the_wheel_turns_to_the_next_slice_where_the_effect_leaves_it(editor, ct):
    before = slicer.app.sliceLogics["Red"].GetSliceOffset()
    mouse.wheel("Red", START, 1)
    assert abs(slicer.app.sliceLogics["Red"].GetSliceOffset() - before) == pytest.approx(ct.GetSpacing()[2])


def test_window_and_level_are_set_by_a_drag_that_no_effect_takes(editor, ct):
    editor.setActiveEffect(None)
    editor.interactionNode().SetCurrentInteractionMode(editor.interactionNode().AdjustWindowLevel)
    before = ct.GetDisplayNode().GetWindow()
    mouse.drag("Red", START, END)
    editor.interactionNode().SetCurrentInteractionMode(editor.interactionNode().ViewTransform)
    assert ct.GetDisplayNode().GetWindow() != before


def test_shift_and_a_move_lead_the_other_views_there(editor):
    ras = view().convertXYZToRAS([*START, 0])
    mouse.move("Red", START, shift=True)
    assert abs(slicer.app.sliceLogics["Yellow"].GetSliceOffset()) == pytest.approx(abs(ras[0]), abs=0.1)


def test_keys_come_to_the_view_that_was_clicked(editor, calls):
    with pytest.raises(AssertionError, match="click into the view first"):
        mouse.key("Red", "Return")
    mouse.click("Red", START)
    calls.clear()
    for keysym in ("Return", "BackSpace", "a"):
        mouse.key("Red", keysym)
    assert [name for name in calls if "Event" not in name] == ["Return", "BackSpace", "a"]


@pytest.mark.parametrize("keysym", ["Escape", "space", "z", "q", "i"])
def test_shortcuts_come_before_the_effect(editor, calls, keysym):
    mouse.click("Red", START)
    calls.clear()
    mouse.key("Red", keysym)
    assert "KeyPressEvent" not in calls


def test_escape_reaches_the_effect_while_its_shortcut_is_off(editor, calls):
    mouse.click("Red", START)
    (escape,) = (each for each in slicer.util.mainWindow().findChildren("QShortcut") if each.key.toString() == "Esc")
    escape.setEnabled(False)
    mouse.key("Red", "Escape")
    assert calls[-2:] == ["Escape", "KeyReleaseEvent"]
    escape.setEnabled(True)
    mouse.key("Red", "Escape")
    assert editor.activeEffect() is None


def test_an_event_filter_sees_no_key_of_a_shortcut(editor):
    class Filter(qt.QObject):
        def eventFilter(self, _watched, event):
            return event.type() == qt.QEvent.ShortcutOverride and event.key() == qt.Qt.Key_Escape

    keys = Filter()
    mouse.click("Red", START)
    view().installEventFilter(keys)
    mouse.key("Red", "a")
    view().removeEventFilter(keys)
    assert "has no attribute 'key'" in str(slicerhost.signals.slotErrors.pop(0))
    slicerhost.signals.slotErrors.clear()


def test_a_static_method_of_cxx_is_called_of_an_object(editor):
    widget = slicer.app.layoutManager().sliceWidget("Red")
    assert editor.activeEffect().renderer(widget) is not None
    with pytest.raises(TypeError):
        slicer.qSlicerSegmentEditorAbstractEffect.renderer(widget)


def test_an_actor_of_the_effect_is_drawn_until_it_is_taken_away(editor):
    mouse.move("Red", START)
    mouse.press("Red", START)
    mouse.move("Red", END)
    assert YELLOW in colours()
    mouse.release("Red", END)
    assert YELLOW not in colours()


def colours() -> set[tuple[int, int, int]]:
    return {tuple(pixel) for pixel in view()._view.picture().reshape(-1, 3).tolist()}


def test_rendering_is_resumed_as_often_as_it_is_paused(editor):
    mouse.drag("Red", START, END)
    editor.undo()
    assert slicer.app.rendersPaused == 0
