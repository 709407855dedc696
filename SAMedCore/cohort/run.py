"""Many scans with one checkpoint: what is there is listed, done once, written down and reported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from SAMedCore.checkpoint.fetch import sha256_of
from SAMedCore.checkpoint.folder import ADAPTER_FILE, INFO_FILE, check_checkpoint, find_folder
from SAMedCore.cohort.cluster import cluster_crew, has_ray
from SAMedCore.cohort.crew import Crew, OneProcess
from SAMedCore.cohort.journal import open_journal
from SAMedCore.cohort.page import write_page
from SAMedCore.cohort.scanner import Load
from SAMedCore.cohort.scans import Request, ScanRow, request_for, scans_of
from SAMedCore.cohort.schedule import carry_out
from SAMedCore.cohort.table import failures_in_words, write_table
from SAMedCore.errors import Cancelled, SAMedError
from SAMedCore.options import CohortOptions, ModelOptions, SegmentOptions
from SAMedCore.work import SILENT, FinishedScan, Work


@dataclass(frozen=True)
class CohortResult:
    """What became of a cohort.

    Attributes:
        rows: one for each scan of the source, by name.
        csv: the report as a table.
        html: the report as a page.
    """

    rows: Sequence[ScanRow]
    csv: Path
    html: Path

    @property
    def written(self) -> list[Path]:
        """The segmentations."""
        return [Path(row.scan.output) for row in self.rows if row.error is None]

    @property
    def failed(self) -> list[ScanRow]:
        """The scans without a segmentation."""
        return [row for row in self.rows if row.error is not None]

    def raise_failures(self) -> None:
        """Raises SAMedError, which names them, where scans have failed."""
        failed = {Path(row.scan.image).name: str(row.error) for row in self.failed}
        if failed:
            raise SAMedError(failures_in_words(failed, len(self.rows), self.html))


def segment_cohort(
    source: Path,
    out: Path,
    model: ModelOptions,
    options: SegmentOptions | None = None,
    cohort: CohortOptions | None = None,
    work: Work = SILENT,
    load: Load | None = None,
) -> CohortResult:
    """Segment every scan of a folder, a CSV file or a dataset into a folder, with a report of all.

    What the folder's journal has as done is not done again: a run that was stopped, or killed, goes on where it was, and scans
    that failed are tried again. Scans fail one by one; the others go on.

    Args:
        source: as `files.cases.listed` takes it.
        out: the folder for NAME and the ending of `cohort`, report.csv and report.html; made if it is not there.
        options: as for one scan, but without slices and probabilities; the uncertainty is always measured.
        work: told "loading" in workers, "segmenting" in scans, and each `FinishedScan`.
        load: what loads the model where one process does it all, if it is not `load_segmenter`.

    Raises:
        InputError: nothing to segment, a checkpoint or option that is of no use, a folder of another request or at work.
        Cancelled: the user stopped the work; what is done stays.
        SAMedError: there is nobody left who could go on.
    """
    cohort, options = cohort or CohortOptions(), options or SegmentOptions()
    request = request_for(out, model, options)
    info = check_checkpoint(model.checkpoint, model.weights)
    if options.labels is not None:
        info.labels.subset(options.labels)
    scans = scans_of(source, out, cohort.ending)
    with open_journal(out, _asked(request, cohort)) as journal:
        missing = [scan for scan in scans if not journal.has(scan)]
        done = len(scans) - len(missing)
        if done and missing:
            work.note(f"{done} of {len(scans)} scans are segmented already: going on with the others.")
        try:
            if missing:
                with _crew(request, cohort, work, load) as crew:
                    for row in carry_out(missing, crew, cohort.retries, work):
                        journal.append(row)
                        done += 1
                        work.tell(FinishedScan(row.scan.name, None if row.error else row.scan.output, row.error))
                        work.step("segmenting", done, len(scans))
        except (Cancelled, KeyboardInterrupt) as stop:
            raise Cancelled(
                f"Cancelled with {done} of {len(scans)} scans done: started again, it goes on from there."
            ) from stop
        rows = [replace(journal.rows[scan.name], scan=scan) for scan in scans]
        result = CohortResult(rows, out / "report.csv", out / "report.html")
        write_table(result.rows, info.labels.names, result.csv)
        write_page(result.rows, info.labels, request, result.html)
    return result


@contextmanager
def _crew(request: Request, cohort: CohortOptions, work: Work, load: Load | None) -> Iterator[Crew]:
    """Ray's where several are asked for or this computer has several GPUs; else this process."""
    several = cohort.address is not None or (cohort.workers or 1) > 1
    if not several and cohort.workers is None and (gpus := _gpus(request.model.device)) > 1:
        several = has_ray()
        if not several:
            work.note(f'one of {gpus} GPUs is used: with Ray (install "samedcore[cluster]") all are.')
    if several:
        with cluster_crew(request, cohort, work) as crew:
            yield crew
    else:
        with OneProcess(request, work, load) as crew:
            yield crew


def _gpus(device: str) -> int:
    if device not in ("auto", "cuda"):
        return 0
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def _asked(request: Request, cohort: CohortOptions) -> dict[str, Any]:
    """What makes another segmentation of the same scan; the device and the batch size do not."""
    folder = find_folder(request.model.checkpoint)
    labels = request.options.labels
    return {
        "checkpoint": [sha256_of(folder / name) for name in (ADAPTER_FILE, INFO_FILE)],
        "labels": None if labels is None else sorted(labels),
        "largest component": request.options.largest_component,
        "precision": request.model.precision,
        "ending": cohort.ending,
    }
