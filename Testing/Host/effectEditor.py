"""The Segment Editor with the effect SAMed, as a person has it before them."""

import numpy as np
import slicer

import slicerhost
from slicerhost import mouse


class EffectEditor:
    """The editor on a volume, the effect chosen.

    Attributes:
        volumeNode: the source volume.
        segmentationNode: what is edited, with the segments "first" (selected) and "second".
        editor: qMRMLSegmentEditorWidget.
    """

    def __init__(self, volumeNode) -> None:
        self.volumeNode = volumeNode
        self.segmentationNode = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "segmentation")
        self.segmentationNode.CreateDefaultDisplayNodes()
        self.segmentationNode.SetReferenceImageGeometryParameterFromVolumeNode(volumeNode)
        for name in ("first", "second"):
            self.segmentationNode.GetSegmentation().AddEmptySegment(name, name)
        slicer.util.setSliceViewerLayers(background=volumeNode, fit=True)
        self.open()

    def open(self) -> None:
        """Go to the editor and choose the effect."""
        slicer.util.selectModule("SegmentEditor")
        self.editor = slicer.modules.segmenteditor.widgetRepresentation().self().editor
        self.editor.setSegmentationNode(self.segmentationNode)
        self.editor.setSourceVolumeNode(self.volumeNode)
        self.editor.setCurrentSegmentID("first")
        self.choose()

    def choose(self, name: str = "SAMed") -> None:
        self.editor.setActiveEffectByName(name)
        slicerhost.processEvents()

    @property
    def effect(self):
        """The object of the effect's class."""
        return self.editor.effectByName("SAMed").self()

    @property
    def activity(self):
        return self.effect.activity

    @property
    def ui(self):
        return self.effect.ui

    @property
    def node(self):
        """The editor's parameter node."""
        return self.editor.mrmlSegmentEditorNode()

    def jump(self, k: int) -> None:
        from SAMedLib.scene.volumes import jumpToSlice

        jumpToSlice(self.volumeNode, k)
        slicerhost.processEvents()

    def place(self, i: float, j: float, k: float) -> np.ndarray:
        """World RAS of a place on slice `k` (from the feet), `i` and `j` along the volume's other axes."""
        from SAMedLib.scene.axialSlices import AxialSlices

        axial = AxialSlices(self.volumeNode)
        index = np.zeros(3)
        first, second = axial.inPlaneAxes
        index[first], index[second] = i, j
        (world,) = axial.world(axial.onSlice(index, round(k))[None])
        return world

    def box(self, k: int, first=(20, 20), opposite=(40, 50), view: str = "Red") -> None:
        """Draw a box on slice `k` and wait for its mask."""
        self.jump(k)
        mouse.drag(view, self.place(*first, k), self.place(*opposite, k))
        self.wait()

    def click(self, k: int, at=(30, 35), **held: bool) -> None:
        """Click on slice `k` and wait for the mask."""
        mouse.click("Red", self.place(*at, k), **held)
        self.wait()

    def wait(self) -> None:
        slicerhost.waitUntil(lambda: not self.activity.prompting.asking.isBusy, seconds=60)

    def key(self, keysym: str) -> None:
        """Press a key in the axial view, where the keyboard is after a click there."""
        slicer.app.layoutManager().sliceWidget("Red").sliceView().setFocus()
        mouse.key("Red", keysym)

    def keep(self, k: int, first=(20, 20), opposite=(40, 50)) -> None:
        """A box on slice `k`, kept."""
        self.box(k, first, opposite)
        self.key("Return")

    def through(self) -> None:
        """Click "Through the volume" and wait for its end."""
        slicerhost.click(self.ui.throughButton)
        slicerhost.waitUntil(lambda: not self.activity.runner.isBusy, seconds=60)

    def held(self, segmentID: str = "first") -> np.ndarray:
        """(k, j, i) bool: where the segment is, on the volume's grid."""
        return slicer.util.arrayFromSegmentBinaryLabelmap(self.segmentationNode, segmentID, self.volumeNode) > 0

    def slicesOf(self, segmentID: str = "first") -> list[int]:
        """The slices that hold the segment; for volumes stored from the feet up."""
        return np.flatnonzero(self.held(segmentID).any(axis=(1, 2))).tolist()

    @property
    def said(self) -> str:
        return self.ui.statusLabel.text

    def picture(self) -> np.ndarray:
        """(rows, columns, 3) of the axial view."""
        return slicer.app.layoutManager().sliceWidget("Red").sliceView()._view.picture().astype(int)
