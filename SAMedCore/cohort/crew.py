"""Who does the scans: the workers of one run, each with a model of its own."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

from SAMedCore.cohort.scanner import AT_A_TIME, Load, Scanner
from SAMedCore.cohort.scans import Request, Scan, ScanRow
from SAMedCore.work import Work


class Worker(Protocol):
    """One model; takes up to `AT_A_TIME` scans at once."""

    def submit(self, scan: Scan) -> Future[ScanRow]:
        """Begin a scan. The future fails only where the worker does."""


class Crew(Protocol):
    """The workers of one run, of whom some may be gone at any time, and others come in their place."""

    def ready(self) -> Sequence[Worker]:
        """Those that take scans now. Raises SAMedError where there will be none any more."""

    def lost(self, worker: Worker, error: BaseException) -> bool:
        """Whether a future that failed so means that its worker is gone; another one takes its place then."""


class OneProcess:
    """A crew of one worker, in threads of this process.

    Args:
        work: told of the loading; asked by the scans whether to stop.
        load: what loads the model, where that is not `load_segmenter`.

    Raises:
        InputError: as `Scanner.load`.
    """

    def __init__(self, request: Request, work: Work, load: Load | None = None) -> None:
        work.step("loading", 0, 1)
        self._scanner = Scanner(request)
        self._scanner.load(load)
        work.step("loading", 1, 1)
        self._stopped = threading.Event()
        self._work = Work(is_cancelled=lambda: self._stopped.is_set() or work.is_cancelled())
        self._threads = ThreadPoolExecutor(AT_A_TIME, thread_name_prefix="scan")

    def __enter__(self) -> OneProcess:
        return self

    def __exit__(self, *exception: object) -> None:
        self._stopped.set()
        self._threads.shutdown(cancel_futures=True)

    def submit(self, scan: Scan) -> Future[ScanRow]:
        return self._threads.submit(self._scanner.do, scan, self._work)

    def ready(self) -> Sequence[Worker]:
        return [self]

    def lost(self, worker: Worker, error: BaseException) -> bool:
        return False
