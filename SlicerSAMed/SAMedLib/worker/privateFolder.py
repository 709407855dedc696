"""The folder in which voxels travel to the worker and back: readable by this user alone, gone when Slicer is."""

import os
import re
import shutil
import tempfile
from pathlib import Path

from SAMedCore.service.process import is_alive

PREFIX = "samed"


def makePrivateFolder(parent: str | Path) -> Path:
    """A new folder (0700) below `parent`, its name telling which Slicer it belongs to."""
    sweep(parent)
    return Path(tempfile.mkdtemp(prefix=f"{PREFIX}-{os.getpid()}-", dir=parent))


def makePrivateFile(path: Path) -> Path:
    """An empty new file (0600)."""
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    return path


def removeFolder(folder: Path) -> None:
    """Remove it with all that is in it; a file that another process still maps (Windows) is left to the next `sweep`."""
    shutil.rmtree(folder, ignore_errors=True)


def sweep(parent: str | Path) -> None:
    """Remove the folders of Slicers that are gone: both they and their worker may have been killed."""
    for folder in Path(parent).glob(f"{PREFIX}-*"):
        owner = re.match(rf"{PREFIX}-(\d+)-", folder.name)
        if owner and folder.is_dir() and not is_alive(int(owner[1])):
            removeFolder(folder)
