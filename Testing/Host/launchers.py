"""Programs to put in the place of PythonSlicer, and what remains of them."""

import stat
import sys
import time
from pathlib import Path

import slicer

from SAMedCore.service.events import PROTOCOL

PATIENCE_SECONDS = 60
"""After so long a test that waits has failed, however busy the machine: how fast things are is for `make stalls` to say."""

LAUNCHER = """#!{python}
import subprocess, sys
sys.exit(subprocess.Popen([{python!r}, *sys.argv[1:]]).wait())
"""
"""As PythonSlicer does: it starts the real interpreter as its child, which inherits its pipes, and waits."""

SCRIPTED = """#!{python}
import json, os, sys, time
folder = sys.argv[sys.argv.index("--folder") + 1]
def say(type_, number=0, **values):
    line = json.dumps({{"type": type_, "number": number, **values}}).encode() + b"\\n"
    os.write(1, line)
say("Started", pid=os.getpid())
say("Ready", pid=os.getpid(), version="0", devices=[{{"name": "cpu", "description": "CPU, 1 thread"}}], protocol={protocol})

volumes = {{}}
def requests():
    for line in iter(sys.stdin.buffer.readline, b""):
        request = json.loads(line)
        if request["type"] == "OpenVolume":
            volumes[request["handle"]] = request["volume"]
            say("Result", request["number"], values={{}})
        elif request["type"] == "CloseVolume":
            del volumes[request["handle"]]
            say("Result", request["number"], values={{}})
        else:
            yield request
{body}
"""
"""A worker that says what a test wants it to say; `body` is Python that uses `say`, `folder` and `requests`.

`requests` answers what opens and closes volumes by itself; `volumes` has their files by handle.
"""


def write(path: Path, text: str, **values: str) -> str:
    """An executable Python program at `path`."""
    path.write_text(text.format(**{"python": sys.executable, "protocol": PROTOCOL, **values}))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def isRunning(pid: int) -> bool:
    """Whether a process of this number is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def privateFolders(folder: Path | None = None) -> list[Path]:
    """What SAMed left in `folder`, by default the one for temporary files."""
    return sorted(Path(folder or slicer.app.temporaryPath).glob("samed-*"))


def waitUntilGone(pids, folder: Path | None = None) -> None:
    """Wait until none of these processes runs and no private folder is in `folder`, by default the one for temporary files."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while any(isRunning(pid) for pid in pids) or privateFolders(folder):
        assert time.monotonic() < deadline, "something remained"
        time.sleep(0.02)
