"""Masks into segments, through the editor: its masking, overwriting and undo hold for them as for the brush."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import slicer

from SAMedLib.effect.lattice import onSegmentation, onVolume
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
    now = onVolume(segmentationNode, kept.segmentID, axial.volumeNode, part)
    chosen = axial.among(kept.slices, within=kept.slices)
    wanted, leaving = kept.voxels & chosen, now & ~kept.voxels & chosen
    first = np.array([each.start for each in part[::-1]])
    for voxels, mode in ((leaving, effects.ModificationModeRemove), (wanted, effects.ModificationModeAdd)):
        if not voxels.any():
            continue
        box = _boxOf(voxels)
        start = first + [each.start for each in box[::-1]]
        geometry = scriptedEffect.referenceGeometryImage()
        image = onSegmentation(voxels[box].astype(np.uint8), start, axial.volumeNode, segmentationNode, geometry)
        if image is not None:
            scriptedEffect.modifySelectedSegmentByLabelmap(image, mode)


def _boxOf(voxels: np.ndarray) -> tuple[slice, ...]:
    """The smallest box with all that is True."""
    ends = []
    for others in ((1, 2), (0, 2), (0, 1)):
        present = np.flatnonzero(voxels.any(axis=others))
        ends.append(slice(int(present[0]), int(present[-1]) + 1))
    return tuple(ends)
