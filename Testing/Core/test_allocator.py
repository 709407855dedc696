"""In a process of its own, since the setting is the process's."""

import os
import subprocess
import sys

import pytest

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


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's malloc alone")
def test_freed_memory_is_used_again():
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}

    def page_faults(how: str) -> int:
        command = [sys.executable, "-c", FAULTS_OF_TEMPORARIES, how]
        return int(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)

    assert page_faults("kept") < page_faults("returned") / 10
