"""Which slices of a segmentation a person drew or corrected, and which are as the model left them.

After the model has written slices, a checksum of each is kept as a tag of the segment: Slicer saves tags in .seg.nrrd and in
scenes, copies them with the segment, and undo in the Segment Editor brings them back with the voxels. A slice on which all
segments are as a model left them is the model's; every other one is a person's, and that is what is learnt from. So correcting
a few slices is all that a person does between two trainings.

Slices count from the feet, on the volume's own grid.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import vtk
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode, vtkSegment

from SAMedCore.image.grid import Grid
from SAMedCore.image.orientation import turned_view
from SAMedCore.image.volume import Image, LabelMap
from SAMedLib.scene.placement import boxOf, ijkToSegmentationRAS, placedVoxels
from SAMedLib.scene.segments import labelsOf, layersOf, matchingSegments
from SAMedLib.scene.volumes import readVolume
from SAMedLib.scene.writing import checkOutput

MODEL_SLICES = "SAMed.ModelSlices"
"""Tag of a segment: the slices that the model drew, as it left them."""

CHECKPOINT_SLICES = "SAMed.CheckpointSlices"
"""Tag of a segment: those of the model's slices that say where a checkpoint saw it, as they were left; others were carried on
or completed. Scenes of before have none, and nothing is known of their slices."""

CARRIED_ON = "SAMed.CarriedOn"
"""Tag of a segment: the kept slices from which it was last carried on, as they were then."""


@dataclass(frozen=True)
class SliceSums:
    """In which voxels a segment is, slice by slice.

    Attributes:
        size: of the volume, (i, j, k) in the orientation LPS: a record that was copied from another scan says nothing here.
        sums: the slices from the feet that hold the segment, with a checksum of its voxels there.
    """

    size: tuple[int, int, int]
    sums: dict[int, int] = field(default_factory=dict)

    def only(self, slices: Collection[int] | None) -> SliceSums:
        """Of these slices; None for all."""
        return SliceSums(self.size, {k: sum for k, sum in self.sums.items() if slices is None or k in slices})

    def differing(self, other: SliceSums | None) -> tuple[int, ...]:
        """The slices that one of the two has and the other has not, or has otherwise; None or another scan's: empty ones."""
        there = other.sums if other is not None and other.size == self.size else {}
        return tuple(sorted(k for k in self.sums.keys() | there.keys() if self.sums.get(k) != there.get(k)))

    def replaced(self, newer: SliceSums, slices: Collection[int] | None) -> SliceSums:
        """These slices as `newer` has them, the others as they are here."""
        if slices is None or newer.size != self.size:
            return newer.only(slices)
        kept = {k: sum for k, sum in self.sums.items() if k not in slices}
        return SliceSums(self.size, kept | newer.only(slices).sums)


def segmentSums(
    segmentationNode: vtkMRMLSegmentationNode,
    volumeNode: vtkMRMLScalarVolumeNode,
    segmentIDs: Collection[str] | None = None,
    slices: Collection[int] | None = None,
) -> dict[str, SliceSums]:
    """What these segments (None: all) hold now on these slices (None: all); each segment has an entry.

    Only what the segments extend over is read, and segments may overlap.

    Raises:
        InputError: as `checkOutput` and `readVolume`.
    """
    checkOutput(segmentationNode, volumeNode)
    grid, toRAS = readVolume(volumeNode).grid, ijkToSegmentationRAS(volumeNode, segmentationNode)
    segmentation = segmentationNode.GetSegmentation()
    wanted = list(segmentation.GetSegmentIDs() if segmentIDs is None else segmentIDs)
    found = {segmentID: SliceSums(_size(grid)) for segmentID in wanted}
    dimensions = grid.shape[::-1]
    for layer in layersOf(segmentation, wanted):
        placed = placedVoxels(layer.image, toRAS, dimensions)
        start, end = np.clip(placed.begin, 0, dimensions), np.clip(placed.end, 0, dimensions)
        if np.any(start >= end):
            continue
        sums = _sums(placed.voxels[boxOf(start - placed.begin, end - placed.begin)], start, grid, slices)
        for segmentID in layer.segmentIDs:
            found[segmentID] = SliceSums(_size(grid), sums.get(segmentation.GetSegment(segmentID).GetLabelValue(), {}))
    return found


