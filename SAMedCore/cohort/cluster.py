"""Workers on several devices and computers, by Ray: one actor a GPU or set of cores, each with a model of its own.

Nothing but scans' names and their rows passes through Ray: the actors read and write files. What Ray itself would restart or
retry is left off: `schedule` knows what may be done again. Ray is imported when it is needed.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import logging
import math
import os
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from SAMedCore.cohort.crew import Worker
from SAMedCore.cohort.faults import sentence_of
from SAMedCore.cohort.scanner import AT_A_TIME, Scanner
from SAMedCore.cohort.scans import Request, Scan, ScanRow
from SAMedCore.cohort.shares import Computer, Share, shares
from SAMedCore.errors import InputError, SAMedError
from SAMedCore.options import CohortOptions
from SAMedCore.work import Work

MOST_LOST_LOADING = 10
"""So often in a row a worker may be lost while it loads the model before no other takes its place."""

NOBODY_READY_S = 60.0
"""After so long without any worker that could take a scan it is said, once."""

PATIENCE_S = 5.0
"""For an answer from the cluster's address, and for the last of Ray's processes to go."""

OBJECT_STORE_BYTES = 10**8
"""Near the least that Ray takes; rows are a few hundred bytes each."""

TOKEN = secrets.token_hex(32)
"""Of every Ray that this process starts: Ray reads it once."""

SETTINGS = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
"""Nothing is sent to Ray's makers; and workers are programs like any other, where Ray lets all others go before."""


def has_ray() -> bool:
    """Whether the extra "cluster" is installed."""
    return importlib.util.find_spec("ray") is not None


@contextmanager
def cluster_crew(request: Request, cohort: CohortOptions, work: Work) -> Iterator[ClusterCrew]:
    """The workers on the cluster of that address, or on one that is started on this computer and gone after the block.

    Args:
        work: told of the loading, and where nobody has room.

    Raises:
        InputError: Ray is not installed, no cluster answers, or as `shares`.
    """
    if not has_ray():
        raise InputError(
            'several workers need Ray, which is not installed: install "samedcore[cluster]", or let one worker do it.'
        )
    with _connected(cohort.address) as ray:
        computers = [
            Computer(node["NodeID"], node["Resources"].get("CPU", 0), node["Resources"].get("GPU", 0))
            for node in ray.nodes()
            if node["Alive"]
        ]
        crew = ClusterCrew(request, shares(computers, request.model.device, cohort.workers), work)
        try:
            yield crew
        finally:
            crew.close()


def _ray() -> Any:
    """The package, told to keep quiet before it is imported."""
    os.environ.update(SETTINGS)
    return importlib.import_module("ray")


@contextmanager
def _connected(address: str | None) -> Iterator[Any]:
    """The package `ray`, connected."""
    ray = _ray()
    # A Ray that this process is connected to already belongs to its other code.
    if ray.is_initialized():
        yield ray
        return
    quiet = {"logging_level": logging.CRITICAL, "log_to_driver": False}
    if address is not None:
        try:
            _check_listened_to(address)
            ray.init(address, **quiet)
        except Exception as error:
            reason = " ".join(str(error).split())[:200]
            raise InputError(f'no Ray cluster answers at "{address}" ({reason}): check the address, or start it.') from error
        try:
            yield ray
        finally:
            ray.shutdown()
        return
    # Sockets lie in it, whose names may have 107 bytes: the folder for temporary files is too deep on some systems.
    folder = tempfile.mkdtemp(prefix="samed-ray-", dir=None if os.name == "nt" else "/tmp")  # noqa: S108 - mkdtemp: a new name, 0700
    # Ray listens to the network, also where it is for this computer alone. It asks everybody for a token then, and would keep
    # one in the person's home folder.
    before = {name: os.environ.get(name) for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN")}
    os.environ.setdefault("RAY_AUTH_TOKEN", TOKEN)
    alone = {"include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES, "_node_ip_address": "127.0.0.1"}
    try:
        ray.init("local", _temp_dir=folder, **alone, **quiet)
        yield ray
    finally:
        ray.shutdown()
        _remove(Path(folder))
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)


def _remove(folder: Path) -> None:
    """Ray's processes write their logs until they are gone, a moment after they were told to."""
    deadline = time.monotonic() + PATIENCE_S
    while folder.exists() and time.monotonic() < deadline:
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.05)


