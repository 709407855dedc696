"""A folder of scans to a folder of segmentations, from files to files, in the worker: the scene is not touched."""

from dataclasses import dataclass
from pathlib import Path

from SAMedCore.cohort.table import failures_in_words, read_table
from SAMedCore.errors import SAMedError
from SAMedCore.service import messages
from SAMedLib.jobs.job import Job
from SAMedLib.worker.client import Worker


@dataclass(frozen=True)
class CohortOutcome:
    """What became of a folder of scans.

    Attributes:
        written: the segmentations.
        failed: the file name of each scan that has none, and why.
        report: the page with all of them.
    """

    written: list[Path]
    failed: dict[str, str]
    report: Path

    def raiseFailures(self) -> None:
        """Raises SAMedError, which names them, where scans have failed."""
        if self.failed:
            raise SAMedError(failures_in_words(self.failed, len(self.failed) + len(self.written), self.report))


class SegmentCohortJob(Job):
    """Segments every scan of a folder, CSV file or dataset; the outcome is a `CohortOutcome`."""

    def __init__(self, worker: Worker, message: messages.SegmentCohort) -> None:
        super().__init__(worker)
        self._message = message

    def message(self, handles, paths):
        return self._message

    def conclude(self, values):
        lines = read_table(Path(values["csv"]))
        written = sorted(line.segmentation for line in lines if line.segmentation is not None)
        failed = {line.image.name: line.error for line in lines if line.segmentation is None}
        return CohortOutcome(written, failed, Path(values["html"]))
