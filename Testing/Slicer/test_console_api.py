"""What the Python console offers beside `segment`: completing, fine-tuning, ranking; with the real worker."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import slicer

from SAMedCore.checkpoint.folder import read_info
from SAMedCore.errors import InputError, SAMedError
from SAMedCore.image.labels import Label
from SAMedCore.image.volume import LabelMap
from SAMedCore.options import FinetuneOptions
from SAMedLib.jobs.finetune import FinetuneJob, Scan
from SAMedLib.jobs.segment import writeModelSlices
from SAMedLib.sampleData import addVolume
from SAMedLib.scene.reading import readAnnotation
from SAMedLib.scene.segments import BINARY_LABELMAP, newLayer, newSegment
from SAMedLib.scene.volumes import ijkToRAS
from SAMedLib.scene.writing import writeSegmentation
from SAMedLib.worker.client import sharedWorker

MODEL = "abdomen-demo"
FIRST = 84
LIVER, STOMACH = 5, 6


def some(image, count: int):
    """Axial slices of the sample from `FIRST` on (stored in RAS, so that k counts from the feet)."""
    start = np.eye(4)
    start[2, 3] = FIRST
    return replace(image, voxels=image.voxels[FIRST : FIRST + count].copy(), ijk_to_lps=image.ijk_to_lps @ start)


@pytest.fixture
def scan(sample_ct, sample_labels):
    """Makes a scan of so many slices: the volume node, a segmentation with some of them drawn, and the whole truth."""

    def make(count: int, drawn: tuple[int, ...]):
        labels = some(sample_labels, count)
        volumeNode = addVolume(some(sample_ct, count), "CT")
        return volumeNode, drawnNode(on(labels, drawn), volumeNode), labels

    return make


def on(labelmap: LabelMap, slices: tuple[int, ...]) -> LabelMap:
    """What the label map holds on these slices alone."""
    kept = np.isin(np.arange(len(labelmap.voxels)), slices)
    return replace(labelmap, voxels=np.where(kept[:, None, None], labelmap.voxels, 0).astype(np.uint8))


def drawnNode(labelmap: LabelMap, volumeNode) -> slicer.vtkMRMLSegmentationNode:
    """A segmentation as a person drew it."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Drawn")
    writeSegmentation(node, labelmap, volumeNode)
    return node


def assertDrawn(segmentationNode, volumeNode, labelmap: LabelMap, slices: tuple[int, ...]) -> None:
    """These slices hold exactly the label map's structures."""
    segmented = readAnnotation(segmentationNode, volumeNode).labelmap
    for label in labelmap.labels:
        value = next((each.value for each in segmented.labels if each.name == label.name), -1)
        for k in slices:
            np.testing.assert_array_equal(segmented.voxels[k] == value, labelmap.voxels[k] == label.value)


# complete


def test_slices_between_drawn_ones_are_filled_in_and_the_drawn_ones_stay(logic, scan):
    volumeNode, segmentationNode, labels = scan(4, (0, 3))
    outcome = logic.complete(volumeNode, segmentationNode)
    assert outcome.segmentationNode is segmentationNode
    assert (outcome.annotated, outcome.completed) == ((0, 3), (1, 2))
    assert "carrying" in outcome.summary
    assertDrawn(segmentationNode, volumeNode, labels, (0, 3))
    filled = readAnnotation(segmentationNode, volumeNode)
    assert filled.slices == (0, 1, 2, 3)
    liver = filled.labelmap.voxels[1] == next(label.value for label in filled.labelmap.labels if label.name == "liver")
    truth = labels.voxels[1] == LIVER
    assert 2 * (liver & truth).sum() / (liver.sum() + truth.sum()) > 0.9


def test_drawn_slices_stay_a_persons_and_filled_in_ones_are_not(logic, scan):
    volumeNode, segmentationNode, _labels = scan(4, (0, 3))
    logic.complete(volumeNode, segmentationNode)
    assert logic.annotatedSlices(volumeNode, segmentationNode) == (0, 3)


def test_slices_that_are_named_count_as_drawn(logic, scan):
    volumeNode, segmentationNode, labels = scan(4, (0, 1, 2, 3))
    outcome = logic.complete(volumeNode, segmentationNode, annotatedSlices=(0, 3))
    assert outcome.completed == (1, 2)
    assertDrawn(segmentationNode, volumeNode, labels, (0, 3))


def test_one_drawn_slice_is_not_enough_to_complete_a_scan(logic, scan):
    volumeNode, segmentationNode, labels = scan(4, (1,))
    with pytest.raises(InputError, match="only slice 1 is annotated: annotate at least one more"):
        logic.complete(volumeNode, segmentationNode)
    assertDrawn(segmentationNode, volumeNode, labels, (1,))


