"""A slice of a segment with prompts that are not kept yet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import slicer

from SAMedCore.image.labels import LabelTable
from SAMedCore.image.prompts import Point
from SAMedCore.image.volume import LabelMap
from SAMedLib.effect.preview import Drawing
from SAMedLib.effect.slicePrompts import SlicePrompts, Step
from SAMedLib.scene.axialSlices import AxialSlices
from SAMedLib.scene.segments import labelOf
from SAMedLib.scene.volumes import ijkToLPS


@dataclass(eq=False)
class Pending:
    """What was given on a slice, and where it belongs.

    Attributes:
        axial, k: the slice.
        segmentationNode, segmentID: the segment.
        prompts: what was given.
        draft: the box that is being drawn, or None.
        keepAtOnce: the answer is to be kept when it comes.
    """

    axial: AxialSlices
    k: int
    segmentationNode: slicer.vtkMRMLSegmentationNode
    segmentID: str
    prompts: SlicePrompts
    draft: Step | None = None
    keepAtOnce: bool = False

    def isOf(self, parameters: slicer.vtkMRMLSegmentEditorNode) -> bool:
        """Whether segment and volume are those that the editor has selected, and the volume is as it was."""
        return (
            self._segment() is not None
            and parameters.GetSegmentationNode() is self.segmentationNode
            and parameters.GetSelectedSegmentID() == self.segmentID
            and parameters.GetSourceVolumeNode() is self.axial.volumeNode
            and self.axial.isUnchanged
        )

    def point(self, world: np.ndarray) -> Point:
        """The place on the slice nearest to one of the world (3,), RAS."""
        return self.axial.point(self.axial.onSlice(self.axial.indexAt(world), self.k))

    def labelMap(self, mask: np.ndarray) -> LabelMap:
        """A mask (k, j, i) of the slice, for the worker."""
        matrix = ijkToLPS(self.axial.volumeNode)
        matrix[:3, 3] += matrix[:3, :3] @ [each.start for each in self.axial.part([self.k])[::-1]]
        return LabelMap(mask.astype(np.uint8), matrix, LabelTable((labelOf(self._segment(), 1),)))

    def drawing(self) -> Drawing | None:
        """What is to be seen; None where the segment is gone."""
        segment = self._segment()
        if segment is None:
            return None
        prompt = self.draft.prompt if self.draft is not None else self.prompts.prompt
        mask = self.prompts.mask if self.draft is None or self.draft.mask is None else self.draft.mask
        return Drawing(self.axial, self.k, prompt, mask, segment.GetColor())

    def _segment(self) -> slicer.vtkSegment | None:
        isThere = self.segmentationNode.GetScene() is not None
        return self.segmentationNode.GetSegmentation().GetSegment(self.segmentID) if isThere else None
