"""How long a person waits for a mask in the Segment Editor, from the mouse's release, and for Enter to keep it."""

import numpy as np
import pytest
import slicer
from PySide6 import QtTest
from settings import IS_TINY

import slicerhost

slicerhost.boot()

BOXES = 5 if IS_TINY else 100
K = 1


@pytest.fixture
def editing(make_ct, lite_weights):
    """The effect on a CT of 512 x 512, its slice encoded."""
    from effectEditor import EffectEditor
    from SAMedLib.sampleData import addVolume
    from SAMedLib.worker.client import stopSharedWorker

    slicer.mrmlScene.Clear(0)
    if not hasattr(slicer.modules, "segmenteditorsamed"):
        slicerhost.registerModule("SegmentEditorSAMed")
    with slicerhost.mainWindow():
        editor = EffectEditor(addVolume(make_ct(3), "CT"))
        editor.box(K, (100, 100), (250, 250))
        yield editor
        slicerhost.selectModule("")
    stopSharedWorker()
    slicer.mrmlScene.Clear(0)


def pressed(editing, random: np.random.Generator) -> tuple[np.ndarray, ...]:
    """A box of its own, drawn but for the last movement."""
    editing.activity.prompting.drop()
    first = random.integers(80, 250, 2)
    corners = first, first + random.integers(60, 200, 2)
    start, end = (editing.place(*corner, K) for corner in corners)
    slicerhost.mouse.press("Red", start)
    for share in (0.25, 0.5, 0.75):
        slicerhost.mouse.move("Red", start + share * (end - start))
    QtTest.QTest.qWait(300)
    return ((end,), {})


def release(editing, end: np.ndarray) -> None:
    slicerhost.mouse.release("Red", end)
    while editing.activity.prompting.asking.isBusy:
        QtTest.QTest.qWait(1)


def test_effect_mask(benchmark, editing):
    """From the release at a place where the mouse had not been, to the mask in the slice view."""
    random = np.random.default_rng(0)
    benchmark.pedantic(lambda end: release(editing, end), setup=lambda: pressed(editing, random), rounds=BOXES)


def test_effect_mask_while_drawing(benchmark, editing):
    """The same, while a request of a box that was not the last one is still under way."""
    random = np.random.default_rng(0)

    def drawn():
        (end,), _ = pressed(editing, random)
        slicerhost.mouse.move("Red", end - np.array([3.0, 3.0, 0.0]))
        return (end,), {}

    benchmark.pedantic(lambda end: release(editing, end), setup=drawn, rounds=BOXES)


def test_effect_keep(benchmark, editing):
    """From Enter to the mask in the segment, the views' pictures apart."""
    random = np.random.default_rng(0)

    def drawn():
        (end,), _ = pressed(editing, random)
        release(editing, end)
        return (), {}

    def keep():
        assert editing.activity.prompting.keep()

    benchmark.pedantic(keep, setup=drawn, rounds=BOXES)
