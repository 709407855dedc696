"""A worker on another computer as Slicer sees it: chosen by the device, told apart from the one here, its end in words."""

import sys
import textwrap

import numpy as np
import pytest
from ssh_server import start_server

import launchers
from SAMedCore.errors import InputError, SAMedError
from SAMedCore.options import ModelOptions, SegmentOptions
from SAMedCore.service import messages
from SAMedLib.jobs.job import PlainJob
from SAMedLib.jobs.segment import SegmentJob
from SAMedLib.scene.reading import readAnnotation
from SAMedLib.setup.locations import coreFolder
from SAMedLib.worker import elsewhere
from SAMedLib.worker.client import Worker
from scans import crop, ctNode

LOST = "The connection to gpu was lost: check the network, then try again; it is made anew by itself."


@pytest.fixture
def start():
    started = []

    def startWorker(program: str, address: str) -> Worker:
        started.append(Worker(program, str(coreFolder()), address))
        return started[-1]

    yield startWorker
    for each in started:
        each.stop()
    assert launchers.privateFolders() == []


def testTheConnectionsLastSentenceIsWhatAJobHears(start, tmp_path):
    body = f"""
    assert sys.argv[1:5] == ["-m", "SAMedCore.remote", "ssh://me@gpu:2222", "--folder"], sys.argv
    request = next(requests())
    say("Error", message={LOST!r}, kind="lost")
    say("Error", request["number"], message={LOST!r}, kind="lost")
    """
    program = launchers.write(tmp_path / "scripted", launchers.SCRIPTED, body=textwrap.dedent(body))
    worker = start(program, "ssh://me@gpu:2222")
    for _ in range(2):
        with pytest.raises(SAMedError) as raised:
            PlainJob(worker, messages.Describe("hf:a/b")).start().wait()
        assert str(raised.value) == LOST


def testEachComputerHasOneWorker(monkeypatch):
    monkeypatch.setattr(elsewhere, "_workers", {})
    first = elsewhere.workerElsewhere("ssh://gpu/cuda:1")
    assert elsewhere.workerElsewhere("ssh://gpu") is first
    assert elsewhere.workerElsewhere("ssh://gpu:2222") is not first
    assert first.address == "ssh://gpu"
    assert not first.isRunning
    with pytest.raises(InputError):
        elsewhere.workerElsewhere("ssh://-gpu")


@pytest.mark.slow
def testTheSegmentationIsThatOfTheWorkerHere(start, tmp_path, monkeypatch, sample_ct):
    with start_server(tmp_path) as server:
        monkeypatch.setenv("SAMED_SSH", server.command)
        python = server.script("real", f'exec "{sys.executable}" "$@"')
        node, segmented = ctNode(crop(sample_ct, 70, 74)), []
        for address in ("", f"ssh://far?python={python}"):
            worker = start(sys.executable, address)
            job = SegmentJob(worker, node, None, ModelOptions("abdomen-demo", device=address or "cpu"), SegmentOptions())
            segmented.append(readAnnotation(job.start().wait(), node).labelmap.voxels)
        assert segmented[0].any()
        assert np.array_equal(*segmented)
        worker.stop()
        server.wait_until_gone()
