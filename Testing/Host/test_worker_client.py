"""The worker as Slicer sees it, when things go wrong: real processes, killed, crashed, silent or talking nonsense."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import qt

import launchers
import slicerhost
from SAMedCore.errors import Cancelled, SAMedError
from SAMedCore.options import ModelOptions, SegmentOptions
from SAMedCore.service import messages
from SAMedLib.jobs.job import Job, PlainJob
from SAMedLib.jobs.segment import SegmentJob
from SAMedLib.setup.locations import coreFolder
from SAMedLib.worker.client import Worker
from SAMedLib.worker.log import KEPT_LINES
from scans import crop, ctNode

READY_SECONDS = 60
MODEL = ModelOptions("abdomen-demo", device="cpu")


@pytest.fixture
def start(tmp_path):
    """Makes workers from programs; nothing of them may remain when the test is over."""
    started = []

    def startWorker(program: str = sys.executable) -> Worker:
        started.append(Worker(program, str(coreFolder())))
        return started[-1]

    yield startWorker
    for each in started:
        each.stop()
    assert launchers.privateFolders() == []


@pytest.fixture
def launched(start, tmp_path):
    """A worker behind a launcher that starts the interpreter as its child, as PythonSlicer does."""
    return start(launchers.write(tmp_path / "PythonSlicer", launchers.LAUNCHER))


@pytest.fixture
def scripted(start, tmp_path):
    """A worker that does what `body` says."""

    def startScripted(body: str) -> Worker:
        return start(launchers.write(tmp_path / "scripted", launchers.SCRIPTED, body=textwrap.dedent(body)))

    return startScripted


@pytest.fixture
def ct(sample_ct, lite_weights):
    return ctNode(crop(sample_ct, 60, 100))


def becomeReady(worker: Worker) -> None:
    worker.start()
    slicerhost.waitUntil(lambda: worker.ready is not None, seconds=READY_SECONDS)


def segmenting(worker: Worker, ct) -> SegmentJob:
    """A job that is at its slices."""
    phases = []
    job = SegmentJob(worker, ct, None, MODEL, SegmentOptions())
    job.listener.jobProgressed = lambda phase, done, total, secondsLeft: phases.append((phase, done))
    job.start()
    slicerhost.waitUntil(lambda: phases and phases[-1][0] == "segmenting" and phases[-1][1] > 0, seconds=READY_SECONDS)
    return job


def endOf(job, seconds: float = 5) -> SAMedError:
    slicerhost.waitUntil(lambda: job.finished, seconds=seconds)
    return job.error


def test_the_interpreter_is_known_and_leads_a_group_of_its_own(launched):
    becomeReady(launched)
    launcher, interpreter = launched.pids
    assert launcher != interpreter == launched.ready.pid
    assert os.getpgid(interpreter) == interpreter != os.getpgid(launcher)


@pytest.mark.parametrize("moment", ["copying", "starting", "segmenting"])
def test_cancel_is_answered_and_leaves_nothing_but_the_volume_for_the_next_job(launched, ct, moment):
    if moment == "segmenting":
        job = segmenting(launched, ct)
    else:
        job = SegmentJob(launched, ct, None, MODEL, SegmentOptions()).start()
        if moment == "starting":
            slicerhost.waitUntil(lambda: job._isSent)
    job.cancel()
    assert isinstance(endOf(job), Cancelled)
    files = [path.name for folder in launchers.privateFolders() for path in folder.glob("*.npy")]
    assert files == ([] if moment == "copying" else [job._held[0].path.name])  # kept for the next job
    pids = launched.pids
    launched.stop()
    launchers.waitUntilGone(pids)


@pytest.mark.parametrize("victim", ["launcher", "interpreter", "both"])
def test_a_killed_worker_is_reported_leaves_nothing_and_is_replaced(launched, ct, victim):
    job = segmenting(launched, ct)
    launcher, interpreter = pids = launched.pids
    for pid in {"launcher": (launcher,), "interpreter": (interpreter,), "both": pids}[victim]:
        os.kill(pid, signal.SIGKILL)
    error = endOf(job)
    assert "ended unexpectedly" in str(error)
    assert "Try again" in str(error)
    launchers.waitUntilGone(pids)
    again = SegmentJob(launched, ct, None, MODEL, SegmentOptions(slices=(20,))).start()
    assert again.wait().GetSegmentation().GetNumberOfSegments() == 8


@pytest.mark.parametrize(
    ("crash", "words"),
    [("import os; os.abort()", "exit code"), ("raise ImportError('libcudart.so.13 is missing')", "libcudart.so.13")],
)
def test_a_crash_at_import_is_reported_and_the_next_try_starts_anew(start, monkeypatch, tmp_path, crash, words):
    broken = tmp_path / "broken" / "torch"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text(crash)
    worker = start()
    worker.coreFolder = os.pathsep.join([str(broken.parent), worker.coreFolder])
    job = PlainJob(worker, messages.Describe("abdomen-demo")).start()
    error = endOf(job, seconds=READY_SECONDS)
    assert words in str(error)
    assert "reinstall" in str(error).lower()
    worker.coreFolder = str(coreFolder())
    assert PlainJob(worker, messages.Describe("abdomen-demo")).start().wait()["info"]["base"]["name"] == "lite"


class VoxelJob(Job):
    """Has more to copy than one turn of the event loop does."""

    def arrays(self) -> list[np.ndarray]:
        return [np.zeros((120, 256, 256), np.int16)] * 2

    def message(self, handles, paths):
        return messages.Fetch("lite")


class FailsAtOnce(qt.QProcess):
    """As on Windows, where a program that cannot be started is told of within `start`."""

    def start(self, program, arguments) -> None:
        self.errorOccurred.emit(qt.QProcess.FailedToStart)


@pytest.mark.parametrize("told", ["at once", "later"])
@pytest.mark.parametrize("job", [VoxelJob, lambda worker: PlainJob(worker, messages.Fetch("lite"))], ids=["voxels", "none"])
def test_a_program_that_cannot_be_started_is_named_and_nothing_of_it_remains(start, tmp_path, monkeypatch, told, job):
    if told == "at once":
        monkeypatch.setattr(qt, "QProcess", FailsAtOnce)
    worker = start(str(tmp_path / "no such PythonSlicer"))
    error = endOf(job(worker).start())
    assert "no such PythonSlicer" in str(error)
    assert (worker.isRunning, worker.pids, launchers.privateFolders()) == (False, (), [])


@pytest.mark.parametrize("ending", ["it leaves", "it cannot be started", "it is stopped"])
def test_processes_that_have_ended_do_not_pile_up(start, scripted, tmp_path, ending):
    worker = start(str(tmp_path / "nothing")) if ending == "it cannot be started" else scripted("sys.stdin.buffer.readline()")
    for _again in range(2):
        worker.start()
        if ending != "it cannot be started":
            slicerhost.waitUntil(lambda: worker.ready is not None)
        if ending == "it is stopped":
            worker.stop()
        endOf(PlainJob(worker, messages.Fetch("lite")).start())
    slicerhost.processEvents()
    assert qt.QApplication.instance().findChildren("QProcess") == []


def test_a_job_whose_worker_ends_while_its_voxels_are_copied_ends_with_it(scripted):
    worker = scripted("sys.stdin.read()")
    job = VoxelJob(worker).start()
    worker.stop()
    assert job.finished
    slicerhost.processEvents()
    assert (worker.isRunning, launchers.privateFolders()) == (False, [])


def test_when_slicer_is_killed_so_is_the_worker_and_its_folder_goes(tmp_path, sample_ct, lite_weights):
    launchers.write(tmp_path / "PythonSlicer", launchers.LAUNCHER)
    script = f"""
        import sys
        sys.path[:0] = {[str(Path(__file__).parent), str(coreFolder()), str(coreFolder() / "SlicerSAMed")]!r}
        import slicerhost
        slicerhost.boot()
        import slicer
        slicer.app.temporaryPath = {str(tmp_path)!r}
        from scans import crop, ctNode
        from SAMedCore.demo import sample
        from SAMedLib.worker.client import Worker
        from SAMedCore.options import ModelOptions, SegmentOptions
        from SAMedLib.jobs.segment import SegmentJob
        worker = Worker({str(tmp_path / "PythonSlicer")!r}, {str(coreFolder())!r})
        def tell(phase, done, total, left):
            if phase == "segmenting" and done:
                print(*worker.pids, flush=True)
        job = SegmentJob(worker, ctNode(sample.fetch_sample()[0]), None, ModelOptions("abdomen-demo"), SegmentOptions())
        job.listener.jobProgressed = tell
        job.start().wait()
    """
    slicerProcess = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True)
    pids = [int(pid) for pid in slicerProcess.stdout.readline().split()]
    assert len(pids) == 2
    assert all(launchers.isRunning(pid) for pid in pids)
    assert len(list(tmp_path.glob("samed-*"))) == 1
    slicerProcess.kill()
    slicerProcess.wait()
    launchers.waitUntilGone(pids, tmp_path)


def test_folders_of_a_slicer_that_is_gone_are_swept(start, tmp_path, monkeypatch):
    import slicer

    monkeypatch.setattr(slicer.app, "temporaryPath", str(tmp_path), raising=False)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    (tmp_path / f"samed-{gone.pid}-abc").mkdir()
    (tmp_path / f"samed-{os.getppid()}-abc").mkdir()
    (tmp_path / "samed-mine").mkdir()
    worker = start()
    worker.start()
    left = sorted(path.name for path in tmp_path.glob("samed-*") if not path.name.startswith(f"samed-{os.getpid()}-"))
    worker.stop()
    assert left == sorted([f"samed-{os.getppid()}-abc", "samed-mine"])


def test_lines_in_pieces_oversized_lines_and_nonsense_break_nothing(scripted):
    worker = scripted("""
        request = json.loads(sys.stdin.buffer.readline())
        os.write(1, b"x" * 5_000_000 + b"\\n")
        os.write(1, b"no message\\n\\xff\\xfe\\n[]\\n")
        line = json.dumps({"type": "Result", "number": request["number"], "values": {"path": "ä" * 1000}}).encode() + b"\\n"
        for start in range(0, len(line), 700):
            os.write(1, line[start:start + 700])
            time.sleep(0.002)
        sys.stdin.read()
    """)
    assert PlainJob(worker, messages.Fetch("lite")).start().wait() == {"path": "ä" * 1000}


def test_a_flood_on_stderr_blocks_nothing_and_only_the_end_is_kept(scripted):
    worker = scripted("""
        request = json.loads(sys.stdin.buffer.readline())
        for number in range(200_000):
            sys.stderr.write(f"line {number}\\n")
        sys.stderr.flush()
        say("Result", request["number"], values={})
        sys.stdin.read()
    """)
    assert PlainJob(worker, messages.Fetch("lite")).start().wait() == {}
    slicerhost.waitUntil(lambda: worker.log.lines and worker.log.lines[-1] == "line 199999", seconds=20)
    assert len(worker.log.lines) == KEPT_LINES


def test_a_worker_that_does_not_obey_is_killed(scripted):
    worker = scripted("sys.stdin.buffer.readline(); time.sleep(1000)")
    job = PlainJob(worker, messages.Fetch("lite")).start()
    slicerhost.waitUntil(lambda: worker.ready is not None)
    pids = worker.pids
    job.cancel()
    error = endOf(job)
    assert isinstance(error, Cancelled)
    assert "did not answer" in str(error)
    launchers.waitUntilGone(pids)


def test_a_worker_of_another_protocol_is_refused(start, tmp_path):
    worker = start(launchers.write(tmp_path / "newer", launchers.SCRIPTED, body="sys.stdin.read()", protocol="99"))
    error = endOf(PlainJob(worker, messages.Fetch("lite")).start())
    assert "protocol 99" in str(error)


def test_the_second_run_does_not_load_the_model_again(start, ct):
    worker = start()
    for run in range(2):
        phases = []
        job = SegmentJob(worker, ct, None, MODEL, SegmentOptions(slices=(20,)))
        job.listener.jobProgressed = lambda phase, done, total, left, phases=phases: phases.append(phase)
        job.start().wait()
        assert ("loading" in phases) == (run == 0)
