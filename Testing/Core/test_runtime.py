"""What is set for a whole process, hence in processes of their own.

GNU's OpenMP reads its settings when torch is loaded, and says what they are if it is asked.
"""

import os
import re
import subprocess
import sys

import pytest
from worker_process import WorkerProcess

from SAMedCore.runtime import SPINS
from SAMedCore.service.events import Ready

COMMAND_THEN_TORCH = "from SAMedCore.cli import main; main(['models', 'list']); import torch"

FAULTS_OF_TEMPORARIES = """
import resource, sys
import numpy as np
from SAMedCore.runtime import prepare_process
if sys.argv[1] == "kept":
    prepare_process()
np.ones(2**24)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    np.ones(2**24)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="torch has GNU's OpenMP on Linux alone, and glibc's malloc is there alone"
)


def spins_in(said: str) -> list[str]:
    return re.findall(r"GOMP_SPINCOUNT = '(\d+)'", said)


@pytest.mark.parametrize(("given", "used"), [({}, SPINS), ({"GOMP_SPINCOUNT": "7"}, "7")])
def test_a_commands_threads_give_up_their_core_soon_unless_the_user_says_otherwise(given, used):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GOMP_", "OMP_"))}
    environment |= {"OMP_DISPLAY_ENV": "VERBOSE", **given}
    done = subprocess.run(
        [sys.executable, "-c", COMMAND_THEN_TORCH], env=environment, capture_output=True, text=True, check=True
    )
    assert spins_in(done.stderr) == [used]


def test_the_workers_threads_do_too(tmp_path, monkeypatch):
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    monkeypatch.setenv("OMP_DISPLAY_ENV", "VERBOSE")
    worker = WorkerProcess(tmp_path / "private")
    worker.wait_for(Ready)
    said = worker.log
    worker.process.stdin.close()
    worker.process.wait()
    assert spins_in(said) == [SPINS]


def test_freed_memory_is_used_again():
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}

    def page_faults(how: str) -> int:
        command = [sys.executable, "-c", FAULTS_OF_TEMPORARIES, how]
        return int(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)

    assert page_faults("kept") < page_faults("returned") / 10
