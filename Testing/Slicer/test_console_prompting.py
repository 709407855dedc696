"""Structures from boxes and points on Slicer's Python console, with the real worker and base model, in any geometry."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import slicer
from geometries import oblique, some_slices

from SAMedCore.errors import InputError
from SAMedCore.image.orientation import reorient
from SAMedCore.image.prompts import Limits, SlicePrompt, StructurePrompts
from SAMedLib.jobs.segment import newSegmentationNode
from SAMedLib.scene.provenance import drawnSlices
from SAMedLib.scene.reading import readAnnotation

FIRST, LAST = 84, 88
SPLEEN, AORTA = 1, 7


def boxOn(labelmap, value: int, k: int) -> SlicePrompt:
    """A tight box round a label on slice k of what is in the orientation LPS."""
    rows, columns = np.nonzero(labelmap.voxels[k] == value)
    corners = [(columns.min(), rows.min()), (columns.max(), rows.max())]
    points = [tuple(map(float, (labelmap.ijk_to_lps @ [i, j, k, 1])[:3])) for i, j in corners]
    return SlicePrompt((points[0], points[1]))


@pytest.mark.parametrize(
    "change", [lambda image: image, lambda image: reorient(oblique(image), "IPL")], ids=["as it is", "oblique"]
)
def test_boxes_on_one_slice_give_organs_on_the_slices_within_the_limits(logic, load, sample_ct, sample_labels, change):
    ct, labels = (some_slices(change(image), FIRST, LAST) for image in (sample_ct, sample_labels))
    truth = reorient(labels, "LPS")
    volumeNode, count = load(ct), len(truth.voxels)
    structures = [
        StructurePrompts("spleen", (boxOn(truth, SPLEEN, 0),)),
        StructurePrompts("aorta", (boxOn(truth, AORTA, 0),), Limits((0, count - 2))),
    ]
    segmentationNode = logic.prompt(volumeNode, structures, device="cpu")
    found = readAnnotation(segmentationNode, volumeNode).labelmap
    drawn = reorient(found, "LPS").voxels
    values = {label.name: label.value for label in found.labels}
    for name, value in (("spleen", SPLEEN), ("aorta", AORTA)):
        here, there = drawn == values[name], truth.voxels == value
        if name == "aorta":
            assert not here[-1].any()
            here, there = here[:-1], there[:-1]
        assert 2 * (here & there).sum() / (here.sum() + there.sum()) > 0.75, name
    assert drawnSlices(segmentationNode, found) == ()


def test_what_the_console_cannot_use_is_refused_and_leaves_no_segmentation(logic, load, sample_ct):
    volumeNode = load(some_slices(sample_ct, FIRST, LAST))
    point = tuple(map(float, volumeNode.GetOrigin()))
    outside = StructurePrompts("x", (SlicePrompt(points_in=((*point[:2], 9999.0),)),))
    for structures, said in (([], "no structure"), ([outside], "outside"), ([outside, outside], "twice")):
        with pytest.raises(InputError, match=said):
            logic.prompt(volumeNode, structures, device="cpu")
    assert slicer.util.getNodesByClass("vtkMRMLSegmentationNode") == []
    other = load(replace(sample_ct, ijk_to_lps=sample_ct.ijk_to_lps @ np.diag([1.1, 1, 1, 1])))
    taken = newSegmentationNode(volumeNode)
    middle = some_slices(sample_ct, FIRST, LAST).ijk_to_lps @ [60, 50, 2, 1]
    inside = StructurePrompts("x", (SlicePrompt(points_in=(tuple(map(float, middle[:3])),)),))
    logic.prompt(volumeNode, [inside], taken, device="cpu")
    with pytest.raises(InputError, match="do not lie on the voxels"):
        logic.prompt(other, [inside], taken, device="cpu")
