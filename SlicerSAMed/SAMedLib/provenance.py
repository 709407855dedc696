"""Which slices of a segmentation a person drew or corrected, and which are as the model left them.

After the model has written slices, a checksum of each is kept as an attribute of the segmentation node, and saved with the
scene. A slice whose checksum still holds is the model's; every other slice that holds a segment is a person's, and that is what
is learnt from. So correcting a few slices is all that a person does between two trainings.
"""

import json
import zlib
from collections.abc import Iterator

import numpy as np
from slicer import vtkMRMLSegmentationNode

from SAMedCore.volume import LabelMap
from SAMedLib.annotations import annotatedSlices
from SAMedLib.volumes import axialAxis

ATTRIBUTE = "SAMed.ModelSlices"
"""JSON: "names" of the structures that models drew; "slices", from the feet -> checksum of these structures there."""


def recordModelSlices(segmentationNode: vtkMRMLSegmentationNode, labelmap: LabelMap, slices: tuple[int, ...] | None) -> None:
    """Remember that the model drew these slices (None: all); others keep what was known of them.

    Args:
        labelmap: what the model drew, on the volume's grid.
    """
    names, known = _recorded(segmentationNode)
    names += [name for name in map(str.casefold, labelmap.labels.names) if name not in names]
    wanted = None if slices is None else set(slices)
    sums = {k: sum for k, sum in enumerate(_checksums(labelmap, names)) if wanted is None or k in wanted}
    segmentationNode.SetAttribute(ATTRIBUTE, json.dumps({"names": names, "slices": sums if slices is None else known | sums}))


def drawnSlices(segmentationNode: vtkMRMLSegmentationNode, labelmap: LabelMap) -> tuple[int, ...]:
    """Slices from the feet that a person drew or corrected; without any record those with any segment.

    A slice from which a person removed everything that the model drew is a corrected one, too; and so is every slice that
    holds a structure that no model drew.

    Args:
        labelmap: the segmentation as `readAnnotation` gives it.
    """
    names, known = _recorded(segmentationNode)
    sums = _checksums(labelmap, names)
    drawn, others = set(annotatedSlices(labelmap)), set(annotatedSlices(_without(labelmap, names)))
    return tuple(k for k, sum in enumerate(sums) if k in others or (known[k] != sum if k in known else k in drawn))


def _recorded(segmentationNode: vtkMRMLSegmentationNode) -> tuple[list[str], dict[int, int]]:
    recorded = json.loads(segmentationNode.GetAttribute(ATTRIBUTE) or '{"names": [], "slices": {}}')
    return recorded["names"], {int(k): sum for k, sum in recorded["slices"].items()}


def _checksums(labelmap: LabelMap, names: list[str]) -> list[int]:
    """One number for each slice from the feet: of the structures of these names alone, however they are numbered."""
    numbers = {name: number for number, name in enumerate(names, start=1)}
    table = np.zeros(65536, np.uint16 if len(names) > 255 else np.uint8)
    for label in labelmap.labels:
        table[label.value] = numbers.get(label.name.casefold(), 0)
    return [zlib.crc32(_lookedUp(table, voxels)) for voxels in _axialSlices(labelmap)]


def _lookedUp(table: np.ndarray, voxels: np.ndarray) -> bytes:
    """The values in the table, as bytes; by `bytes.translate`, many times as fast as numpy, where both are bytes."""
    if table.itemsize == voxels.itemsize == 1:
        return voxels.tobytes().translate(table[:256].tobytes())
    return table[voxels].tobytes()


def _without(labelmap: LabelMap, names: list[str]) -> LabelMap:
    """The label map without the structures of these names; itself where it has no others."""
    others = [label.value for label in labelmap.labels if label.name.casefold() not in names]
    table = np.zeros(65536, np.uint8)
    table[others] = 1
    voxels = table[labelmap.voxels] if others else np.zeros((1, 1, 1), np.uint8)
    return LabelMap(voxels, labelmap.ijk_to_lps, labelmap.labels)


def _axialSlices(labelmap: LabelMap) -> Iterator[np.ndarray]:
    """Each axial slice from the feet, contiguous."""
    axis, upwards = axialAxis(labelmap)
    stack = np.moveaxis(labelmap.voxels, 2 - axis, 0)
    for voxels in stack if upwards else stack[::-1]:
        yield np.ascontiguousarray(voxels)
