"""Killed at any of its file operations, a writer leaves the old or the new, and the next one leaves nothing of it."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from killed_at import kill_at
from listing import names
from tiny_training import train_tiny

from SAMedCore.checkpoint.fetch import fetch_address
from SAMedCore.checkpoint.folder import find_folder
from SAMedCore.errors import InputError, SAMedError
from SAMedCore.files.atomic import bring_back, claimed, replace_folder, replacing
from SAMedCore.files.lock import PREFIX, hidden
from SAMedCore.train.start import run_folder, sweep_run

MOST = 100

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the process to kill is forked")


def killed_at(operation: int, below: Path, task: Callable[[], object]) -> bool:
    """Do it in another process, which is killed at its file operation of that number; whether there were so many."""
    if pid := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    try:
        kill_at(operation, below)
        task()
    finally:
        os._exit(0)


def in_folder(text: str) -> Callable[[Path], None]:
    def fill(folder: Path) -> None:
        (folder / "inner").mkdir()
        for name in ("one.txt", "inner/two.txt"):
            (folder / name).write_text(text)

    return fill


def texts(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*.txt")}


def to_file(path: Path, text: str) -> None:
    with replacing(path) as unfinished:
        unfinished.write_text(text)


@needs_fork
@pytest.mark.parametrize("is_there", [True, False], ids=["replaced", "new"])
def test_a_folder_is_the_old_or_the_new_one(tmp_path, is_there):
    folder = tmp_path / "checkpoint"
    outcomes = []
    for operation in range(1, MOST):
        if is_there:
            replace_folder(folder, in_folder("old"))
        if not killed_at(operation, tmp_path, lambda: replace_folder(folder, in_folder("new"))):
            break
        bring_back(folder)
        outcomes.append(texts(folder) if folder.exists() else {})
        replace_folder(folder, in_folder("next"))
        assert names(tmp_path) == ["checkpoint"]
        assert texts(folder) == {"one.txt": "next", "inner/two.txt": "next"}
        if not is_there:
            subprocess.run(["rm", "-r", folder], check=True)
    old = {"one.txt": "old", "inner/two.txt": "old"} if is_there else {}
    new = {"one.txt": "new", "inner/two.txt": "new"}
    assert len(outcomes) > 10
    assert all(outcome in (old, new) for outcome in outcomes)
    assert outcomes[0] == old
    assert outcomes[-1] == new


@needs_fork
def test_a_file_is_the_old_or_the_new_one(tmp_path):
    out = tmp_path / "scores.csv"
    outcomes = []
    for operation in range(1, MOST):
        to_file(out, "old")
        if not killed_at(operation, tmp_path, lambda: to_file(out, "new")):
            break
        outcomes.append(out.read_text())
        to_file(out, "next")
        assert names(tmp_path) == [out.name]
    assert set(outcomes) == {"old", "new"}
    assert outcomes == sorted(outcomes, reverse=True)


def test_what_is_left_is_known_by_nobody_holding_the_place_not_by_its_age(tmp_path):
    """The clock may have been set back since, or another computer's be wrong."""
    out = tmp_path / "scores.csv"
    for name, moment in (("-11111111.csv", 0), ("-22222222.csv", time.time() + 1e6)):
        left = hidden(out, name)
        left.touch()
        os.utime(left, (moment, moment))
    of_another = hidden(tmp_path / "other.csv", "-33333333.csv")
    of_another.touch()
    to_file(out, "new")
    assert names(tmp_path) == sorted([of_another.name, out.name])


WRITING = """
import sys
from pathlib import Path
from SAMedCore.files.atomic import replacing
with replacing(Path(sys.argv[1])) as unfinished:
    unfinished.write_text("new")
    print("half-way", flush=True)
    sys.stdin.read()
"""


def test_what_a_living_process_writes_is_never_swept(tmp_path):
    out = tmp_path / "scores.csv"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    other = subprocess.Popen([sys.executable, "-c", WRITING, str(out)], **pipes)
    assert other.stdout.readline() == "half-way\n"
    with pytest.raises(InputError, match="being written to by another run"), claimed(out):
        pass
    to_file(tmp_path / "other.csv", "mine")
    other.communicate("")
    assert out.read_text() == "new"
    assert names(tmp_path) == ["other.csv", "scores.csv"]


def test_a_checkpoint_is_found_after_a_kill_at_the_moment_of_replacing_it(tmp_path):
    folder = tmp_path / "checkpoint"
    (folder / "inner").mkdir(parents=True)
    folder.rename(hidden(folder, ".old"))
    assert find_folder(folder) == folder
    assert names(tmp_path) == ["checkpoint"]


def test_so_are_those_of_a_training_and_nothing_else_of_it_stays(tmp_path):
    out = tmp_path / "out"
    train_tiny(out)
    (run_folder(out) / "last").rename(hidden(run_folder(out) / "last", ".old"))
    for name, ending in (("best", "-1"), ("state.pt", "-2.pt"), ("loss.png", ".lock"), ("best", ".lock")):
        hidden(run_folder(out) / name, ending).touch()
    sweep_run(out)
    left = names(run_folder(out))
    assert "last" in left
    assert not any(name.startswith(PREFIX) for name in left)


class Stalling(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        self.wfile.write(bytes(1000))
        self.server.begun.set()
        self.server.closing.wait(60)

    def log_message(self, *arguments):
        pass


FETCHING = """
import sys
from pathlib import Path
from SAMedCore.checkpoint.fetch import fetch_address
fetch_address(sys.argv[1], "0" * 64, Path(sys.argv[2]))
"""


def running_with(argument: str) -> str:
    return subprocess.run(["pgrep", "--full", argument], capture_output=True, text=True, check=False).stdout


@pytest.mark.skipif(sys.platform == "win32", reason="looks for processes with pgrep")
def test_a_killed_fetch_leaves_no_process_and_its_files_to_the_next_one(tmp_path):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Stalling)
    server.begun, server.closing = threading.Event(), threading.Event()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address, target = f"http://127.0.0.1:{server.server_address[1]}/{tmp_path.name}", tmp_path / "weights.pth"
    fetching = subprocess.Popen([sys.executable, "-c", FETCHING, address, str(target)])
    assert server.begun.wait(60)
    fetching.kill()
    fetching.wait()
    assert any(path.is_dir() for path in tmp_path.iterdir())
    deadline = time.monotonic() + 60
    while running_with(address):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    server.closing.set()
    server.shutdown()
    with pytest.raises(SAMedError, match="could not be fetched"):
        fetch_address("http://127.0.0.1:9/", "0" * 64, target)
    assert names(tmp_path) == []
