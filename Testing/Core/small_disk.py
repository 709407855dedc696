"""A disk of a megabyte, or none of it left: a tmpfs of this test's own, where the system lets it have one."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

FILLER = "filler"


@contextmanager
def small_disk(folder: Path, size: str = "1m") -> Iterator[Path]:
    """The folder as a disk of that size. Skips the test where no file system may be mounted."""
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("no file system may be mounted here: run as root, or under `unshare -rm`")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(disk: Path, left: int = 0) -> None:
    """Leave so many bytes free, in whole pages."""
    with (disk / FILLER).open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
        os.truncate(file.fileno(), max(0, file.tell() - left))
