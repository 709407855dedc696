"""Every scan once, by whoever is there: what failed for passing reasons again, what is of no use not."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace

from SAMedCore.cohort.crew import Crew, Worker
from SAMedCore.cohort.faults import sentence_of
from SAMedCore.cohort.scanner import AT_A_TIME
from SAMedCore.cohort.scans import Scan, ScanRow
from SAMedCore.errors import Cancelled
from SAMedCore.work import Work

POLL_S = 0.1
FIRST_PAUSE_S = 1.0
"""Before a scan is tried again; doubled each time, while the others go on."""


@dataclass(frozen=True)
class _Try:
    """A scan that waits or is worked on.

    Attributes:
        number: of the try, from 1.
        alone: no other scan is given to the same worker meanwhile: it failed or its worker was lost, and it may be the reason.
        not_before: of the clock `time.monotonic`.
    """

    scan: Scan
    number: int = 1
    alone: bool = False
    not_before: float = 0.0

    def again(self) -> _Try:
        return _Try(self.scan, self.number + 1, True, time.monotonic() + FIRST_PAUSE_S * 2 ** (self.number - 1))


_Running = dict[Future[ScanRow], tuple[Worker, _Try]]


def carry_out(scans: Iterable[Scan], crew: Crew, retries: int, work: Work) -> Iterator[ScanRow]:
    """One row for each scan, as they end.

    A worker that is lost takes up to `AT_A_TIME` scans with it, of which one may be the reason; they are done again one at a
    time, and only a scan that was alone with a lost worker has used up a try.

    Args:
        retries: of one scan.

    Raises:
        Cancelled: the user stopped the work.
        SAMedError: as `Crew.ready`.
    """
    waiting = [_Try(scan) for scan in scans][::-1]
    running: _Running = {}
    while waiting or running:
        work.stop_if_cancelled()
        _hand_out(waiting, running, crew)
        if not running:
            time.sleep(POLL_S)
            continue
        ended, _ = wait(running, POLL_S, FIRST_COMPLETED)
        # Rows first: a worker that is lost takes along only what it has not answered.
        for future in sorted(ended, key=lambda future: future.exception() is not None):
            if future not in running:
                continue
            worker, attempt = running.pop(future)
            error = future.exception()
            if error is None:
                row = replace(future.result(), tries=attempt.number)
            elif crew.lost(worker, error):
                with_it = [other for other, (its_worker, _) in running.items() if its_worker is worker]
                for other in with_it:
                    waiting.insert(0, replace(running.pop(other)[1], alone=True))
                if with_it:
                    waiting.insert(0, replace(attempt, alone=True))
                    continue
                row = ScanRow(attempt.scan, _LOST.format(tries=attempt.number), may_pass=True, tries=attempt.number)
            elif isinstance(error, Cancelled):
                raise error
            else:
                row = ScanRow(attempt.scan, sentence_of(error), tries=attempt.number)
            if row.error is not None and row.may_pass and attempt.number <= retries:
                waiting.insert(0, attempt.again())
            else:
                yield row


_LOST = "Whoever worked on it was gone each of {tries} times, perhaps for want of memory: try it by itself."


def _hand_out(waiting: list[_Try], running: _Running, crew: Crew) -> None:
    """Give scans, from the end of `waiting`, to those who have room, to the least busy first."""
    workers = crew.ready()
    while waiting and any(_hand_one_to(worker, waiting, running) for worker in _least_busy_first(workers, running)):
        pass


def _least_busy_first(workers: Sequence[Worker], running: _Running) -> list[Worker]:
    return sorted(workers, key=lambda worker: len(_theirs(worker, running)))


def _hand_one_to(worker: Worker, waiting: list[_Try], running: _Running) -> bool:
    """Give it one more scan if it has room; whether it took one."""
    busy, now = _theirs(worker, running), time.monotonic()
    if len(busy) >= AT_A_TIME:
        return False
    index = next((index for index in reversed(range(len(waiting))) if _fits(waiting[index], busy, now)), None)
    if index is None:
        return False
    attempt = waiting.pop(index)
    running[worker.submit(attempt.scan)] = worker, attempt
    return True


def _theirs(worker: Worker, running: _Running) -> list[_Try]:
    return [attempt for each, attempt in running.values() if each is worker]


def _fits(attempt: _Try, busy: list[_Try], now: float) -> bool:
    return attempt.not_before <= now and not (busy and (attempt.alone or any(each.alone for each in busy)))
