"""Which slices to draw or correct next, so that they lie evenly: it takes no model."""

from __future__ import annotations

import slicer
from slicer.i18n import tr as _

from SAMedCore.errors import InputError
from SAMedCore.image.slices import widest_gaps_first
from SAMedLib.scene.provenance import drawnSlices
from SAMedLib.scene.reading import readAnnotation
from SAMedLib.scene.segments import holdsAnything
from SAMedLib.scene.volumes import numberOfSlices


def slicesByGap(
    volumeNode: slicer.vtkMRMLScalarVolumeNode, segmentationNode: slicer.vtkMRMLSegmentationNode | None
) -> list[int]:
    """The slices that no person drew, from the feet, the middle of the widest gap first.

    Only those between the first and the last slice that hold anything, whoever drew it, where the segmentation has one.

    Raises:
        InputError: none is left; as `readVolume` and `readAnnotation`.
    """
    within, drawn = range(numberOfSlices(volumeNode)), ()
    if segmentationNode is not None and holdsAnything(segmentationNode.GetSegmentation()):
        annotation = readAnnotation(segmentationNode, volumeNode)
        drawn = drawnSlices(segmentationNode, annotation.labelmap)
        held = (*annotation.slices, *drawn)
        within = range(min(held), max(held) + 1)
    slices = widest_gaps_first(drawn, within)
    if not slices:
        raise InputError(_("You drew or corrected every slice that holds anything: there is none left."))
    return slices
