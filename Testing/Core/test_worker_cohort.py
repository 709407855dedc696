"""The worker segments a folder of scans, and stops when it is told to."""

import pytest
from small_cohort import copies, journal_rows
from worker_process import cancelled

from SAMedCore.cohort.table import read_table
from SAMedCore.options import CohortOptions
from SAMedCore.service.events import Error, Notice, Progress, Result
from SAMedCore.service.messages import SegmentCohort


@pytest.fixture
def ask(files, tmp_path, small_model):
    def request(count: int) -> SegmentCohort:
        source = copies(files, tmp_path / "scans", count)
        return SegmentCohort(str(source), str(tmp_path / "out"), small_model, cohort=CohortOptions(retries=0))

    return request


def test_every_scan_is_segmented_and_the_broken_one_named(worker, ask, tmp_path):
    request = ask(2)
    (tmp_path / "scans" / "broken.nii.gz").write_bytes(b"no image")
    *events, result = worker.ask(request)
    assert isinstance(result, Result)
    steps = [(event.done, event.total) for event in events if isinstance(event, Progress) and event.phase == "segmenting"]
    assert steps[-1] == (3, 3)
    (notice,) = [event.message for event in events if isinstance(event, Notice)]
    assert notice.startswith("broken: ")
    lines = read_table(tmp_path / "out" / "report.csv")
    assert [(line.name, line.error is None) for line in lines] == [("broken", False), ("scan000", True), ("scan001", True)]
    assert all(line.segmentation.exists() for line in lines[1:])


def test_a_cancelled_cohort_keeps_what_is_done(worker, ask, tmp_path):
    answer = cancelled(worker, ask(30), lambda event: isinstance(event, Progress) and event.phase == "segmenting")
    assert isinstance(answer, Error)
    assert answer.kind == "cancelled"
    assert "of 30 scans done" in answer.message
    assert 1 <= len(journal_rows(tmp_path / "out")) < 30
