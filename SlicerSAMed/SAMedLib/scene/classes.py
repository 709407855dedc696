"""Which segment is which class of a network, over all scans that it learns from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import slicer

from SAMedCore.image.labels import Label, LabelTable
from SAMedLib.scene.segments import labelsOf, matchingSegments, uniqueName


@dataclass(frozen=True)
class Classes:
    """What is learnt, and which segments it is learnt from.

    Attributes:
        labels: the classes.
    """

    labels: LabelTable
    _names: dict[tuple[str, str], str] = field(default_factory=dict)

    def ofSegments(self, segmentationNode: slicer.vtkMRMLSegmentationNode) -> dict[str, Label]:
        """The class of each segment by its ID, as `readAnnotation` takes it; segments of no class are missing."""
        classes = {label.name: label for label in self.labels}
        nodeID = segmentationNode.GetID()
        return {segmentID: classes[name] for (owner, segmentID), name in self._names.items() if owner == nodeID}


def matchSegments(segmentationNodes: Iterable[slicer.vtkMRMLSegmentationNode], known: LabelTable | None = None) -> Classes:
    """Give each segment its class: by type and modifier, else by name (upper and lower case, "_" and " " alike).

    Two segments of one segmentation never become the same class.

    Args:
        known: the classes of the checkpoint to go on from; segments that are none of them are left out. None for a new
            checkpoint: then every segment is a class, the same in all segmentations where it is found.
    """
    labels = known or LabelTable()
    names: dict[tuple[str, str], str] = {}
    for node in segmentationNodes:
        segments = labelsOf(node.GetSegmentation(), node.GetSegmentation().GetSegmentIDs())
        matches = matchingSegments(segments, labels)
        for segmentID, segment in segments.items():
            if segmentID not in matches and known is None:
                new = replace(segment, value=len(labels) + 1, name=uniqueName(segment.name, labels.names))
                labels = LabelTable((*labels, new))
                matches[segmentID] = new.name
        names |= {(node.GetID(), segmentID): name for segmentID, name in matches.items()}
    return Classes(labels, names)
