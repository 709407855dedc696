"""Which slices of a segmentation a person drew or corrected, and which are as the model left them.

After the model has written slices, a checksum of each of its segments there is kept as an attribute of the segmentation node,
and saved with the scene. A slice on which all segments are as a model left them is the model's; every other one is a person's,
and that is what is learnt from. So correcting a few slices is all that a person does between two trainings.
"""

import json
import zlib
from collections.abc import Collection

import numpy as np
from slicer import vtkMRMLSegmentationNode

from SAMedCore.image.orientation import turned_view
from SAMedCore.image.volume import LabelMap
from SAMedLib.scene.segments import labelsOf, matchingSegments

ATTRIBUTE = "SAMed.ModelSlices"
"""JSON: segment ID -> slice from the feet -> checksum of what the model drew there, if anything."""

Sums = dict[int, int]


def recordModelSlices(segmentationNode: vtkMRMLSegmentationNode, labelmap: LabelMap, slices: tuple[int, ...] | None) -> None:
    """Remember that the model drew these slices (None: all); other slices, and other segments, keep what was known of them.

    Args:
        labelmap: what the model drew, on the volume's grid; it has been written into the segmentation.
    """
    segmentation = segmentationNode.GetSegmentation()
    present = labelsOf(segmentation, segmentation.GetSegmentIDs())
    values = {label.name: label.value for label in labelmap.labels}
    known, sums = _recorded(segmentationNode), _checksums(labelmap)
    for segmentID, name in matchingSegments(present, labelmap.labels).items():
        added = sums.get(values[name], {})
        if slices is not None:
            kept = {k: sum for k, sum in known.get(segmentID, {}).items() if k not in slices}
            added = kept | {k: sum for k, sum in added.items() if k in slices}
        known[segmentID] = added
    segmentationNode.SetAttribute(ATTRIBUTE, json.dumps(known))


def drawnSlices(
    segmentationNode: vtkMRMLSegmentationNode, labelmap: LabelMap, segmentIDs: Collection[str] | None = None
) -> tuple[int, ...]:
    """Slices from the feet that a person drew or corrected; without any record those with any segment.

    A slice from which a person erased what the model drew is a corrected one, too. A segment that was removed altogether is not
    wanted, and says nothing of the slices that it was on.

    Args:
        labelmap: the segmentation as `readAnnotation` gives it, its values those of `labelsOf` all segments.
        segmentIDs: of the segments that decide; None for all.
    """
    known, sums = _recorded(segmentationNode), _checksums(labelmap)
    drawn: set[int] = set()
    for value, segmentID in enumerate(segmentationNode.GetSegmentation().GetSegmentIDs(), start=1):
        if segmentIDs is not None and segmentID not in segmentIDs:
            continue
        now, before = sums.get(value, {}), known.get(segmentID, {})
        drawn |= {k for k in now.keys() | before.keys() if now.get(k) != before.get(k)}
    return tuple(sorted(drawn))


def _recorded(segmentationNode: vtkMRMLSegmentationNode) -> dict[str, Sums]:
    recorded = json.loads(segmentationNode.GetAttribute(ATTRIBUTE) or "{}")
    return {segmentID: {int(k): sum for k, sum in sums.items()} for segmentID, sums in recorded.items()}


def _checksums(labelmap: LabelMap) -> dict[int, Sums]:
    """For each value, the slices from the feet that hold it, with a number that says in which voxels.

    The slices are taken in one orientation, because Slicer may turn a volume round between saving and loading it.
    """
    sums: dict[int, Sums] = {}
    for k, voxels in enumerate(turned_view(labelmap, "LPS").voxels):
        flat = voxels.ravel()
        held = np.flatnonzero(flat > 0).astype("<u4")  # twice as fast as of the bytes
        values = flat[held]
        for value in np.flatnonzero(np.bincount(values)).tolist():
            sums.setdefault(value, {})[k] = zlib.crc32(held[values == value].tobytes())
    return sums
