"""A folder of scans to a folder of segmentations, from files to files: the scene is not touched."""

from pathlib import Path

from slicer.i18n import tr as _

from SAMedCore.errors import InputError
from SAMedCore.files.atomic import make_folder
from SAMedCore.files.cases import name_of, scans_in
from SAMedCore.files.read import read_volume
from SAMedCore.files.write import write_labelmap
from SAMedCore.options import ModelOptions, SegmentOptions
from SAMedCore.service import messages
from SAMedLib.jobs.job import Job
from SAMedLib.worker.client import Worker
from SAMedLib.worker.voxelFiles import readLabelFile

OUTPUT_ENDING = ".seg.nrrd"


class SegmentFileJob(Job):
    """Segments one file or DICOM folder; the outcome is the written .seg.nrrd (pathlib.Path)."""

    def __init__(self, worker: Worker, scan: Path, output: Path, model: ModelOptions, options: SegmentOptions) -> None:
        super().__init__(worker)
        self._scan = scan
        self._output = output
        self._model = model
        self._options = options

    def volumes(self):
        return [(read_volume(self._scan), None)]

    def message(self, handles, paths):
        return messages.Segment(handles[0], self._model, self._options)

    def conclude(self, values):
        write_labelmap(readLabelFile(values["labelmap"]), self._output, source=self._scan)
        return self._output


def planFolder(inputFolder: Path, outputFolder: Path) -> list[tuple[Path, Path]]:
    """(scan, segmentation to write) for each scan of the folder; the output folder is made.

    Raises:
        InputError: there is no such folder, no scan in it, or two of them would be written to the same file.
    """
    pairs = [(scan, outputFolder / (name_of(scan) + OUTPUT_ENDING)) for scan in scans_in(inputFolder)]
    taken: set[Path] = set()
    for scan, output in pairs:
        if output in taken:
            text = _('"{scan}": another scan of the folder would also be written to {output}: rename one of them.')
            raise InputError(text.format(scan=scan, output=output.name))
        taken.add(output)
    make_folder(outputFolder)
    return pairs
