"""Which slices of a segmentation a person drew or corrected, and which are as the model left them.

After the model has written slices, a checksum of each is kept as an attribute of the segmentation node, and saved with the
scene. A slice whose checksum still holds is the model's; every other slice that holds a segment is a person's, and that is what
is learnt from. So correcting a few slices is all that a person does between two trainings.
"""

import json
import zlib

import numpy as np
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode

from SAMedCore.errors import InputError
from SAMedCore.volume import LabelMap, reorient
from SAMedLib.annotations import annotatedSlices, readAnnotation

ATTRIBUTE = "SAMed.ModelSlices"
"""JSON: slice from the feet -> checksum of what the model drew there."""


def recordModelSlices(
    segmentationNode: vtkMRMLSegmentationNode, volumeNode: vtkMRMLScalarVolumeNode, slices: tuple[int, ...] | None
) -> None:
    """Remember that the model drew these slices (None: all), as they are now; others keep what was known of them."""
    try:
        sums = _checksums(readAnnotation(segmentationNode, volumeNode).labelmap)
    except InputError:
        # The model found nothing, or its segments overlap others of the person's: nothing can be told apart later.
        segmentationNode.RemoveAttribute(ATTRIBUTE)
        return
    known = {} if slices is None else _recorded(segmentationNode)
    known.update({str(k): sums[k] for k in (range(len(sums)) if slices is None else slices)})
    segmentationNode.SetAttribute(ATTRIBUTE, json.dumps(known))


def drawnSlices(segmentationNode: vtkMRMLSegmentationNode, labelmap: LabelMap) -> tuple[int, ...]:
    """Slices from the feet that a person drew or corrected; without any record those with any segment.

    A slice from which a person removed everything that the model drew is a corrected one, too.

    Args:
        labelmap: the segmentation as `readAnnotation` gives it.
    """
    recorded, sums, drawn = _recorded(segmentationNode), _checksums(labelmap), annotatedSlices(labelmap)
    return tuple(k for k, value in enumerate(sums) if (recorded[str(k)] != value if str(k) in recorded else k in drawn))


def _recorded(segmentationNode: vtkMRMLSegmentationNode) -> dict[str, int]:
    return json.loads(segmentationNode.GetAttribute(ATTRIBUTE) or "{}")


def _checksums(labelmap: LabelMap) -> list[int]:
    """One number for each slice from the feet: of the structures' names, so that values may be given anew."""
    names = np.zeros(65536, np.uint16)
    for label in labelmap.labels:
        names[label.value] = zlib.crc32(label.name.casefold().encode()) % 65535 + 1
    return [zlib.crc32(names[voxels].tobytes()) for voxels in reorient(labelmap, "LPS").voxels]
