"""Every scan is done once: what failed for passing reasons again, bad input not, none is lost with a worker that is gone."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from random import Random

import pytest

from SAMedCore.cohort import schedule
from SAMedCore.cohort.scanner import AT_A_TIME
from SAMedCore.cohort.scans import Scan, ScanRow
from SAMedCore.cohort.schedule import carry_out
from SAMedCore.errors import Cancelled, SAMedError
from SAMedCore.work import SILENT, Work


class Gone(Exception):
    """A worker is."""


class Worker:
    """Ends what it was given when the crew is asked for its workers the next time."""

    def __init__(self) -> None:
        self.running: dict[Future, Scan] = {}

    def submit(self, scan):
        future = Future()
        self.running[future] = scan
        return future


class Crew:
    """Workers whose scans end as `ends` says: with a row, or with an error, which a `Gone` is for all that its worker is at."""

    def __init__(self, count: int, ends: Callable[[Scan, int], ScanRow | Exception]) -> None:
        self.workers = [Worker() for _ in range(count)]
        self.begun: Counter[str] = Counter()
        self.most_at_once = 0
        self.lost_workers = 0
        self._ends = ends

    def ready(self):
        for worker in self.workers:
            self.most_at_once = max(self.most_at_once, len(worker.running))
            for future, scan in list(worker.running.items()):
                if future.done():
                    continue
                self.begun[scan.name] += 1
                end = self._ends(scan, self.begun[scan.name])
                if isinstance(end, Gone):
                    for each in worker.running:
                        if not each.done():
                            each.set_exception(end)
                elif isinstance(end, Exception):
                    future.set_exception(end)
                else:
                    future.set_result(end)
            worker.running = {future: scan for future, scan in worker.running.items() if not future.done()}
        return self.workers

    def lost(self, worker, error):
        if isinstance(error, Gone):
            self.workers[self.workers.index(worker)] = Worker()
            self.lost_workers += 1
            return True
        return False


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(schedule, "FIRST_PAUSE_S", 0.0)
    monkeypatch.setattr(schedule, "POLL_S", 0.001)


def scans(count: int) -> list[Scan]:
    return [Scan(str(number), f"{number}.nii.gz", f"{number}.seg.nrrd", (0, 0)) for number in range(count)]


def done(scan: Scan, number: int) -> ScanRow:
    return ScanRow(scan)


def by_name(rows) -> dict[str, ScanRow]:
    rows = list(rows)
    assert len({row.scan.name for row in rows}) == len(rows)
    return {row.scan.name: row for row in rows}


@pytest.mark.parametrize("workers", [1, 3])
def test_each_scan_is_done_once_and_few_are_begun_ahead(workers):
    crew = Crew(workers, done)
    rows = by_name(carry_out(scans(50), crew, 2, SILENT))
    assert crew.begun == Counter(rows.keys())
    assert crew.most_at_once == AT_A_TIME


def test_what_fails_for_a_passing_reason_is_tried_again():
    crew = Crew(
        1, lambda scan, number: ScanRow(scan, "full", may_pass=True) if number < 3 and scan.name == "4" else done(scan, 1)
    )
    rows = by_name(carry_out(scans(9), crew, 2, SILENT))
    assert (rows["4"].error, rows["4"].tries) == (None, 3)
    assert {row.tries for name, row in rows.items() if name != "4"} == {1}


@pytest.mark.parametrize(("may_pass", "tries"), [(True, 3), (False, 1)])
def test_what_fails_always_is_told_as_failed_and_bad_input_at_once(may_pass, tries):
    crew = Crew(1, lambda scan, number: ScanRow(scan, "broken", may_pass))
    (row,) = carry_out(scans(1), crew, 2, SILENT)
    assert (row.error, row.tries, crew.begun["0"]) == ("broken", tries, tries)


def test_an_unexpected_error_fails_its_scan_alone():
    crew = Crew(1, lambda scan, number: ZeroDivisionError("1/0") if scan.name == "2" else done(scan, 1))
    rows = by_name(carry_out(scans(5), crew, 2, SILENT))
    assert [name for name, row in rows.items() if row.error] == ["2"]
    assert "ZeroDivisionError" in rows["2"].error


def test_a_scan_that_ends_its_worker_each_time_fails_and_takes_no_other_with_it():
    crew = Crew(2, lambda scan, number: Gone() if scan.name == "3" else done(scan, 1))
    rows = by_name(carry_out(scans(20), crew, 2, SILENT))
    assert [name for name, row in rows.items() if row.error] == ["3"]
    assert (rows["3"].tries, crew.lost_workers) == (3, 4)
    assert "gone each of 3 times" in rows["3"].error


@pytest.mark.parametrize("seed", range(20))
def test_workers_that_are_lost_at_random_lose_no_scan(seed):
    random = Random(seed)
    crew = Crew(3, lambda scan, number: Gone() if random.random() < 0.15 else done(scan, 1))
    rows = by_name(carry_out(scans(40), crew, 20, SILENT))
    assert len(rows) == 40
    assert not any(row.error for row in rows.values())
    assert crew.lost_workers > 0


def test_it_stops_when_the_user_does():
    stopped = []
    rows = carry_out(scans(50), Crew(1, done), 2, Work(is_cancelled=lambda: bool(stopped)))
    next(rows)
    stopped.append(True)
    with pytest.raises(Cancelled):
        list(rows)


def test_with_nobody_left_it_ends_in_the_crews_words():
    class Nobody(Crew):
        def ready(self):
            raise SAMedError("nobody is there")

    with pytest.raises(SAMedError, match="nobody is there"):
        list(carry_out(scans(1), Nobody(1, done), 2, SILENT))
