"""What happens around the effect while it is at work: nodes go, the worker dies, views change, nothing is left behind."""

import gc
import os
import signal
import weakref

import numpy as np
import pytest
import slicer
import vtk

import slicerhost
from scans import crop, ctNode
from slicerhost import mouse


def test_the_volume_changed_drops_the_preview(editing):
    editing.box(1)
    slicer.util.arrayFromVolume(editing.volumeNode)[1] += 1
    slicer.util.arrayFromVolumeModified(editing.volumeNode)
    slicerhost.processEvents()
    assert editing.activity.prompting.isEmpty
    assert "dropped" in editing.said


@pytest.mark.parametrize("removed", ["volume", "segment", "segmentation"])
def test_what_it_belongs_to_is_removed(editing, removed):
    editing.box(1)
    before = editing.activity
    if removed == "segment":
        editing.segmentationNode.GetSegmentation().RemoveSegment("first")
    else:
        slicer.mrmlScene.RemoveNode(editing.volumeNode if removed == "volume" else editing.segmentationNode)
    slicerhost.processEvents()
    assert before.prompting.isEmpty


def test_another_segment_is_chosen(editing):
    editing.box(1)
    editing.editor.setCurrentSegmentID("second")
    slicerhost.processEvents()
    assert editing.activity.prompting.isEmpty
    assert "dropped" in editing.said
    editing.keep(1)
    assert (editing.slicesOf("first"), editing.slicesOf("second")) == ([], [1])


def test_another_volume_is_chosen(editing, sample_ct):
    editing.box(1)
    other = ctNode(crop(sample_ct, 80, 84), "other")
    editing.editor.setSourceVolumeNode(other)
    slicerhost.processEvents()
    assert editing.activity.prompting.isEmpty
    editing.volumeNode = other
    editing.keep(2)
    assert editing.slicesOf() == [2]


def test_another_effect_is_chosen_in_the_middle_of_a_request(editing, promptedWorker):
    editing.keep(3)
    promptedWorker.hold()
    editing.jump(1)
    mouse.drag("Red", editing.place(20, 20, 1), editing.place(40, 50, 1))
    slicerhost.waitUntil(lambda: len(promptedWorker.heard("Prompt")) > 1)
    editing.choose("")
    promptedWorker.answer()
    editing.choose()
    editing.keep(2)
    assert editing.slicesOf() == [2, 3]


def test_the_effect_is_left_and_chosen_again_while_it_carries_on(editing, promptedWorker):
    editing.keep(3)
    promptedWorker.hold()
    slicerhost.click(editing.ui.throughButton)
    slicerhost.waitUntil(lambda: promptedWorker.heard("Propagate"))
    editing.choose("")
    editing.choose()
    assert editing.ui.throughButton.text == "Through the volume"
    promptedWorker.answer()
    slicerhost.waitUntil(lambda: not editing.activity.runner.isBusy, seconds=20)
    assert editing.slicesOf() == [3]
    editing.through()
    assert editing.slicesOf() == [0, 1, 2, 3]


def test_closing_the_scene_in_the_middle(editing, promptedWorker):
    editing.keep(3)
    promptedWorker.hold()
    slicerhost.click(editing.ui.throughButton)
    editing.jump(1)
    mouse.drag("Red", editing.place(20, 20, 1), editing.place(40, 50, 1))
    slicerhost.closeScene()
    promptedWorker.answer()
    slicerhost.processEvents()
    assert editing.activity is None
    assert slicerhost.dialogs.texts("error") == []


def test_a_killed_worker_is_said_and_the_next_click_starts_another(editing, promptedWorker):
    from SAMedLib.worker.client import sharedWorker

    editing.keep(3)
    promptedWorker.hold()
    asked = len(promptedWorker.heard("Prompt"))
    editing.jump(1)
    mouse.click("Red", editing.place(30, 30, 1))
    slicerhost.waitUntil(lambda: len(promptedWorker.heard("Prompt")) > asked)
    for pid in sharedWorker().pids:
        os.kill(pid, signal.SIGKILL)
    editing.wait()
    assert "ended unexpectedly" in editing.said
    promptedWorker.answer()
    editing.click(1, (30, 30))
    editing.key("Return")
    assert editing.slicesOf() == [1, 3]