def recordModelSlices(
    segmentationNode: vtkMRMLSegmentationNode, labelmap: LabelMap, slices: Collection[int] | None, byCheckpoint: bool = False
) -> None:
    """Remember that the model drew these slices (None: all); other slices, and other segments, keep what was known of them.

    Args:
        labelmap: what the model drew, on the volume's grid; it has been written into the segmentation.
        byCheckpoint: a checkpoint drew them.
    """
    segmentation = segmentationNode.GetSegmentation()
    present = labelsOf(segmentation, segmentation.GetSegmentIDs())
    values = {label.name: label.value for label in labelmap.labels}
    sums, size = _sums(labelmap.voxels, (0, 0, 0), labelmap.grid), _size(labelmap.grid)
    for segmentID, name in matchingSegments(present, labelmap.labels).items():
        now = SliceSums(size, sums.get(values[name], {}))
        recordModelSums(segmentationNode, segmentID, now, slices, now.sums if byCheckpoint else ())


def recordModelSums(
    segmentationNode: vtkMRMLSegmentationNode,
    segmentID: str,
    now: SliceSums,
    slices: Collection[int] | None,
    byCheckpoint: Collection[int] = (),
) -> None:
    """Remember that the model drew these slices (None: all) of one segment, which holds `now` what it left there.

    Args:
        byCheckpoint: those of them on which a checkpoint saw the segment.
    """
    segment = segmentationNode.GetSegmentation().GetSegment(segmentID)
    for tag, drawn in ((MODEL_SLICES, now), (CHECKPOINT_SLICES, now.only(byCheckpoint))):
        _write(segment, tag, (_read(segment, tag) or SliceSums(now.size)).replaced(drawn, slices))


def forgetModelSlices(segmentationNode: vtkMRMLSegmentationNode, segmentID: str, slices: Collection[int]) -> None:
    """A person accepted these slices of the segment: they count as drawn, even where they are just as the model left them."""
    segment = segmentationNode.GetSegmentation().GetSegment(segmentID)
    known = _read(segment, MODEL_SLICES)
    if known is not None:
        _write(segment, MODEL_SLICES, known.only(known.sums.keys() - set(slices)))


def recordOverwritten(
    segmentationNode: vtkMRMLSegmentationNode, before: Mapping[str, SliceSums], now: Mapping[str, SliceSums]
) -> None:
    """Slices that were the model's stay the model's where another segment has taken voxels away from them.

    Args:
        before, now: the segments that may have lost voxels, as `segmentSums` gives them for the same slices.
    """
    for segmentID, held in before.items():
        segment = segmentationNode.GetSegmentation().GetSegment(segmentID)
        known = _read(segment, MODEL_SLICES)
        changed = now[segmentID].differing(held)
        if known is not None and changed:
            theModels = set(changed).difference(held.differing(known))
            recordModelSums(
                segmentationNode, segmentID, now[segmentID], theModels, roughSlices(segmentationNode, segmentID, held)
            )


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
    sums, size = _sums(labelmap.voxels, (0, 0, 0), labelmap.grid), _size(labelmap.grid)
    drawn: set[int] = set()
    for value, segmentID in enumerate(segmentationNode.GetSegmentation().GetSegmentIDs(), start=1):
        if segmentIDs is None or segmentID in segmentIDs:
            drawn.update(keptSlices(segmentationNode, segmentID, SliceSums(size, sums.get(value, {}))))
    return tuple(sorted(drawn))


def keptSlices(segmentationNode: vtkMRMLSegmentationNode, segmentID: str, now: SliceSums) -> tuple[int, ...]:
    """The slices of one segment that a person accepted, drew or corrected, erased ones among them; `now` is all of it."""
    return now.differing(_read(segmentationNode.GetSegmentation().GetSegment(segmentID), MODEL_SLICES))


def roughSlices(segmentationNode: vtkMRMLSegmentationNode, segmentID: str, now: SliceSums) -> tuple[int, ...]:
    """The slices of one segment on which a checkpoint saw it and that nobody touched since; `now` is all of it or a part."""
    known = _read(segmentationNode.GetSegmentation().GetSegment(segmentID), CHECKPOINT_SLICES)
    if known is None or known.size != now.size:
        return ()
    touched = keptSlices(segmentationNode, segmentID, now)
    return tuple(sorted(k for k, sum in now.sums.items() if known.sums.get(k) == sum and k not in touched))


def isAnswered(segmentationNode: vtkMRMLSegmentationNode) -> bool:
    """Whether a checkpoint drew any of it, so that what a person drew since is a correction."""
    segmentation = segmentationNode.GetSegmentation()
    known = (_read(segmentation.GetSegment(segmentID), CHECKPOINT_SLICES) for segmentID in segmentation.GetSegmentIDs())
    return any(each is not None and each.sums for each in known)


