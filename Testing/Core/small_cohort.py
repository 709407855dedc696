"""`python small_cohort.py ARGUMENTS`: `samed` with the small network of `cli_files`, in Ray's workers too, and slower.

Ray's workers import this file: its folder has to be on their PYTHONPATH.
"""

import json
import os
import shutil
import sys
import time
from importlib import import_module
from pathlib import Path

from cli_files import ONE_BLOCK, Files

from SAMedCore.cli import main
from SAMedCore.cohort import cluster
from SAMedCore.cohort.scanner import Scanner
from SAMedCore.model.architectures import ARCHITECTURES

PAUSE = "SMALL_COHORT_PAUSE_S"
"""The environment variable that says how much longer each scan takes."""

LOG = "begun.txt"
"""In the folder `.samed`: a line for each time that a scan has been begun."""


class SmallActor(cluster._Actor):
    """A worker with the small network."""

    def load(self) -> str | None:
        small(self)
        return super().load()


def small(scanner: Scanner) -> None:
    """Give a process the small network, and have it write down each scan that it begins."""
    ARCHITECTURES["vit_b"] = ONE_BLOCK
    log, pause_s = Path(scanner._request.folder) / LOG, float(os.environ.get(PAUSE, 0))

    def read(scan):
        with log.open("a") as file:
            file.write(f"{scan.name}\n")
        time.sleep(pause_s)
        return Scanner._read(scanner, scan)

    scanner._read = read


def begun(out: Path) -> list[str]:
    """The names of the scans that were begun, one for each time."""
    return (out / ".samed" / LOG).read_text().splitlines()


def copies(files: Files, folder: Path, count: int) -> Path:
    """A folder with so many copies of the small CT."""
    folder.mkdir()
    for number in range(count):
        shutil.copy(files.ct, folder / f"scan{number:03}.nii.gz")
    return folder


def journal_rows(out: Path) -> list[dict]:
    """What the journal of an output folder says of its scans, line by line."""
    return [json.loads(line) for line in (out / ".samed" / "journal.jsonl").read_text().splitlines()[1:]]


if __name__ == "__main__":
    # by its name in a module: what is pickled of a script would have its own copy of the table of architectures
    cluster._Actor = import_module("small_cohort").SmallActor
    ARCHITECTURES["vit_b"] = ONE_BLOCK
    sys.exit(main())
