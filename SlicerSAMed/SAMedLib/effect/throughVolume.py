"""Segments carried on through the volume from their kept slices and a checkpoint's, and what the model is least sure of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import slicer
from slicer.i18n import tr as _

from SAMedCore.errors import InputError
from SAMedCore.image.labels import LabelTable
from SAMedCore.image.prompts import Limits
from SAMedCore.image.volume import LabelMap
from SAMedCore.options import PromptOptions
from SAMedCore.service.messages import KeptStructure
from SAMedLib.effect.keeping import SlicesOfSegment, keepInEditor
from SAMedLib.effect.lattice import onVolume
from SAMedLib.jobs.propagate import PropagateJob, Propagation
from SAMedLib.scene.axialSlices import AxialSlices
from SAMedLib.scene.provenance import (
    SliceSums,
    changedSlices,
    keptSlices,
    recordCarriedOn,
    recordModelSums,
    recordOverwritten,
    roughSlices,
    segmentSums,
)
from SAMedLib.scene.segments import labelsOf
from SAMedLib.scene.volumes import ijkToLPS
from SAMedLib.worker.client import Worker


@dataclass(frozen=True)
class DoubtfulSlice:
    """A slice, from the feet, that the model drew in a segment, and how sure it is of it, 0 to 1."""

    segmentID: str
    segmentName: str
    k: int
    confidence: float


class ThroughVolume:
    """One carrying on of segments: from what is kept now to what is written into them.

    Args:
        scriptedEffect: whose editor has the segmentation and the volume.
        segmentIDs: those to carry on; those without a kept slice that they are on, and without one of a checkpoint's, are left
            alone.

    Attributes:
        hasKept: whether a person kept any slice of those that are carried on.

    Raises:
        InputError: none of them has a kept slice that it is on, or one of a checkpoint's; they do not lie on the volume's
            voxels; as `readVolume`.
    """

    def __init__(self, scriptedEffect, segmentIDs: Sequence[str]) -> None:
        parameters = scriptedEffect.parameterSetNode()
        self._effect = scriptedEffect
        self._segmentationNode = parameters.GetSegmentationNode()
        self._axial = AxialSlices(parameters.GetSourceVolumeNode())
        self._sums = segmentSums(self._segmentationNode, self._axial.volumeNode, segmentIDs)
        node, sums = self._segmentationNode, self._sums
        kept = {each: keptSlices(node, each, sums[each]) for each in sums}
        rough = {each: roughSlices(node, each, sums[each]) for each in sums}
        held = {each for each in sums if sums[each].sums.keys() & set(kept[each])}
        self.hasKept = bool(held)
        chosen = [each for each in sums if each in held or rough[each]]
        if not chosen:
            raise InputError(_("No slice is kept yet: draw a box on one, and keep what comes with Enter."))
        self._kept = {each: kept[each] for each in chosen}
        self._rough = {each: rough[each] for each in chosen}
        self._labels = labelsOf(self.segmentation, list(self._kept))

    @property
    def segmentation(self) -> slicer.vtkSegmentation:
        """Which has the segments."""
        return self._segmentationNode.GetSegmentation()

    def job(self, worker: Worker, limits: Limits, options: PromptOptions) -> PropagateJob:
        """To be run; its outcome is for `write`."""
        structures = []
        for segmentID, slices in self._kept.items():
            # Nothing has changed, and it is asked for all the same: drawn anew, as far as the limits of today reach.
            changed = changedSlices(self._segmentationNode, segmentID, self._sums[segmentID]) or None
            rough = self._rough[segmentID]
            structures.append(KeptStructure(self._labels[segmentID].value, slices, changed, limits, rough))
        return PropagateJob(worker, self._axial.volumeNode, self._labelMap(), tuple(structures), options)

    def write(self, outcome: Propagation) -> list[DoubtfulSlice]:
        """Put what was drawn into the segments, in one step of the editor's undo.

        Returns:
            The slices on which there was anything to write, least sure first.

        Raises:
            InputError: volume, segmentation or a segment went away or changed meanwhile.
        """
        self._checkUnchanged()
        node, volumeNode = self._segmentationNode, self._axial.volumeNode
        before = segmentSums(node, volumeNode)
        written, doubtful = [], []
        for segmentID, label in self._labels.items():
            untouched = set(self._kept[segmentID]) | set(before[segmentID].differing(self._sums[segmentID]))
            slices = tuple(k for k in outcome.drawn(label.value) if k not in untouched)
            if not slices:
                continue
            drawn = outcome.labelmap.voxels == label.value
            self._leaveKept(drawn, segmentID, before, slices)
            written.append(SlicesOfSegment(segmentID, slices, drawn[self._axial.part(slices)]))
            confidence, holding = outcome.confidence[label.value], self._axial.holding(drawn).intersection(slices)
            doubtful += [DoubtfulSlice(segmentID, label.name, k, confidence[k]) for k in sorted(holding)]
        if written:
            keepInEditor(self._effect, self._axial, written)
        self._record(before, segmentSums(node, volumeNode), {each.segmentID: each.slices for each in written}, outcome)
        return sorted(doubtful, key=lambda each: each.confidence)

    def _leaveKept(self, drawn: np.ndarray, segmentID: str, before: dict[str, SliceSums], slices: Sequence[int]) -> None:
        """Take out of `drawn`, (k, j, i) bool on the volume's grid, what a person kept of other segments on these slices.

        The editor would let it be overwritten, as by a brush; but nobody looks at each slice here. Where the editor lets
        segments overlap there is nothing to save.
        """
        node, parameters = self._segmentationNode, self._effect.parameterSetNode()
        if parameters.GetOverwriteMode() == parameters.OverwriteNone:
            return
        for other in before.keys() - {segmentID}:
            # Slice by slice: few are kept, and all of a large volume would hold the application up.
            for k in set(keptSlices(node, other, before[other])).intersection(slices):
                part = self._axial.part([k])
                drawn[part] &= ~onVolume(node, other, self._axial.volumeNode, part)

    def _record(
        self,
        before: dict[str, SliceSums],
        now: dict[str, SliceSums],
        written: dict[str, Sequence[int]],
        outcome: Propagation,
    ) -> None:
        node = self._segmentationNode
        recordOverwritten(node, before, now)
        for segmentID, label in self._labels.items():
            # What was believed stays the checkpoint's: the next correction has it to go by, too.
            slices = written.get(segmentID, ())
            believed = set(outcome.believed[label.value]).intersection(slices)
            recordModelSums(node, segmentID, now[segmentID], slices, believed)
            recordCarriedOn(node, segmentID, now[segmentID])

    def _checkUnchanged(self) -> None:
        parameters = self._effect.parameterSetNode()
        isThere = parameters is not None and parameters.GetSegmentationNode() is self._segmentationNode
        if not isThere or not all(self.segmentation.GetSegment(each) for each in self._labels):
            raise InputError(_("The segments were removed or others chosen meanwhile: nothing was changed."))
        if not self._axial.isUnchanged or parameters.GetSourceVolumeNode() is not self._axial.volumeNode:
            raise InputError(_("The volume was changed meanwhile: nothing was changed in the segments."))

    def _labelMap(self) -> LabelMap:
        """The kept slices and the checkpoint's, from the lowest to the highest of them."""
        volumeNode = self._axial.volumeNode
        part = self._axial.part([k for each in (self._kept, self._rough) for slices in each.values() for k in slices])
        voxels = np.zeros([each.stop - each.start for each in part], np.uint8 if len(self._kept) < 256 else np.uint16)
        for segmentID in self._labels:
            for k in self._kept[segmentID]:
                self._paint(voxels, part, segmentID, [k])
            if self._rough[segmentID]:
                self._paint(voxels, part, segmentID, self._rough[segmentID])
        matrix = ijkToLPS(volumeNode)
        matrix[:3, 3] += matrix[:3, :3] @ [each.start for each in part[::-1]]
        return LabelMap(voxels, matrix, LabelTable(tuple(self._labels.values())))

    def _paint(self, voxels: np.ndarray, part: tuple[slice, ...], segmentID: str, slices: Sequence[int]) -> None:
        """Put what the segment holds on these slices into `voxels`, `part` (k, j, i) of the volume's grid."""
        node, volumeNode, own = self._segmentationNode, self._axial.volumeNode, self._axial.part(slices)
        found = onVolume(node, segmentID, volumeNode, own) & self._axial.among(slices, within=slices)
        inPart = tuple(slice(a.start - b.start, a.stop - b.start) for a, b in zip(own, part, strict=True))
        voxels[inPart][found] = self._labels[segmentID].value


def boxOfROI(roiNode: slicer.vtkMRMLMarkupsROINode, axial: AxialSlices):
    """Two opposite corners, LPS in mm, of the box along the volume's axes that holds the ROI, wherever both are turned to."""
    corners = np.array([[*((np.array(sides) - 0.5) * roiNode.GetSize()), 1] for sides in np.ndindex(2, 2, 2)])
    world = (slicer.util.arrayFromVTKMatrix(roiNode.GetObjectToWorldMatrix()) @ corners.T)[:3].T
    indices = np.array([axial.indexAt(corner) for corner in world])
    return axial.point(indices.min(axis=0)), axial.point(indices.max(axis=0))
