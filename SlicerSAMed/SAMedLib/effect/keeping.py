"""Masks into segments, through the editor: its masking, overwriting and undo hold for them as for the brush."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import slicer

from SAMedLib.effect.lattice import onSegmentation, onVolume, reachOf
from SAMedLib.scene.axialSlices import AxialSlices


@dataclass(frozen=True, eq=False)
class SlicesOfSegment:
    """What a segment is to hold on some slices.

    Attributes:
        segmentID: of the segmentation that is edited.
        slices: from the feet, at least one.
        voxels: (k, j, i) bool, `AxialSlices.part` of these slices; those between them stay as they are.
    """

    segmentID: str
    slices: tuple[int, ...]
    voxels: np.ndarray


def keepInEditor(scriptedEffect, axial: AxialSlices, kept: Iterable[SlicesOfSegment]) -> None:
    """Let each segment hold just these voxels on its slices, in one step of the editor's undo.

    The editor decides what may be changed: masking, intensity range, overwriting. What lies beyond its geometry stays out.
    """
    parameters = scriptedEffect.parameterSetNode()
    selected = parameters.GetSelectedSegmentID()
    scriptedEffect.saveStateForUndo()
    # What may be edited depends on which segment is selected: each is, for its turn, and nobody hears of it.
    with slicer.util.NodeModify(parameters):
        for each in kept:
            parameters.SetSelectedSegmentID(each.segmentID)
            _replace(scriptedEffect, axial, each)
        parameters.SetSelectedSegmentID(selected)


def _replace(scriptedEffect, axial: AxialSlices, kept: SlicesOfSegment) -> None:
    effects = slicer.qSlicerSegmentEditorAbstractEffect
    segmentationNode, part = scriptedEffect.parameterSetNode().GetSegmentationNode(), axial.part(kept.slices)
    box = _union(_boxOf(kept.voxels), reachOf(segmentationNode, kept.segmentID, axial.volumeNode, part))
    if box is None:
        return
    # Of 1,000 slices no more is looked at than what the segment takes.
    part = tuple(slice(each.start + inner.start, each.start + inner.stop) for each, inner in zip(part, box, strict=True))
    chosen = np.broadcast_to(axial.among(kept.slices, within=kept.slices), kept.voxels.shape)[box]
    now = onVolume(segmentationNode, kept.segmentID, axial.volumeNode, part)
    wanted = kept.voxels[box] & chosen
    leaving = now & ~wanted & chosen
    first = np.array([each.start for each in part[::-1]])
    for voxels, mode in ((leaving, effects.ModificationModeRemove), (wanted, effects.ModificationModeAdd)):
        box = _boxOf(voxels)
        if box is None:
            continue
        start = first + [each.start for each in box[::-1]]
        geometry = scriptedEffect.referenceGeometryImage()
        image = onSegmentation(voxels[box].astype(np.uint8), start, axial.volumeNode, segmentationNode, geometry)
        if image is not None:
            scriptedEffect.modifySelectedSegmentByLabelmap(image, mode)


def _union(first: tuple[slice, ...] | None, second: tuple[slice, ...] | None) -> tuple[slice, ...] | None:
    """The smallest box that holds both."""
    if first is None or second is None:
        return first or second
    return tuple(slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in zip(first, second, strict=True))


def _boxOf(voxels: np.ndarray) -> tuple[slice, ...] | None:
    """The smallest box with all that is True; None where nothing is."""
    ends = []
    for others in ((1, 2), (0, 2), (0, 1)):
        present = np.flatnonzero(voxels.any(axis=others))
        if len(present) == 0:
            return None
        ends.append(slice(int(present[0]), int(present[-1]) + 1))
    return tuple(ends)
