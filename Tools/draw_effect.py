"""The pictures of the Segment Editor effect: a person's mouse and keys in the stand-in's views, a real worker, the sample."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import slicer
import vtk
from PySide6 import QtGui, QtTest

import slicerhost
from editing import opened
from SAMedCore.image.labels import LabelTable
from SAMedCore.image.volume import LabelMap
from SAMedLib.scene.volumes import jumpToSlice
from SAMedLib.worker.client import stopSharedWorker
from slicerhost import mouse

WINDOW = (1250, 720)
LAYOUT_MSEC = 300
ORGANS = ("liver", "spleen", "right kidney", "left kidney", "aorta")
SHARES = (0.05, 0.28, 0.5, 0.72, 0.95)
"""Where along an organ its boxes are drawn."""
MARGIN = 2
"""Of a box around the organ, in pixels of the CT."""
BOX_SLICE = 46
"""Shown in the picture of a box, from the feet of the cropped CT."""
JOB_SECONDS = 1800


def effectPictures(volumeNode, organs: LabelMap) -> Iterator[tuple[str, QtGui.QPixmap]]:
    """File names and pictures: a box with its mask, and the organs after "Through the volume".

    Args:
        volumeNode: the CT, stored from the feet upwards.
        organs: where its organs are; boxes are drawn around them, as a person would see them.
    """
    slicerhost.registerModule("SegmentEditorSAMed")
    with opened(volumeNode, size=WINDOW) as editor:
        addSegments(editor, organs.labels)
        editor.setActiveEffectByName("SAMed")
        setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutOneUpRedSliceView)
        drawBox(editor, volumeNode, organs, "liver", BOX_SLICE)
        yield "effect-box.png", picture()
        mouse.key("Red", "Return")
        for name in ORGANS:
            for k in slicesToDraw(organs, name):
                drawBox(editor, volumeNode, organs, name, k)
                mouse.key("Red", "Return")
        carryOn(editor)
        setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
        showMiddle(volumeNode, organs, "right kidney")
        slicerhost.click(editor._ui.Show3DButton)
        slicer.app.layoutManager().resetThreeDViews()
        yield "effect-volume.png", picture()
    stopSharedWorker()


def addSegments(editor, labels: LabelTable) -> None:
    """An empty segment of each organ, in Slicer's colour of it."""
    for label in (each for name in ORGANS for each in labels if each.name == name):
        segment = slicer.vtkSegment()
        segment.SetName(label.name.capitalize())
        segment.SetColor(*(value / 255 for value in label.rgb))
        editor.segmentationNode().GetSegmentation().AddSegment(segment, label.name)


def slicesToDraw(organs: LabelMap, name: str) -> list[int]:
    """A few slices from end to end of an organ."""
    (present,) = np.nonzero(maskOf(organs, name).any(axis=(1, 2)))
    return [int(np.quantile(present, share)) for share in SHARES]


def maskOf(organs: LabelMap, name: str) -> np.ndarray:
    (value,) = (label.value for label in organs.labels if label.name == name)
    return organs.voxels == value


def drawBox(editor, volumeNode, organs: LabelMap, name: str, k: int) -> None:
    """Drag a box around the organ on a slice, and wait for the mask."""
    editor.setCurrentSegmentID(name)
    jumpToSlice(volumeNode, k)
    slicerhost.processEvents()
    rows, columns = np.nonzero(maskOf(organs, name)[k])
    low, high = (rows.min() - MARGIN, columns.min() - MARGIN), (rows.max() + MARGIN, columns.max() + MARGIN)
    start, end = (world(volumeNode, column, row, k) for row, column in (low, high))
    mouse.drag("Red", start, end)
    asking = activityOf(editor).prompting.asking
    slicerhost.waitUntil(lambda: not asking.isBusy, seconds=JOB_SECONDS)


def carryOn(editor) -> None:
    """Tick "All segments", click "Through the volume", and wait.

    Raises:
        AssertionError: it failed; the message is what the person would see.
    """
    ui = activityOf(editor)._ui
    ui.allSegmentsCheckBox.setChecked(True)
    slicerhost.click(ui.throughButton)
    slicerhost.waitUntil(lambda: not activityOf(editor).runner.isBusy, seconds=JOB_SECONDS)
    assert not slicerhost.dialogs.texts("error"), slicerhost.dialogs.texts("error")


def showMiddle(volumeNode, organs: LabelMap, name: str) -> None:
    """Turn all slice views to the middle of an organ."""
    k, j, i = (float(np.median(indices)) for indices in np.nonzero(maskOf(organs, name)))
    for logic in slicer.app.sliceLogics.values():
        logic.GetSliceNode().JumpSliceByOffsetting(*world(volumeNode, i, j, round(k)))


def activityOf(editor):
    """What the effect does while it is active."""
    return editor.activeEffect().self().activity


def world(volumeNode, i: float, j: float, k: float) -> list[float]:
    """(right, anterior, superior) in mm of a voxel."""
    matrix = vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(matrix)
    return list(matrix.MultiplyPoint([i, j, k, 1.0])[:3])


def setLayout(layout: int) -> None:
    """Another layout, with the slices fitted into its views."""
    slicer.app.layoutManager().setLayout(layout)
    slicerhost.processEvents()
    slicer.app.layoutManager().resetSliceViews()


def picture() -> QtGui.QPixmap:
    """The whole window, with the mouse out of it."""
    mouse.leave()
    QtTest.QTest.qWait(LAYOUT_MSEC)
    return slicer.util.mainWindow().grab()
