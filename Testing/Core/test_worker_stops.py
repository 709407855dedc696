"""What is cancelled or killed stops and leaves nothing."""

import os
import signal
import subprocess
import sys

import pytest
from worker_process import cancelled, only_inputs

from SAMedCore.service.events import Error, Progress, Ready, Slices
from SAMedCore.service.process import vanish

pytestmark = pytest.mark.skipif(os.name == "nt", reason="process groups")


def test_a_cancelled_segmentation_ends_and_leaves_no_file(worker, ask_segment, long_volume):
    handle = worker.open(long_volume)
    answer = cancelled(worker, ask_segment(handle), lambda event: isinstance(event, Slices))
    assert answer == Error("Cancelled.", "cancelled")
    assert only_inputs(worker)
    worker.close(handle)


def test_a_cancelled_completion_ends_and_leaves_no_file(worker, ask_complete):
    def is_encoding(event):
        return isinstance(event, Progress) and event.phase == "encoding"

    answer = cancelled(worker, ask_complete(0, 1, 3), is_encoding)
    assert answer.kind == "cancelled"
    assert only_inputs(worker)


def test_a_killed_worker_takes_its_children_along_and_leaves_its_folder_to_slicer(another_worker, ask_segment, long_volume):
    # Nobody takes the log either.
    another_worker.process.stderr.close()
    another_worker.wait_for(Ready)
    number = another_worker.send(ask_segment(another_worker.open(long_volume)))
    another_worker.wait_for(Slices)
    assert "sleep 600" in another_worker.processes()
    os.kill(another_worker.pid, signal.SIGKILL)
    another_worker.wait_until_gone()
    kept = {path.name for path in another_worker.folder.iterdir() if path.is_file()}
    assert kept == {"volume-1.npy", f"labelmap-{number}.npy", "worker.log"}
    assert "a warning" in another_worker.log


def test_on_windows_it_vanishes_without_a_console_window(monkeypatch, tmp_path):
    flags = []
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.delattr(os, "killpg")
    monkeypatch.setattr(subprocess, "CREATE_NO_WINDOW", 0x08000000, raising=False)
    monkeypatch.setattr(subprocess, "Popen", lambda _command, creationflags=0, **_options: flags.append(creationflags))
    vanish(tmp_path / "folder")
    assert flags == [subprocess.CREATE_NO_WINDOW]