def _check_listened_to(address: str) -> None:
    """Raises OSError where nobody listens at HOST:PORT or ray://HOST:PORT: Ray itself would try for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), PATIENCE_S).close()


@dataclass(eq=False)
class _ActorWorker:
    """One actor; `loading` ends with None, or with the sentence why it is of no use."""

    actor: Any
    share: Share
    loading: Future[str | None]
    lost_loading: int

    def submit(self, scan: Scan) -> Future[ScanRow]:
        return self.actor.do.remote(scan).future()


class ClusterCrew:
    """One actor for each share; one that is lost is replaced as soon as the cluster has room."""

    def __init__(self, request: Request, given: Sequence[Share], work: Work) -> None:
        self._request = request
        self._work = work
        self._complaint = ""
        self._workers = [self._start(share) for share in given]
        self._most_ready = 0
        self._note_at = time.monotonic() + NOBODY_READY_S
        work.step("loading", 0, len(given))

    def ready(self) -> Sequence[Worker]:
        ready: list[Worker] = []
        for worker in list(self._workers):
            if not worker.loading.done():
                continue
            error = worker.loading.exception()
            if error is not None:
                self._replace(worker, error, worker.lost_loading + 1)
            elif (complaint := worker.loading.result()) is not None:
                self._dismiss(worker, complaint)
            else:
                ready.append(worker)
        if len(ready) > self._most_ready:
            self._most_ready = len(ready)
            self._work.step("loading", len(ready), len(self._workers))
        if not self._workers:
            raise SAMedError(self._complaint)
        if ready:
            self._note_at = time.monotonic() + NOBODY_READY_S
        elif time.monotonic() > self._note_at:
            self._note_at = math.inf
            self._work.note(
                "no worker has begun yet: the cluster has no room for one, or loading the model takes long; waiting."
            )
        return ready

    def lost(self, worker: Worker, error: BaseException) -> bool:
        assert isinstance(worker, _ActorWorker)
        exceptions = _ray().exceptions
        if not isinstance(error, exceptions.RayError) or isinstance(error, exceptions.RayTaskError):
            return False
        self._replace(worker, error, 0)
        return True

    def close(self) -> None:
        """End the actors, whatever they are at."""
        for worker in self._workers:
            self._end(worker)

    def _start(self, share: Share, lost_loading: int = 0) -> _ActorWorker:
        ray = _ray()
        strategies = ray.util.scheduling_strategies
        where = "SPREAD" if share.computer is None else strategies.NodeAffinitySchedulingStrategy(share.computer, soft=True)
        options = {"num_cpus": share.cores, "num_gpus": share.gpus, "scheduling_strategy": where}
        actor = ray.remote(_Actor).options(max_concurrency=AT_A_TIME, **options).remote(self._request, share.threads)
        return _ActorWorker(actor, share, actor.load.remote().future(), lost_loading)

    def _replace(self, worker: _ActorWorker, error: BaseException, lost_loading: int) -> None:
        self._end(worker)
        if getattr(error, "actor_init_failed", False) or lost_loading > MOST_LOST_LOADING:
            reason = " ".join(str(error).split())[-200:]
            self._dismiss(worker, f"A worker of the cluster cannot start ({reason}): is SAMed installed on every computer?")
            return
        self._workers[self._workers.index(worker)] = self._start(worker.share, lost_loading)

    def _dismiss(self, worker: _ActorWorker, complaint: str) -> None:
        self._end(worker)
        self._workers.remove(worker)
        self._complaint = complaint
        if self._workers:
            self._work.note(complaint)

    def _end(self, worker: _ActorWorker) -> None:
        with contextlib.suppress(Exception):
            _ray().kill(worker.actor)


class _Actor(Scanner):
    """A `Scanner` in a process of its own."""

    def load(self) -> str | None:  # type: ignore[override]
        """Why it is of no use, or None once the model is there."""
        try:
            super().load()
        except Exception as error:
            return sentence_of(error)
        return None