@pytest.mark.slow
def test_with_three_drawn_slices_every_method_is_estimated(logic, scan):
    volumeNode, segmentationNode, labels = scan(7, (0, 3, 6))
    outcome = logic.complete(volumeNode, segmentationNode)
    assert outcome.estimates.keys() == {"copy", "interpolation", "carrying", "network", "together"}
    assert f"{outcome.estimates['network']:.3f}" in outcome.summary
    assert outcome.completed == (1, 2, 4, 5)
    assertDrawn(segmentationNode, volumeNode, labels, (0, 3, 6))
    assert readAnnotation(segmentationNode, volumeNode).slices == tuple(range(7))


# fine-tune


@pytest.fixture(scope="module")
def trained(logic, sample_ct, sample_labels, tmp_path_factory) -> Path:
    """The shipped checkpoint, trained for one more epoch on two of three slices."""
    out = tmp_path_factory.mktemp("Übung") / "neues Modell"
    volumeNode = addVolume(some(sample_ct, 3), "Meier, Anna")
    segmentationNode = drawnNode(some(sample_labels, 3), volumeNode)
    outcome = logic.finetune(
        [(volumeNode, segmentationNode, (0, 2))], out, checkpoint=MODEL, preset="samed", epochs=1, validation=0
    )
    assert (outcome.checkpoint, outcome.validationDice, outcome.cancelled) == (str(out), None, False)
    return out


def test_a_checkpoint_counts_what_it_was_trained_on(trained):
    info = read_info(trained)
    assert (info.trained_on["scans"], info.trained_on["slices"]) == (1, 2)
    assert info.base.name == "lite"


def test_a_checkpoint_says_nothing_of_names_and_paths(trained):
    for path in trained.iterdir():
        content = path.read_bytes()
        for secret in ("Meier", "Drawn", str(trained.parent), slicer.app.temporaryPath):
            assert secret.encode() not in content, path.name


def test_a_new_checkpoint_segments_with_what_it_has_learnt(logic, trained, scan):
    volumeNode, _drawn, _labels = scan(2, (0,))
    results = [logic.segment(volumeNode, model, slices=(1,)) for model in (MODEL, trained)]
    before, after = (readAnnotation(node, volumeNode).labelmap for node in results)
    assert len(after.labels) >= 2
    assert not np.array_equal(before.voxels, after.voxels)


@pytest.mark.slow
def test_a_base_model_learns_the_segments_that_are_not_empty(logic, sample_ct, sample_labels, tmp_path):
    labels = some(sample_labels, 3)
    voxels = np.where(np.isin(labels.voxels, (LIVER, STOMACH)), labels.voxels, 0).astype(np.uint8)
    chosen = labels.labels.subset(["spleen", "liver", "stomach"])
    volumeNode = addVolume(some(sample_ct, 3), "CT")
    segmentationNode = drawnNode(LabelMap(voxels, labels.ijk_to_lps, chosen), volumeNode)
    outcome = logic.finetune([(volumeNode, segmentationNode)], tmp_path / "new", base="lite", epochs=1, validation=0)
    info = read_info(Path(outcome.checkpoint))
    assert list(info.labels.names) == ["liver", "stomach"]
    assert info.trained_on["slices"] == 3
    segmentation = logic.segment(volumeNode, outcome.checkpoint, slices=(1,)).GetSegmentation()
    assert [segmentation.GetNthSegment(n).GetName() for n in range(segmentation.GetNumberOfSegments())] == ["liver", "stomach"]


def training(**options) -> FinetuneOptions:
    return FinetuneOptions("unused", base="lite", **options)


def sent(rows: list[Scan], leftOut: tuple[str, ...] = ()) -> list[np.ndarray]:
    """The labels that the worker would be given."""
    job = FinetuneJob(sharedWorker(), rows, training(), leftOut)
    assert len(job.volumes()) == len(rows)
    return job.arrays()


@pytest.fixture
def overlapping(scan):
    """A scan with a tumour drawn over the liver, in a layer of its own."""
    volumeNode, segmentationNode, labels = scan(3, (0, 2))
    k, j, i = np.argwhere(labels.voxels == LIVER)[0]
    box = np.zeros(labels.voxels.shape, np.uint8)
    box[k, j, i] = 1
    tumour = newSegment(Label(1, "tumour", (255, 0, 0)))
    tumour.AddRepresentation(BINARY_LABELMAP, newLayer(box, ijkToRAS(volumeNode)))
    segmentationNode.GetSegmentation().AddSegment(tumour)
    return volumeNode, segmentationNode, labels


def test_overlapping_segments_are_named(logic, overlapping, tmp_path):
    volumeNode, segmentationNode, _labels = overlapping
    with pytest.raises(InputError, match=r'In "Drawn", liver and tumour overlap \(1 voxels\): leave one of them out'):
        logic.finetune([(volumeNode, segmentationNode)], tmp_path / "out", base="lite")


def test_an_overlap_goes_when_one_of_the_segments_is_left_out(overlapping):
    volumeNode, segmentationNode, labels = overlapping
    (voxels,) = sent([Scan(volumeNode, segmentationNode)], leftOut=("tumour",))
    np.testing.assert_array_equal(voxels > 0, on(labels, (0, 2)).voxels > 0)


