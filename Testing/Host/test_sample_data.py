"""The sample in Slicer's Sample Data module."""

from pathlib import Path

import numpy as np
import pytest
import SampleData
import slicer

import slicerhost
from SAMedCore.demo import sample
from SAMedCore.errors import SAMedError
from SAMedLib import sampleData
from SAMedLib.scene.writing import checkOutput
from scans import segmentIn

NAME = "SAMedAbdomenCT"


@pytest.fixture(autouse=True)
def nothingOffered(monkeypatch, tmp_path):
    """Sample Data as it is before any module has come, with an empty cache."""
    monkeypatch.setattr(slicer.modules, "sampleDataSources", {})
    manager = slicer.mrmlScene.GetCacheManager()
    before = manager.GetRemoteCacheDirectory()
    manager.SetRemoteCacheDirectory(str(tmp_path))
    yield
    manager.SetRemoteCacheDirectory(before)


@pytest.fixture
def missing(monkeypatch):
    """SAMed's packages are not installed."""

    def refuse() -> None:
        raise SAMedError("These Python packages are missing: torch.")

    monkeypatch.setattr(sampleData, "requirePackages", refuse)


def offered() -> list[str]:
    return [source.sampleName for source in SampleData.SampleDataLogic.sampleDataSourcesByCategory("SAMed")]


def drawnSlicesOf(segmentationNode, volumeNode) -> tuple[int, ...]:
    from SAMedLib.scene.provenance import drawnSlices
    from SAMedLib.scene.reading import readAnnotation

    return drawnSlices(segmentationNode, readAnnotation(segmentationNode, volumeNode).labelmap)


def assertIsTheSample(volumeNode, segmentationNode, sample_ct, sample_labels) -> None:
    assert np.array_equal(slicer.util.arrayFromVolume(volumeNode), sample_ct.voxels)
    sixth = sample.ORGAN_SLICES[:: sample.ANNOTATED_EVERY]
    assert drawnSlicesOf(segmentationNode, volumeNode) == tuple(k for k in sixth if sample_labels.voxels[k].any())
    drawn = segmentIn(segmentationNode, "liver", volumeNode)
    assert np.array_equal(drawn[82], sample_labels.voxels[82] == 5)
    segment = segmentationNode.GetSegmentation().GetSegment(
        segmentationNode.GetSegmentation().GetSegmentIdBySegmentName("liver")
    )
    assert [round(255 * channel) for channel in segment.GetColor()] == [221, 130, 101]


def test_a_module_dragged_onto_slicers_window_offers_its_sample_at_once(panel):
    assert offered() == [NAME]


def test_at_slicers_start_the_sample_is_offered_once_all_modules_are_there(monkeypatch, sameModules):
    monkeypatch.delattr(slicer.modules, "sampledata")
    slicerhost.loadModule("SAMed")
    try:
        assert offered() == []
        slicer.app.startupCompleted.emit()
        assert offered() == [NAME]
    finally:
        slicerhost.unloadModule("SAMed")


def test_the_sample_is_never_offered_twice(panel):
    panel.onReload()
    slicer.modules.SAMedInstance.offerSample()
    slicer.app.startupCompleted.emit()
    assert offered() == [NAME]


def test_the_tile_has_a_picture_and_its_ct_a_checksum(panel):
    source = SampleData.SampleDataLogic().sourceForSampleName(NAME)
    assert source.checksums[0] == f"SHA256:{next(iter(sample.SAMPLE.members.values()))}"
    assert Path(source.thumbnailFileName).is_file()


def test_a_click_on_the_tile_shows_a_ct_with_every_sixth_slice_drawn(panel, sample_ct, sample_labels):
    slicerhost.click(SampleData.tile(NAME))
    volumeNode, segmentationNode = slicer.util.getNode(NAME), slicer.util.getNode("Every 6th slice")
    assertIsTheSample(volumeNode, segmentationNode, sample_ct, sample_labels)
    assert slicer.app.sliceLogics["Red"].GetSliceCompositeNode().GetBackgroundVolumeID() == volumeNode.GetID()
    slicerhost.click(panel.ui.addSceneButton)
    assert panel.ui.scansTable.rowCount == 1


def test_the_sample_comes_by_name_too(panel, sample_ct, sample_labels):
    volumeNode, segmentationNode = SampleData.downloadSamples(NAME)
    assertIsTheSample(volumeNode, segmentationNode, sample_ct, sample_labels)
    checkOutput(segmentationNode, volumeNode)  # raises where it cannot be completed
    assert SampleData.downloadSample(NAME).GetName().startswith(NAME)


def test_what_is_wrong_on_a_click_is_said_once_in_a_dialog(panel, missing):
    slicerhost.click(SampleData.tile(NAME))
    assert slicerhost.dialogs.shown == [("error", "These Python packages are missing: torch.")]


@pytest.mark.parametrize("error", [OSError("disk full"), ValueError("no number")], ids=["OSError", "ValueError"])
def test_what_nobody_foresaw_is_said_on_a_click_too(panel, monkeypatch, error):
    def fail(*_arguments) -> None:
        raise error

    monkeypatch.setattr(sampleData, "write_labelmap", fail)
    slicerhost.click(SampleData.tile(NAME))
    (said,) = slicerhost.dialogs.texts("error")
    assert "The sample could not be loaded" in said


def test_who_asks_by_name_gets_the_error_itself(panel, missing):
    with pytest.raises(SAMedError, match="These Python packages are missing"):
        SampleData.downloadSample(NAME)
    assert slicerhost.dialogs.shown == []
