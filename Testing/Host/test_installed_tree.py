"""The tree that CMake installs is complete: the panel's tests pass on it, and so does a run of its worker."""

import subprocess
import sys
from pathlib import Path

from slicerhost.installation import installedTree

HERE = Path(__file__).parent
TESTS = (
    "test_panel.py",
    "test_worker_client.py::test_the_interpreter_is_known_and_leads_a_group_of_its_own",
    "test_worker_client.py::test_the_second_run_does_not_load_the_model_again",
)


def test_the_panels_tests_pass_from_the_installed_tree(tmp_path):
    modules = installedTree(tmp_path)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", f"pythonpath={modules} {HERE}"]
    done = subprocess.run(
        [*command, *(str(HERE / test) for test in TESTS), f"--module-folder={modules}"],
        capture_output=True,
        text=True,
        check=False,
        cwd=HERE.parents[1],
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout
