"""The sample in Slicer's Sample Data module."""

from pathlib import Path

import numpy as np
import pytest
import SampleData
import slicer

from SAMedCore import samples
from scans import segmentIn


@pytest.fixture(autouse=True)
def registered(panel):
    """As Slicer does when it has started."""
    from SAMedLib.sampleData import registerSampleData

    registerSampleData(Path(slicer.modules.samed.path).parent)


@pytest.fixture
def loaded(registered, sample_ct):
    """What the Sample Data module loads when the user clicks on the sample."""
    source = SampleData.SampleDataLogic().sourceForSampleName("SAMedAbdomenCT")
    return source.customDownloader(source)


def test_the_sample_is_registered_with_its_checksum():
    source = SampleData.SampleDataLogic().sourceForSampleName("SAMedAbdomenCT")
    assert source.checksums == [f"SHA256:{samples.SAMPLE.sha256}"]
    assert Path(source.thumbnailFileName).is_file()


def test_the_sample_is_a_ct_with_every_sixth_slice_drawn(loaded, sample_ct, sample_labels):
    from SAMedLib.annotations import readAnnotation
    from SAMedLib.provenance import drawnSlices

    volumeNode, segmentationNode = loaded
    assert np.array_equal(slicer.util.arrayFromVolume(volumeNode), sample_ct.voxels)
    labelmap = readAnnotation(segmentationNode, volumeNode).labelmap
    sixth = samples.ORGAN_SLICES[:: samples.ANNOTATED_EVERY]
    assert drawnSlices(segmentationNode, labelmap) == tuple(k for k in sixth if sample_labels.voxels[k].any())
    drawn = segmentIn(segmentationNode, "liver", volumeNode)
    assert np.array_equal(drawn[82], sample_labels.voxels[82] == 5)