def test_a_busy_worker_is_said_and_everything_stays_responsive(editing, promptedWorker):
    editing.keep(3)
    promptedWorker.hold()
    editing.jump(1)
    mouse.drag("Red", editing.place(20, 20, 1), editing.place(40, 50, 1))
    slicerhost.waitUntil(lambda: "busy with another job" in editing.said)
    editing.jump(2)
    promptedWorker.answer()
    editing.wait()
    assert "Slice 1" in editing.said


def test_no_source_volume(editing):
    editing.editor.setSourceVolumeNode(None)
    slicerhost.processEvents()
    mouse.drag("Red", (200, 200), (260, 260))
    assert editing.activity.prompting.isEmpty
    assert "No volume is selected" in editing.said


@pytest.mark.parametrize("kind", ["label map", "colour"])
def test_a_volume_that_is_no_scan(editing, kind):
    if kind == "label map":
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
        slicer.util.updateVolumeFromArray(node, np.zeros((4, 20, 20), np.uint8))
    else:
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "colour")
        slicer.util.updateVolumeFromArray(node, np.zeros((4, 20, 20, 3), np.uint8))
    editing.editor.setSourceVolumeNode(node)
    slicerhost.processEvents()
    mouse.drag("Red", (200, 200), (260, 260))
    assert editing.activity.prompting.isEmpty
    assert '"labels" is a label map' in editing.said if kind == "label map" else '"colour" has 3 values' in editing.said


def test_moving_the_volume_moves_the_preview(editing):
    editing.box(1)
    before = editing.picture()
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    editing.volumeNode.SetAndObserveTransformNodeID(transform.GetID())
    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(0, 3, 40)
    transform.SetMatrixTransformToParent(matrix)
    slicerhost.processEvents()
    assert not editing.activity.prompting.isEmpty
    assert not np.array_equal(editing.picture(), before)


def test_a_changed_layout_keeps_the_preview_in_the_views_that_there_are(editing):
    editing.box(1)
    before = editing.picture()
    manager = slicer.app.layoutManager()
    manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutConventionalView)
    slicerhost.processEvents()
    assert np.array_equal(editing.picture(), before)
    manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    editing.key("Return")
    assert editing.slicesOf() == [1]


def test_nothing_is_left_when_the_effect_is_left(editing):
    """An observer or a connection that remained would keep the activity alive."""
    editing.choose("")
    inViews = [actors(widget) for widget in sliceWidgets()]
    editing.choose()
    editing.keep(1)
    editing.through()
    editing.box(2)
    activity = weakref.ref(editing.activity)
    editing.choose("")

    def isGone() -> bool:
        gc.collect()
        return activity() is None

    slicerhost.waitUntil(isGone)  # the worker may still be at what it was told to leave
    assert [actors(widget) for widget in sliceWidgets()] == inViews


def test_reloading_the_module_gives_the_effect_the_new_library(editing):
    from SAMedLib.setup.locations import forgetLibrary

    editing.keep(1)
    before = type(editing.activity)
    editing.choose("")
    forgetLibrary()
    editing.choose()
    assert type(editing.activity) is not before
    editing.effect.deactivate()
    from SAMedLib.worker.client import stopSharedWorker

    stopSharedWorker()


def sliceWidgets() -> list:
    manager = slicer.app.layoutManager()
    return [manager.sliceWidget(name) for name in manager.sliceViewNames()]


def actors(sliceWidget) -> int:
    return sliceWidget.sliceView()._view.renderer.GetViewProps().GetNumberOfItems()
