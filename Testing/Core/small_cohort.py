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

read_scan = Scanner._read


class SmallActor(cluster._Actor):
    """A worker with the small network."""

    def load(self) -> str | None:
        slow_and_small()
        return super().load()


def slow_and_small() -> None:
    """Give this process the small network, and have it write down each scan that it begins."""
    ARCHITECTURES["vit_b"] = ONE_BLOCK
    Scanner._read = _slowly_read


def _slowly_read(scanner: Scanner, scan):
    with (Path(scanner._request.folder) / LOG).open("a") as file:
        file.write(f"{scan.name}\n")
    time.sleep(float(os.environ.get(PAUSE, 0)))
    return read_scan(scanner, scan)


def begun(out: Path) -> list[str]:
    """The names of the scans that were begun, one for each time."""
    return (out / ".samed" / LOG).read_text().splitlines()


def copies(files: Files, folder: Path, count: int) -> Path:
    """A folder with so many copies of the small CT."""
    folder.mkdir()
    for number in range(count):
        shutil.copy(files.ct, folder / f"scan{number:03}.nii.gz")
    return folder


def many(files: Files, source: Path, out: Path, *options) -> list[str]:
    """The command that segments them."""
    model = ["--model", files.checkpoint, "--base", files.base, "--device", "cpu"]
    return [str(argument) for argument in ("segment", source, out, *model, *options)]


def journal_rows(out: Path) -> list[dict]:
    """What the journal of an output folder says of its scans, line by line."""
    return [json.loads(line) for line in (out / ".samed" / "journal.jsonl").read_text().splitlines()[1:]]


if __name__ == "__main__":
    # By its name in a module: what is pickled of a script would have its own copy of the table of architectures.
    itself = import_module("small_cohort")
    itself.slow_and_small()
    cluster._Actor = itself.SmallActor
    sys.exit(main())