def moveBy(segmentationNode, ras_mm) -> None:
    """Put the segmentation under a translation of its own."""
    matrix = np.eye(4)
    matrix[:3, 3] = ras_mm
    transformNode = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Shift")
    transformNode.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    segmentationNode.SetAndObserveTransformNodeID(transformNode.GetID())


def test_segments_under_another_transform_are_learnt_where_they_are_seen(scan):
    volumeNode, segmentationNode, labels = scan(3, (0, 1, 2))
    moveBy(segmentationNode, 2 * ijkToRAS(volumeNode)[:3, 0])
    (voxels,) = sent([Scan(volumeNode, segmentationNode)])
    np.testing.assert_array_equal(voxels, np.roll(labels.voxels, 2, axis=2))


def test_segments_beside_the_volume_are_named(scan):
    volumeNode, segmentationNode, _labels = scan(3, (0, 2))
    moveBy(segmentationNode, (5000, 0, 0))
    with pytest.raises(InputError, match='No chosen segment of "Drawn" has voxels on "CT"'):
        sent([Scan(volumeNode, segmentationNode)])


def test_only_segments_that_are_learnt_say_which_slices_are_corrected(scan):
    volumeNode, segmentationNode, labels = scan(3, ())
    writeModelSlices(segmentationNode, labels, volumeNode, None)
    stomach = segmentationNode.GetSegmentation().GetSegmentIdBySegmentName("stomach")
    slicer.util.updateSegmentBinaryLabelmapFromArray(np.zeros_like(labels.voxels), segmentationNode, stomach, volumeNode)
    with pytest.raises(InputError, match="no slice of it is annotated or corrected"):
        sent([Scan(volumeNode, segmentationNode)], leftOut=("stomach",))


def test_a_segmentation_that_nobody_corrected_teaches_nothing(logic, scan):
    volumeNode, _drawn, _labels = scan(2, (0,))
    segmentationNode = logic.segment(volumeNode, MODEL)
    with pytest.raises(InputError, match='"CT segmentation": no slice of it is annotated or corrected'):
        sent([Scan(volumeNode, segmentationNode)])


def test_without_a_scan_nothing_is_learnt():
    with pytest.raises(InputError, match="No scan is chosen"):
        sent([])


# next slice


def test_drawn_slices_are_not_ranked_and_the_others_come_least_sure_first(logic, scan):
    volumeNode, segmentationNode, _labels = scan(4, (1,))
    ranked = logic.rankSlices(volumeNode, MODEL, segmentationNode)
    assert sorted(each.number for each in ranked) == [0, 2, 3]
    doubts = [each.uncertainty for each in ranked]
    assert doubts == sorted(doubts, reverse=True)
    assert doubts[0] > doubts[-1] > 0


def test_without_a_checkpoint_the_middle_of_the_widest_gap_comes_first_at_once(logic, scan, monkeypatch):
    monkeypatch.setattr("SAMedLib.setup.install.missingPackages", lambda: ["torch>=2.4"])
    volumeNode, segmentationNode, _labels = scan(6, (0, 5))
    ranked = logic.rankSlices(volumeNode, segmentationNode=segmentationNode)
    assert [(each.number, each.uncertainty) for each in ranked[:3]] == [(2, None), (3, None), (1, None)]
    assert [each.number for each in logic.rankSlices(volumeNode)][:2] == [2, 4]


def test_uncertainty_comes_as_a_volume_beside_the_segmentation(logic, scan, capsys):
    volumeNode, _drawn, _labels = scan(2, (0,))
    segmentationNode = logic.segment(volumeNode, MODEL, organs=("liver", "stomach"), uncertainty=True)
    assert segmentationNode.GetName() == "CT segmentation"
    unsure = slicer.util.arrayFromVolume(slicer.util.getNode("CT uncertainty"))
    assert unsure.shape == slicer.util.arrayFromVolume(volumeNode).shape
    assert 0 <= unsure.min() < 0.1 < unsure.max() <= 1
    said = capsys.readouterr().out.splitlines()[-1]
    assert said.startswith("CT: doubt (0 none, 1 as good as guessed) ")
    assert "liver 0." in said
    assert "spleen" not in said


# what every method refuses


def test_a_checkpoint_that_is_not_there_is_named(logic, scan):
    volumeNode, _drawn, _labels = scan(2, (0,))
    with pytest.raises(SAMedError, match="nowhere"):
        logic.segment(volumeNode, "nowhere")
    assert len(slicer.util.getNodesByClass("vtkMRMLSegmentationNode")) == 1


def test_missing_packages_are_named_before_anything_is_copied(logic, scan, monkeypatch):
    volumeNode, _drawn, _labels = scan(2, (0,))
    monkeypatch.setattr("SAMedLib.setup.install.missingPackages", lambda: ["torch>=2.4"])
    with pytest.raises(SAMedError, match=r"These Python packages are missing: torch>=2\.4"):
        logic.segment(volumeNode, MODEL)
