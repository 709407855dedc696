"""Two that write to the same place: one of them is told who the other is, or waits; who is killed holds nothing."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cli_files import finetune, segment
from listing import names
from refused import refused
from tiny_training import train_tiny

from SAMedCore.checkpoint.fetch import fetch_address
from SAMedCore.errors import Cancelled, InputError
from SAMedCore.files import lock
from SAMedCore.files.atomic import claimed, replacing
from SAMedCore.files.lock import held, hidden
from SAMedCore.work import Notice, Work

HOLDING = """
import sys, time
from pathlib import Path
from SAMedCore.files.atomic import claimed
with claimed(*map(Path, sys.argv[1:])):
    print("held", flush=True)
    sys.stdin.read()
"""
OTHER_RUN = r'is being written to by another run \(process {} on ".+"\): wait for its end, or choose another place'


class Holder:
    """Another process that holds places until it is told to let them go, or killed."""

    def __init__(self, *places: Path) -> None:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen([sys.executable, "-c", HOLDING, *map(str, places)], **pipes)
        assert self.process.stdout.readline() == "held\n"

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.kill()

    def let_go(self) -> None:
        self.process.stdin.close()
        self.process.wait()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    @property
    def said(self) -> str:
        return OTHER_RUN.format(self.process.pid)


def test_a_place_is_held_by_one_process_and_free_when_that_lets_go(tmp_path):
    out = tmp_path / "out.nrrd"
    with Holder(out) as holder:
        with pytest.raises(InputError, match=f'"{out}" {holder.said}'), claimed(out):
            pass
        holder.let_go()
        with claimed(out):
            assert names(tmp_path) == [hidden(out, ".lock").name]
    assert names(tmp_path) == []


def test_who_is_killed_holds_nothing_and_the_next_one_leaves_nothing_of_it(tmp_path):
    out = tmp_path / "out.nrrd"
    with Holder(out) as holder:
        holder.kill()
        assert len(names(tmp_path)) == 1
        with claimed(out):
            pass
    assert names(tmp_path) == []


def test_a_child_that_was_forked_keeps_no_lock_of_a_process_that_is_gone(tmp_path):
    out = tmp_path / "out.nrrd"
    fork = "import os\n    if not os.fork(): time.sleep(60)\n    print("
    forked = HOLDING.replace("print(", fork)
    other = subprocess.Popen(
        [sys.executable, "-c", forked, out], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert other.stdout.readline() == "held\n"
        other.kill()
        other.wait()
        with claimed(out):
            pass
    finally:
        os.killpg(other.pid, signal.SIGKILL)


def test_what_is_ready_waits_for_another_one_that_is_just_being_written(tmp_path):
    out = tmp_path / "scores.csv"
    with Holder(out) as holder:
        threading.Timer(0.5, holder.let_go).start()
        with replacing(out) as unfinished:
            unfinished.write_text("new")
    assert out.read_text() == "new"
    assert names(tmp_path) == ["scores.csv"]


def test_a_process_may_hold_its_own_place_again(tmp_path):
    out = tmp_path / "out.nrrd"
    with claimed(out), claimed(out, tmp_path / "other.nrrd"), replacing(out) as unfinished:
        unfinished.write_text("new")
        with held(out) as is_new:
            assert not is_new
    assert names(tmp_path) == ["out.nrrd"]


def test_threads_of_one_process_write_to_one_place_one_after_the_other_or_both(tmp_path):
    out = tmp_path / "out.txt"

    def write(text: str) -> None:
        for _ in range(20):
            with replacing(out) as unfinished:
                unfinished.write_text(text)

    threads = [threading.Thread(target=write, args=(text,)) for text in ("a" * 1000, "b" * 1000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert out.read_text() in ("a" * 1000, "b" * 1000)
    assert names(tmp_path) == ["out.txt"]


def test_names_as_long_as_a_file_system_takes_are_written_too(tmp_path):
    out = tmp_path / f"{'n' * 248}.nii.gz"
    with replacing(out) as unfinished:
        unfinished.write_text("new")
    assert names(tmp_path) == [out.name]


def test_upper_and_lower_case_and_another_way_to_it_are_the_same_place(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path)
    other_way = tmp_path / "link" / "out.nrrd"
    with Holder(tmp_path / "Out.NRRD") as holder, pytest.raises(InputError, match=holder.said), claimed(other_way):
        pass


def test_where_a_file_system_has_no_locks_the_work_is_done_and_nothing_of_others_is_swept(tmp_path, monkeypatch):
    def no_locks(descriptor):
        raise OSError(next(iter(lock.NO_LOCKS)), "no locks")

    monkeypatch.setattr(lock, "_lock", no_locks)
    out = tmp_path / "out.csv"
    perhaps_alive = hidden(out, "-12345678.csv")
    perhaps_alive.touch()
    with replacing(out) as unfinished:
        unfinished.write_text("new")
    assert names(tmp_path) == [perhaps_alive.name, "out.csv"]


@pytest.mark.usefixtures("small_network")
@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("new", lambda f, out: finetune(f, out)),
        ("out.nii.gz", lambda f, out: segment(f, out)),
        ("soft.nrrd", lambda f, out: segment(f, out.parent / "other.nii.gz", "--probabilities", out)),
        ("out.nrrd", lambda f, out: ["complete", f.ct, f.labels, out, "--base", f.base]),
        ("out.mha", lambda f, out: ["prompt", f.ct, f.labels, out, "--base", f.base]),
    ],
    ids=["finetune", "segment", "probabilities", "complete", "prompt"],
)
def test_a_second_command_to_the_same_place_is_refused_before_its_work(files, tmp_path, capfd, name, make):
    with Holder(tmp_path / name) as holder:
        said = refused(capfd, tmp_path, *make(files, tmp_path / name))
        with pytest.raises(InputError, match=holder.said):
            raise InputError(said)


def test_two_trainings_to_one_place_are_one(tmp_path):
    """Also where both began at the same time, so that each found it free at first."""
    with Holder(tmp_path / "out") as holder:
        with pytest.raises(InputError, match=holder.said):
            train_tiny(tmp_path / "out")
        assert names(tmp_path) == [hidden(tmp_path / "out", ".lock").name]
    train_tiny(tmp_path / "out")
    assert names(tmp_path) == ["out", "out.training"]


CONTENT = bytes(range(256)) * 4096


class Server(BaseHTTPRequestHandler):
    """Counts the downloads, each of which waits for the test's word."""

    def do_GET(self):
        self.server.asked.append(self.path)
        self.server.word.wait(60)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(CONTENT)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    running = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    running.asked, running.word = [], threading.Event()
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield running
    running.word.set()
    running.shutdown()


FETCHING = """
import sys
from pathlib import Path
from SAMedCore.checkpoint.fetch import fetch_address
fetch_address(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
"""


def test_of_two_fetches_of_the_same_one_waits_and_takes_what_has_come(server, tmp_path):
    address, sha256 = f"http://127.0.0.1:{server.server_address[1]}/weights", hashlib.sha256(CONTENT).hexdigest()
    target, events = tmp_path / "weights.pth", []
    other = subprocess.Popen([sys.executable, "-c", FETCHING, address, sha256, str(target)])
    while not server.asked:
        pass

    def tell(event):
        events.append(event)
        server.word.set()

    fetch_address(address, sha256, target, Work(tell))
    assert other.wait(60) == 0
    assert len(server.asked) == 1
    assert events[0] == Notice('"weights.pth" is being fetched by another run: waiting for it.')
    assert target.read_bytes() == CONTENT
    assert names(tmp_path) == ["weights.pth"]


def test_who_waits_for_another_fetch_can_cancel(tmp_path):
    with Holder(tmp_path / "weights.pth"), pytest.raises(Cancelled):
        fetch_address("http://127.0.0.1:9/", "0" * 64, tmp_path / "weights.pth", Work(is_cancelled=lambda: True))
