"""What the worker holds: volumes are sent once, kept while they are worth it, and their files leave with them."""

import textwrap
from pathlib import Path

import numpy as np
import pytest
import slicer

import launchers
import slicerhost
from SAMedCore.errors import Cancelled, SAMedError
from SAMedCore.image.volume import Volume
from SAMedCore.options import ModelOptions, RankOptions
from SAMedCore.service import messages
from SAMedLib.jobs.job import Job
from SAMedLib.scene.volumes import readVolume, stateOf
from SAMedLib.setup.locations import coreFolder
from SAMedLib.worker import openVolumes, voxelFiles
from SAMedLib.worker.client import Worker
from scans import crop, ctNode

ANSWERING = """
    import numpy as np
    for request in requests():
        if request["type"] != "RankSlices":
            continue
        while os.path.exists(folder + "/wait"):
            time.sleep(0.01)
        voxels = np.load(volumes[request["volume"]]["path"])
        say("Result", request["number"], values={"handle": request["volume"], "sum": int(voxels.sum())})
"""
REFUSING = """
    for line in iter(sys.stdin.buffer.readline, b""):
        request = json.loads(line)
        sentence = "The disk is full." if request["type"] == "OpenVolume" else "no such volume"
        say("Error", request["number"], message=sentence, kind="failed")
"""


class ReadJob(Job):
    """The worker tells what it reads, and by which handle."""

    def __init__(self, worker: Worker, volumeNode=None, volume: Volume | None = None) -> None:
        super().__init__(worker)
        self._node, self._volume = volumeNode, volume

    def volumes(self):
        return [(self._volume, None) if self._node is None else (readVolume(self._node), stateOf(self._node))]

    def message(self, handles, paths):
        return messages.RankSlices(handles[0], ModelOptions("abdomen-demo"), RankOptions())


@pytest.fixture
def scripted(tmp_path):
    """Makes a worker that does what `body` says."""
    workers = []

    def start(body: str) -> Worker:
        program = launchers.write(tmp_path / "scripted", launchers.SCRIPTED, body=textwrap.dedent(body))
        workers.append(Worker(program, str(coreFolder())))
        return workers[-1]

    yield start
    for worker in workers:
        worker.stop()
    assert launchers.privateFolders() == []


@pytest.fixture
def worker(scripted) -> Worker:
    return scripted(ANSWERING)


def read(worker: Worker, node) -> dict:
    return ReadJob(worker, node).start().wait()


def files(worker: Worker) -> list[Path]:
    return sorted(worker.folder.glob("*.npy"))


def waitForFiles(worker: Worker, count: int) -> None:
    slicerhost.waitUntil(lambda: len(files(worker)) == count, seconds=20)


def test_an_unchanged_volume_is_sent_once(worker, ct):
    first = read(worker, ct)
    (file,) = files(worker)
    written = file.stat().st_mtime_ns
    ct.SetName("another name")
    slicer.util.setSliceViewerLayers(background=ct)
    again = read(worker, ct)
    assert again == first
    assert first["sum"] == int(slicer.util.arrayFromVolume(ct).sum())
    assert [path.stat().st_mtime_ns for path in files(worker)] == [written]


def changeVoxels(node) -> None:
    slicer.util.arrayFromVolume(node)[0] += 1
    slicer.util.arrayFromVolumeModified(node)


def replaceImage(node) -> None:
    slicer.util.updateVolumeFromArray(node, slicer.util.arrayFromVolume(node) + 1)


def replaceImageObject(node) -> None:
    image = slicer.vtkOrientedImageData()
    image.DeepCopy(node.GetImageData())
    node.SetAndObserveImageData(image)


def moveNode(node) -> None:
    node.SetOrigin(1, 2, 3)


@pytest.mark.parametrize("change", [changeVoxels, replaceImage, replaceImageObject, moveNode])
def test_a_changed_volume_is_sent_anew_and_the_old_one_closed(worker, ct, change):
    first = read(worker, ct)
    change(ct)
    again = read(worker, ct)
    assert again["handle"] != first["handle"]
    assert again["sum"] == int(slicer.util.arrayFromVolume(ct).sum())
    waitForFiles(worker, 1)


@pytest.mark.parametrize("end", ["removed", "closed"])
def test_a_volume_that_leaves_the_scene_is_closed(worker, ct, end):
    read(worker, ct)
    if end == "removed":
        slicer.mrmlScene.RemoveNode(ct)
    else:
        slicerhost.closeScene()
    waitForFiles(worker, 0)


def test_a_volume_removed_while_a_job_reads_it_is_closed_afterwards(worker, ct):
    (worker.folder / "wait").touch()
    job = ReadJob(worker, ct).start()
    slicerhost.waitUntil(lambda: job._isSent)
    slicer.mrmlScene.RemoveNode(ct)
    assert len(files(worker)) == 1
    (worker.folder / "wait").unlink()
    assert "sum" in job.wait()
    waitForFiles(worker, 0)


