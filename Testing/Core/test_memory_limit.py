"""Where the memory ends, wherever that is: one line that says so, exit code 1, and nothing half-written."""

import json
import os
import subprocess
import sys

import pytest

PROGRAM = """
import contextlib, io, json, os, resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import killed_work as work  # all that is needed, loaded before the limit
import SAMedCore.files.write, SAMedCore.segment
from cli_files import Files, segment

files = Files(*(Path(part) for part in json.loads(sys.argv[2])))
for extra_mb in (2, 10, 40, 80, 120, 4000):
    if os.fork():
        os.wait()
        continue
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + extra_mb * 2**20,) * 2)
    said = io.StringIO()
    out = Path(sys.argv[3]) / f"{extra_mb}.nii.gz"
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        code = work.main([str(argument) for argument in segment(files, out)])
    lines = [line for line in said.getvalue().splitlines() if line.startswith("samed: ")]
    print(json.dumps([extra_mb, code, lines]), flush=True)
    os._exit(0)
os._exit(0)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_limit_of_memory_is_said_in_one_line(files_on_disk, tmp_path):
    f = files_on_disk
    paths = json.dumps([str(path) for path in (f.folder, f.ct, f.labels, f.series, f.base, f.checkpoint)])
    command = [sys.executable, "-c", PROGRAM, os.path.dirname(__file__), paths, str(tmp_path)]  # noqa: PTH120
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    *short, enough = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(short) == 5
    for extra_mb, code, lines in short:
        assert (extra_mb, code, len(lines)) == (extra_mb, 1, 1)
        assert "The memory ran out: close other programs, or choose" in lines[0]
    assert enough == [4000, 0, []]
    assert [path.name for path in tmp_path.iterdir()] == ["4000.nii.gz"]
