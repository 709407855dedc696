"""A worker that has not started yet: it ends and cancels all the same, and whatever keeps it from starting is named."""

import os
import time
from pathlib import Path

import pytest
from worker_process import PATIENCE_S, WorkerProcess

from SAMedCore.service.events import Error, Started
from SAMedCore.service.messages import Cancel, Describe

pytestmark = pytest.mark.skipif(os.name == "nt", reason="process groups")


@pytest.fixture
def running(tmp_path):
    """Starts workers; those that a test leaves are killed."""
    workers = []

    def start(*arguments, **options) -> WorkerProcess:
        workers.append(WorkerProcess(tmp_path / "private folder", *arguments, **options))
        return workers[-1]

    yield start
    for worker in workers:
        worker.process.kill()
        worker.process.wait()


def package(folder: Path, name: str, source: str) -> str:
    """A folder for Python's path with a package of that name."""
    (folder / "packages").mkdir()
    (folder / "packages" / f"{name}.py").write_text(source)
    return str(folder / "packages")


WAITS = {
    "in Python": "import time\ntime.sleep(600)",
    "in C, keeping the interpreter": "import ctypes\nctypes.PyDLL(None).sleep(600)",
}


@pytest.mark.parametrize("source", WAITS.values(), ids=WAITS.keys())
def test_slicers_end_ends_a_worker_that_is_still_loading_torch(running, tmp_path, source):
    worker = running(path=package(tmp_path, "torch", source))
    worker.wait_for(Started)
    time.sleep(0.5)
    worker.process.stdin.close()
    worker.wait_until(lambda: not worker.processes() and not worker.folder.exists())


@pytest.mark.parametrize("damage", ["raise ImportError('libc10.so: no such file')", "raise OSError('[WinError 126] c10.dll')"])
def test_a_damaged_package_is_named(running, tmp_path, damage):
    worker = running(path=package(tmp_path, "torch", damage))
    worker.send(Describe("abdomen-demo"))
    error = worker.wait_for(Error)[-1]
    assert error.kind == "failed"
    assert '"torch"' in error.message
    assert "reinstall" in error.message
    assert worker.process.wait(timeout=PATIENCE_S) == 1
    assert "Traceback" in worker.log


def test_a_package_that_is_missing_is_named_whoever_needs_it(running, tmp_path):
    worker = running(path=package(tmp_path, "torch", "import json\nimport what_torch_needs.inside"))
    error = worker.wait_for(Error)[-1]
    assert '"what_torch_needs"' in error.message


def test_a_request_that_waits_for_the_start_is_cancelled_before_that(running, tmp_path):
    worker = running(path=package(tmp_path, "torch", WAITS["in Python"]))
    number = worker.send(Describe("abdomen-demo"))
    worker.send(Cancel(), number)
    assert worker.wait_for(Error)[-1].kind == "cancelled"