def test_of_many_volumes_the_least_recently_used_is_closed(worker, sample_ct, monkeypatch):
    monkeypatch.setattr(openVolumes, "MOST_VOLUMES", 2)
    first, second, third = (ctNode(crop(sample_ct, k, k + 1), f"CT {k}") for k in (80, 81, 82))
    handles = [read(worker, node)["handle"] for node in (first, second)]
    assert read(worker, first)["handle"] == handles[0]
    read(worker, third)
    waitForFiles(worker, 2)
    assert read(worker, first)["handle"] == handles[0]
    assert read(worker, second)["handle"] not in handles


def test_a_volume_that_is_too_large_to_keep_stays_for_its_job(worker, ct, monkeypatch):
    monkeypatch.setattr(openVolumes, "MOST_BYTES", 0)
    (worker.folder / "wait").touch()
    job = ReadJob(worker, ct).start()
    slicerhost.waitUntil(lambda: job._isSent)
    assert len(files(worker)) == 1
    (worker.folder / "wait").unlink()
    assert "sum" in job.wait()
    waitForFiles(worker, 0)


def test_a_volume_of_no_node_is_closed_with_its_job(worker, sample_ct):
    for _again in range(2):
        assert ReadJob(worker, volume=crop(sample_ct, 80, 84)).start().wait()["sum"]
        waitForFiles(worker, 0)


def test_what_was_still_being_copied_when_its_job_was_cancelled_is_not_held(worker, ct):
    job = ReadJob(worker, ct).start()
    job.cancel()
    assert isinstance(job.error, Cancelled)
    assert files(worker) == []
    assert read(worker, ct)["sum"] == int(slicer.util.arrayFromVolume(ct).sum())
    assert len(files(worker)) == 1


def test_what_a_cancelled_job_has_sent_serves_the_next_one(worker, ct):
    (worker.folder / "wait").touch()
    job = ReadJob(worker, ct).start()
    slicerhost.waitUntil(lambda: job._isSent)
    job.cancel()
    again = ReadJob(worker, ct).start()
    (worker.folder / "wait").unlink()
    assert again.wait()["handle"] == job._held[0].handle
    assert len(files(worker)) == 1


def test_jobs_that_ask_for_a_volume_while_it_is_copied_share_the_copy(worker, ct):
    first, second = ReadJob(worker, ct).start(), ReadJob(worker, ct).start()
    assert first.wait() == second.wait()
    assert len(files(worker)) == 1


def test_a_copy_goes_on_as_long_as_one_job_waits_for_it(worker, ct):
    jobs = [ReadJob(worker, ct).start() for _ in range(3)]
    jobs[0].cancel()
    assert jobs[1].wait()["sum"] == int(slicer.util.arrayFromVolume(ct).sum())
    jobs[2].cancel()
    assert len(files(worker)) == 1


def test_a_volume_that_changes_while_it_is_copied_is_copied_anew_for_the_next_job(worker, ct):
    first = ReadJob(worker, ct).start()
    changeVoxels(ct)
    second = ReadJob(worker, ct).start()
    assert first.wait()["handle"] != second.wait()["handle"]
    assert second.outcome["sum"] == int(slicer.util.arrayFromVolume(ct).sum())
    waitForFiles(worker, 1)


def test_a_volume_that_cannot_be_copied_is_why_all_its_jobs_fail(worker, ct, monkeypatch):
    def noRoom(path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(voxelFiles, "makePrivateFile", noRoom)
    jobs = [ReadJob(worker, ct).start() for _ in range(2)]
    for job in jobs:
        with pytest.raises(SAMedError, match="No space left on device"):
            job.wait()
    monkeypatch.undo()
    assert read(worker, ct)["sum"] == int(slicer.util.arrayFromVolume(ct).sum())


def test_a_volume_that_the_worker_cannot_open_is_why_its_jobs_fail(scripted, ct):
    worker = scripted(REFUSING)
    for _again in range(2):
        jobs = [ReadJob(worker, ct).start() for _ in range(2)]
        for job in jobs:
            with pytest.raises(SAMedError, match=r"^The disk is full\.$"):
                job.wait()
        assert files(worker) == []


def test_another_process_is_told_anew(worker, ct):
    read(worker, ct)
    worker.stop()
    assert read(worker, ct)["sum"] == int(np.sum(slicer.util.arrayFromVolume(ct), dtype=np.int64))
    assert len(files(worker)) == 1


def test_without_a_worker_a_scene_can_change_and_none_is_started(worker, ct):
    read(worker, ct)
    worker.stop()
    slicer.mrmlScene.RemoveNode(ct)
    assert not worker.isRunning
