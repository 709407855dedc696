"""Which segments are the same class: by codes, else by name, over several scans."""

from __future__ import annotations

import pytest
import slicer

from SAMedCore.image.labels import LEFT, RIGHT, SYNAPSE_ORGANS, Code, Label
from SAMedLib.scene.classes import matchSegments
from SAMedLib.scene.segments import newSegment

KIDNEY = Code("SCT", "64033007", "Kidney")
LIVER = Code("SCT", "10200004", "Liver")


@pytest.fixture
def drawn():
    """Makes a segmentation of empty segments with these labels."""

    def segmentationOf(*labels: Label) -> slicer.vtkMRMLSegmentationNode:
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
        for label in labels:
            node.GetSegmentation().AddSegment(newSegment(label))
        return node

    return segmentationOf


def plain(name: str) -> Label:
    return Label(1, name, (1, 2, 3))


def names(classes, node) -> list[str | None]:
    found = classes.ofSegments(node)
    return [found[each].name if each in found else None for each in node.GetSegmentation().GetSegmentIDs()]


def test_the_same_codes_are_the_same_class_whatever_the_name(drawn):
    first, second = drawn(Label(1, "liver", (1, 2, 3), LIVER)), drawn(Label(1, "Leber", (1, 2, 3), LIVER))
    classes = matchSegments([first, second])
    assert classes.labels.names == ("liver",)
    assert names(classes, second) == ["liver"]


def test_the_meaning_may_be_worded_in_another_way(drawn):
    worded = Code(LIVER.scheme, LIVER.value, "Hepar")
    classes = matchSegments([drawn(Label(1, "a", (1, 2, 3), LIVER)), drawn(Label(1, "b", (1, 2, 3), worded))])
    assert classes.labels.names == ("a",)


def test_the_side_tells_two_kidneys_apart(drawn):
    node = drawn(Label(1, "one", (1, 2, 3), KIDNEY, LEFT), Label(2, "other", (1, 2, 3), KIDNEY, RIGHT))
    assert names(matchSegments([node], SYNAPSE_ORGANS), node) == ["left kidney", "right kidney"]


@pytest.mark.parametrize("name", ["Right Kidney", "right_kidney", "RIGHT-KIDNEY", " right  kidney "])
def test_a_segment_without_codes_is_matched_by_name(drawn, name):
    node = drawn(plain(name))
    assert names(matchSegments([node], SYNAPSE_ORGANS), node) == ["right kidney"]


def test_codes_count_for_more_than_the_name(drawn):
    node = drawn(plain("liver"), Label(2, "spleen", (1, 2, 3), LIVER))
    assert names(matchSegments([node], SYNAPSE_ORGANS), node) == [None, "liver"]


def test_what_a_checkpoint_does_not_know_is_no_class(drawn):
    node = drawn(plain("tumour"), plain("liver"))
    classes = matchSegments([node], SYNAPSE_ORGANS)
    assert names(classes, node) == [None, "liver"]
    assert classes.labels == SYNAPSE_ORGANS


def test_without_a_checkpoint_every_segment_is_a_class(drawn):
    first, second = drawn(plain("tumour"), plain("cyst")), drawn(plain("Cyst"), plain("vessel"))
    classes = matchSegments([first, second])
    assert classes.labels.names == ("tumour", "cyst", "vessel")
    assert classes.labels.values == (1, 2, 3)
    assert names(classes, second) == ["cyst", "vessel"]


def test_two_segments_of_one_scan_are_two_classes(drawn):
    node = drawn(Label(1, "left lobe", (1, 2, 3), LIVER), Label(2, "right lobe", (1, 2, 3), LIVER))
    other = drawn(Label(1, "left lobe", (1, 2, 3), LIVER), Label(2, "right lobe", (1, 2, 3), LIVER))
    classes = matchSegments([node, other])
    assert names(classes, node) == names(classes, other) == ["left lobe", "right lobe"]
