"""What the application can test of itself: run by Slicer's "Reload and Test", by CTest, and by this project's own tests.

Only what the real application has is used. Where SAMed's packages or the base model are not installed the tests are skipped,
never passed.
"""

import unittest

import numpy as np
import slicer
from slicer.i18n import tr as _

from SAMedCore.checkpoint import catalogue
from SAMedCore.errors import Cancelled
from SAMedCore.image.volume import Volume
from SAMedCore.options import DEFAULT_BASE, ModelOptions, SegmentOptions
from SAMedLib.jobs.job import PUMP_MSEC
from SAMedLib.jobs.segment import SegmentJob
from SAMedLib.panel.openEffect import EFFECT
from SAMedLib.sampleData import addVolume
from SAMedLib.scene.provenance import keptSlicesBySegment
from SAMedLib.scene.reading import readAnnotation
from SAMedLib.scene.undo import SavedSegmentation
from SAMedLib.scene.volumes import ijkToRAS
from SAMedLib.setup.locations import cachedFiles
from SAMedLib.setup.packages import missingPackages
from SAMedLib.worker.client import sharedWorker

MODEL = "abdomen-demo"


class SelfTest:
    """Test cases for a `unittest.TestCase` whose module has a class `SAMedLogic`."""

    def setUp(self) -> None:
        slicer.mrmlScene.Clear()
        missing = missingPackages()
        if missing:
            raise unittest.SkipTest(f"not installed: {', '.join(missing)}")
        if catalogue.find_base(DEFAULT_BASE).path not in cachedFiles():
            raise unittest.SkipTest(f'the base model "{DEFAULT_BASE}" has not been fetched')

    def runTest(self) -> None:
        """All of them, for "Reload and Test", which takes whatever is raised for a failure; what is skipped is said here."""
        try:
            for name in sorted(name for name in dir(self) if name.startswith("test_")):
                self.setUp()
                getattr(self, name)()
        except unittest.SkipTest as skipped:
            text = _("SAMed's self-test was skipped, nothing has been tested ({reason}).")
            slicer.util.infoDisplay(text.format(reason=skipped), windowTitle=_("SAMed"))

    def test_resultLiesOnTheVolume(self) -> None:
        volumeNode = addVolume(phantom(), "phantom")
        segmentationNode = self.logic().segment(volumeNode, MODEL, slices=(2, 3))
        segmentation = segmentationNode.GetSegmentation()
        self.assertEqual(segmentation.GetNumberOfSegments(), 8)
        names = [segmentation.GetSegment(ID).GetName() for ID in segmentation.GetSegmentIDs()]
        self.assertEqual(names[:2], ["spleen", "right kidney"])
        referenceNode = segmentationNode.GetNodeReference(segmentationNode.GetReferenceImageGeometryReferenceRole())
        self.assertEqual(referenceNode.GetID(), volumeNode.GetID())

    def test_oppositeAxisOrderGivesTheSameSegments(self) -> None:
        volume = phantom()
        flipped = Volume(volume.voxels[::-1].copy(), volume.ijk_to_lps @ _flip(len(volume.voxels)))
        drawn = []
        for each in (volume, flipped):
            volumeNode = addVolume(each, "phantom")
            segmentationNode = self.logic().segment(volumeNode, MODEL)
            drawn.append(readAnnotation(segmentationNode, volumeNode).labelmap.voxels)
        self.assertFalse(np.array_equal(drawn[0], drawn[0][::-1]))
        self.assertTrue(np.array_equal(drawn[0], drawn[1][::-1]))

    def test_cancelledJobChangesNothing(self) -> None:
        volumeNode = addVolume(phantom(), "phantom")
        before = slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")
        job = SegmentJob(sharedWorker(), volumeNode, None, ModelOptions(MODEL), SegmentOptions()).start()
        job.cancel()
        self.assertRaises(Cancelled, job.wait)
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode"), before)

    def test_revertBringsTheSegmentationBack(self) -> None:
        volumeNode = addVolume(phantom(), "phantom")
        segmentationNode = self.logic().segment(volumeNode, MODEL, slices=(2,))
        segmentation = segmentationNode.GetSegmentation()
        segmentation.RemoveSegment(segmentation.GetNthSegmentID(0))
        saved = SavedSegmentation(segmentationNode)
        self.logic().segment(volumeNode, MODEL, segmentationNode, slices=(3,))
        self.assertEqual(segmentation.GetNumberOfSegments(), 8)
        saved.revert()
        self.assertEqual(segmentation.GetNumberOfSegments(), 7)

    def test_boxInTheSegmentEditorIsKept(self) -> None:
        volumeNode = addVolume(phantom(), "phantom")
        segmentationNode = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
        segmentationNode.SetReferenceImageGeometryParameterFromVolumeNode(volumeNode)
        segmentID = segmentationNode.GetSegmentation().AddEmptySegment()
        editor = slicer.qMRMLSegmentEditorWidget()
        editor.setMRMLScene(slicer.mrmlScene)
        editor.setMRMLSegmentEditorNode(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentEditorNode"))
        editor.setSegmentationNode(segmentationNode)
        editor.setSourceVolumeNode(volumeNode)
        editor.setCurrentSegmentID(segmentID)
        editor.setActiveEffectByName(EFFECT)
        self.assertIsNotNone(editor.activeEffect(), "SegmentEditorSAMed.py is not loaded")
        try:
            prompting = editor.activeEffect().self().activity.prompting
            corners = [worldOf(volumeNode, index) for index in ((12, 20, 2), (44, 52, 2))]
            self.assertTrue(prompting.begin(corners[0]))
            prompting.boxDrawn(*corners)
            prompting.keep()
            while prompting.asking.isBusy:
                sharedWorker().pump(PUMP_MSEC)
        finally:
            editor.setActiveEffect(None)
        kept = keptSlicesBySegment(segmentationNode, volumeNode)
        self.assertEqual(kept, {segmentID: (2,)})

    def logic(self):
        import SAMed

        return SAMed.SAMedLogic()


def phantom() -> Volume:
    """A body of soft tissue in air with a few denser cones, no two slices alike: 4 slices of 96 x 80 voxels of 4 x 4 x 5 mm."""
    k, j, i = np.mgrid[:4, :80, :96]
    voxels = np.full(k.shape, -1000, np.int16)
    voxels[((j - 40) / 34) ** 2 + ((i - 48) / 42) ** 2 < 1] = 50
    for jCentre, iCentre, radius, hu in ((36, 28, 15, 110), (40, 72, 9, 130), (56, 48, 5, 180)):
        voxels[(j - jCentre) ** 2 + (i - iCentre) ** 2 < (radius - k) ** 2] = hu
    return Volume(voxels, np.diag([4.0, 4.0, 5.0, 1.0]))


def worldOf(volumeNode, index: tuple[int, int, int]) -> np.ndarray:
    """(3,) the place of a voxel (i, j, k) in the world."""
    return (ijkToRAS(volumeNode) @ [*index, 1.0])[:3]


def _flip(slices: int) -> np.ndarray:
    matrix = np.diag([1.0, 1.0, -1.0, 1.0])
    matrix[2, 3] = slices - 1
    return matrix
