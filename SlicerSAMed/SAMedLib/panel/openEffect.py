"""The Segment Editor, opened on a scan: as it is, or with the effect that draws from boxes and clicks."""

import slicer
from slicer.i18n import tr as _

from SAMedCore.errors import SAMedError
from SAMedLib.jobs.segment import newSegmentationNode
from SAMedLib.scene.volumes import readVolume
from SAMedLib.scene.writing import checkOutput

EFFECT = "SAMed"


def openEditor(segmentationNode, volumeNode):
    """Show the module Segment Editor with this segmentation and volume; returns its editor (qMRMLSegmentEditorWidget)."""
    slicer.util.selectModule("SegmentEditor")
    editor = _editor()
    editor.setSegmentationNode(segmentationNode)
    editor.setSourceVolumeNode(volumeNode)
    return editor


def openEffect(volumeNode, segmentationNode):
    """Show the Segment Editor with the effect SAMed on this scan.

    Args:
        segmentationNode: goes on there; None for a new one. One without segments gets one to draw in.

    Returns:
        the segmentation.

    Raises:
        SAMedError: as `readVolume` and `checkOutput`; the effect is not loaded. Nothing was changed then.
    """
    readVolume(volumeNode)
    if _editor().effectByName(EFFECT) is None:
        raise SAMedError(_("The Segment Editor's effect SAMed is not there: load SegmentEditorSAMed.py, or restart Slicer."))
    if segmentationNode is None:
        segmentationNode = newSegmentationNode(volumeNode)
    checkOutput(segmentationNode, volumeNode)
    segmentation = segmentationNode.GetSegmentation()
    if segmentation.GetNumberOfSegments() == 0:
        _prepare(segmentationNode, volumeNode)
    editor = openEditor(segmentationNode, volumeNode)
    segmentIDs = segmentation.GetSegmentIDs()
    if editor.currentSegmentID() not in segmentIDs:
        editor.setCurrentSegmentID(segmentIDs[0])
    editor.setActiveEffectByName(EFFECT)
    return segmentationNode


def _editor():
    return slicer.modules.segmenteditor.widgetRepresentation().self().editor


def _prepare(segmentationNode, volumeNode) -> None:
    """An empty segment on the volume's grid, in a colour of its own."""
    if segmentationNode.GetDisplayNode() is None:
        segmentationNode.CreateDefaultDisplayNodes()
    # Before the reference geometry: see `writeSegmentation`.
    segmentationNode.SetAndObserveTransformNodeID(volumeNode.GetTransformNodeID())
    segmentationNode.SetReferenceImageGeometryParameterFromVolumeNode(volumeNode)
    segmentationNode.GetSegmentation().AddEmptySegment()