def keptSlicesBySegment(
    segmentationNode: vtkMRMLSegmentationNode, volumeNode: vtkMRMLScalarVolumeNode
) -> dict[str, tuple[int, ...]]:
    """The kept slices of each segment that has any, as `keptSlices`.

    Raises:
        InputError: as `segmentSums`.
    """
    sums = segmentSums(segmentationNode, volumeNode)
    kept = {segmentID: keptSlices(segmentationNode, segmentID, now) for segmentID, now in sums.items()}
    return {segmentID: slices for segmentID, slices in kept.items() if slices}


def recordCarriedOn(segmentationNode: vtkMRMLSegmentationNode, segmentID: str, now: SliceSums) -> None:
    """Remember that the segment was carried on from the slices that are kept; to be called after the model's were recorded.

    Args:
        now: all of the segment.
    """
    _write(segmentationNode.GetSegmentation().GetSegment(segmentID), CARRIED_ON, _kept(segmentationNode, segmentID, now))


def changedSlices(segmentationNode: vtkMRMLSegmentationNode, segmentID: str, now: SliceSums) -> tuple[int, ...] | None:
    """The kept slices that are new, have changed or are gone since the segment was last carried on; None: it never was.

    Args:
        now: all of the segment.
    """
    before = _read(segmentationNode.GetSegmentation().GetSegment(segmentID), CARRIED_ON)
    if before is None or before.size != now.size:
        return None
    return _kept(segmentationNode, segmentID, now).differing(before)


def _kept(segmentationNode: vtkMRMLSegmentationNode, segmentID: str, now: SliceSums) -> SliceSums:
    """The kept slices alone; those that a person erased are among them, with 0."""
    kept = keptSlices(segmentationNode, segmentID, now)
    return SliceSums(now.size, {k: now.sums.get(k, 0) for k in kept})


def _read(segment: vtkSegment, tag: str) -> SliceSums | None:
    """What `_write` wrote; None where it never did."""
    text = vtk.reference("")
    if not segment.GetTag(tag, text):
        return None
    size, *slices = str(text).split()
    pairs = (each.split("=") for each in slices)
    i, j, k = (int(length) for length in size.split("x"))
    return SliceSums((i, j, k), {int(number): int(sum, 16) for number, sum in pairs})


def _write(segment: vtkSegment, tag: str, slices: SliceSums) -> None:
    """As in "512x512x90 41=9f0c3a1e 42=...": without the colons and bars that divide tags in a file."""
    size = "x".join(str(length) for length in slices.size)
    segment.SetTag(tag, " ".join([size, *(f"{k}={sum:08x}" for k, sum in sorted(slices.sums.items()))]))


def _size(grid: Grid) -> tuple[int, int, int]:
    """Voxels along i, j and k of the orientation LPS."""
    k, j, i = _turned(np.broadcast_to(np.uint8(0), grid.shape), grid.ijk_to_lps).voxels.shape
    return i, j, k


def _sums(
    voxels: np.ndarray, first: Sequence[int], grid: Grid, slices: Collection[int] | None = None
) -> dict[int, dict[int, int]]:
    """For each value, the slices from the feet that hold it, with a number that says in which voxels.

    The slices are taken in one orientation, because Slicer may turn a volume round between saving and loading it.

    Args:
        voxels: (k, j, i), a part of the grid that begins at the voxel `first` (i, j, k).
        slices: those to look at; None for all.
    """
    matrix = grid.ijk_to_lps.copy()
    matrix[:3, 3] += matrix[:3, :3] @ np.asarray(first)
    whole, part = _turned(np.broadcast_to(np.uint8(0), grid.shape), grid.ijk_to_lps), _turned(voxels, matrix)
    left, top, lowest = np.rint(np.linalg.solve(whole.ijk_to_lps, part.ijk_to_lps)[:3, 3]).astype(int)
    _slices, rows, columns = part.voxels.shape
    inWhole = (np.arange(rows)[:, None] + top) * whole.voxels.shape[2] + np.arange(columns) + left
    inWhole = inWhole.ravel().astype("<u4")  # twice as fast as the bytes of the voxels
    sums: dict[int, dict[int, int]] = {}
    for k, onSlice in enumerate(part.voxels, start=int(lowest)):
        if slices is not None and k not in slices:
            continue
        flat = onSlice.ravel()
        held = np.flatnonzero(flat > 0)
        values, places = flat[held], inWhole[held]
        for value in np.flatnonzero(np.bincount(values)).tolist():
            sums.setdefault(value, {})[k] = zlib.crc32(places[values == value].tobytes())
    return sums


def _turned(voxels: np.ndarray, ijkToLPS: np.ndarray) -> Image:
    return turned_view(Image(voxels, ijkToLPS), "LPS")
