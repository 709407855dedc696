"""Boxes and clicks in a slice view, their preview, and what becomes of it."""

import numpy as np
import slicer

import slicerhost
from slicerhost import mouse


def rectangle(editing, k: int, rows: slice, columns: slice) -> np.ndarray:
    expected = np.zeros_like(editing.held())
    expected[k, rows, columns] = True
    return expected


def test_a_box_is_previewed_and_nothing_is_written(editing):
    editing.jump(1)
    before = editing.picture()
    editing.box(1)
    assert "Slice 1" in editing.said
    assert not editing.held().any()
    assert (np.abs(editing.picture() - before).sum(axis=2) > 0).sum() > 1000


def test_enter_keeps_the_mask_on_its_slice_alone(editing):
    editing.box(1)
    editing.key("Return")
    assert np.array_equal(editing.held(), rectangle(editing, 1, slice(20, 51), slice(20, 41)))
    assert editing.said == "Slice 1 is kept."


def test_apply_keeps_it_too(editing):
    assert not editing.ui.applyButton.enabled
    editing.box(1)
    slicerhost.click(editing.ui.applyButton)
    assert editing.slicesOf() == [1]
    assert not editing.ui.applyButton.enabled


def test_escape_drops_the_preview_and_the_effect_stays(editing):
    editing.jump(1)
    before = editing.picture()
    editing.box(1)
    editing.key("Escape")
    assert editing.activity is not None
    assert np.array_equal(editing.picture(), before)
    editing.key("Return")
    assert not editing.held().any()


def test_escape_without_prompts_leaves_the_effect_as_the_editor_has_it(editing):
    mouse.click("Red", editing.place(30, 30, 2), shift=True)
    editing.key("Escape")
    assert editing.activity is None


def test_clear_prompts_drops_them(editing):
    editing.box(1)
    slicerhost.click(editing.ui.clearButton)
    assert editing.activity.prompting.isEmpty
    assert not editing.ui.clearButton.enabled


def test_clicks_refine_the_mask(editing, promptedWorker):
    editing.box(1)
    editing.click(1, (60, 60))
    editing.click(1, (30, 30), ctrl=True)
    first, second, third = (request["prompt"] for request in promptedWorker.heard("Prompt")[-3:])
    assert first["box"]
    assert not first["points_in"]
    assert second["box"] == first["box"]
    assert len(second["points_in"]) == 1
    assert third["points_in"] == second["points_in"]
    assert len(third["points_out"]) == 1
    assert promptedWorker.heard("Prompt")[-1]["before"] is not None
    editing.key("Return")
    held = editing.held()[1]
    assert held[60, 60]
    assert held[40, 30]
    assert not held[30, 30]


def test_backspace_takes_back_the_last_point_and_then_the_box(editing):
    editing.box(1)
    editing.click(1, (60, 60))
    editing.key("BackSpace")
    editing.key("Return")
    assert np.array_equal(editing.held(), rectangle(editing, 1, slice(20, 51), slice(20, 41)))
    editing.box(2)
    editing.key("BackSpace")
    assert editing.activity.prompting.isEmpty


def test_a_click_on_a_slice_with_content_goes_on_from_it(editing, promptedWorker):
    editing.keep(1)
    editing.click(1, (70, 60))
    assert promptedWorker.heard("Prompt")[-1]["before"] is not None
    editing.key("Return")
    assert editing.held()[1, 60, 70]
    assert editing.held()[1, 30, 30]


def test_the_slice_becomes_the_mask_what_is_outside_goes(editing):
    editing.keep(1)
    editing.keep(1, (50, 50), (60, 60))
    assert np.array_equal(editing.held(), rectangle(editing, 1, slice(50, 61), slice(50, 61)))


def test_the_box_is_drawn_while_the_mouse_moves_and_its_mask_follows(editing):
    editing.jump(1)
    mouse.press("Red", editing.place(20, 20, 1))
    before = editing.picture()
    mouse.move("Red", editing.place(40, 50, 1))
    editing.wait()
    assert not np.array_equal(editing.picture(), before)
    assert editing.activity.prompting._now.draft.mask.any()
    assert editing.activity.prompting._now.prompts.last is None
    mouse.release("Red", editing.place(40, 50, 1))
    editing.wait()


def test_one_request_is_under_way_and_the_newest_takes_the_place_of_what_waits(editing, promptedWorker):
    editing.keep(3)
    promptedWorker.hold()
    editing.jump(1)
    count = len(promptedWorker.heard("Prompt"))
    mouse.drag("Red", editing.place(20, 20, 1), editing.place(40, 50, 1), steps=12)
    slicerhost.waitUntil(lambda: len(promptedWorker.heard("Prompt")) == count + 1)
    promptedWorker.answer()
    editing.wait()
    assert len(promptedWorker.heard("Prompt")) == count + 2
    editing.key("Return")
    assert np.array_equal(editing.held()[1], rectangle(editing, 1, slice(20, 51), slice(20, 41))[1])


def test_enter_before_the_answer_keeps_it_when_it_comes(editing, promptedWorker):
    editing.jump(1)
    promptedWorker.hold()
    mouse.drag("Red", editing.place(20, 20, 1), editing.place(40, 50, 1))
    editing.key("Return")
    assert not editing.held().any()
    promptedWorker.answer()
    editing.wait()
    assert editing.slicesOf() == [1]


def test_a_view_that_is_not_axial_keeps_its_mouse_and_the_frame_says_why(editing):
    slicerhost.mouse.forget()
    mouse.drag("Yellow", (250, 200), (300, 250))
    assert "axial" in editing.said
    assert slicerhost.mouse.fellThrough["LeftButtonPressEvent"] == 1
    assert editing.activity.prompting.isEmpty


def test_other_buttons_and_keys_are_the_views(editing):
    editing.jump(1)
    slicerhost.mouse.forget()
    mouse.drag("Red", (200, 200), (220, 230), shift=True)
    assert slicerhost.mouse.fellThrough["LeftButtonPressEvent"] == 1
    assert editing.activity.prompting.isEmpty


def test_a_second_quick_click_is_a_point_and_does_not_maximize_the_view(editing, promptedWorker):
    editing.jump(1)
    slicerhost.mouse.forget()
    mouse.doubleClick("Red", editing.place(30, 30, 1))
    editing.wait()
    assert slicerhost.mouse.fellThrough["LeftButtonDoubleClickEvent"] == 0
    assert len(promptedWorker.heard("Prompt")[-1]["prompt"]["points_in"]) == 2


def test_a_place_outside_the_volume_is_refused(editing):
    mouse.click("Red", (2, 2))
    assert "not in the volume" in editing.said


def test_prompts_of_a_slice_wait_while_another_is_looked_at_and_go_when_one_is_begun_there(editing):
    editing.box(1)
    editing.jump(2)
    shown = editing.picture()
    assert not editing.activity.prompting.isEmpty
    editing.jump(1)
    assert not np.array_equal(editing.picture(), shown)
    editing.box(2)
    editing.key("Return")
    assert editing.slicesOf() == [2]


def test_the_preview_has_the_segments_colour(editing):
    segment = editing.segmentationNode.GetSegmentation().GetSegment("first")
    segment.SetColor(0.0, 0.0, 1.0)
    editing.jump(1)
    before = editing.picture()
    editing.box(1)
    changed = editing.picture() - before
    assert (changed[..., 2] > 60).sum() > 500
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLModelNode") == 3  # the slices of the views, and no more
