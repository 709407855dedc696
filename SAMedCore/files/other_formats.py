"""Formats that SimpleITK reads and few scans have: GIPL, VTK, MRC, TIFF, MINC, HDF5 and others."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from SAMedCore.errors import InputError
from SAMedCore.files.whole import Stored

HEADERS = {"GiplImageIO": 256, "MRCImageIO": 1024}
"""Bytes before the voxels, at least."""

VTK_LINES, LONGEST_LINE = 20, 1000
"""In the header of an image, at most; the last of them begins with one of these words."""

VTK_LAST_WORDS = (b"LOOKUP_TABLE", b"COLOR_SCALARS", b"VECTORS", b"TENSORS")

_redirected = threading.Lock()


def stored(path: Path, reader: str, length: int) -> Stored:
    """Where the voxels are; of no length where nothing is known of it.

    Args:
        reader: SimpleITK's name for what reads it.
        length: of all voxels in bytes, as that reader says.
    """
    if reader in HEADERS:
        compressed = path.suffix.lower() == ".gz"
        return Stored((path,), length, 0, HEADERS[reader], "gzip") if compressed else Stored((path,), length, HEADERS[reader])
    if reader == "VTKImageIO":
        with path.open("rb") as file:
            lines = [file.readline(LONGEST_LINE) for _ in range(VTK_LINES)]
        last = next((number for number, line in enumerate(lines) if line.startswith(VTK_LAST_WORDS)), None)
        if last is not None and lines[2].strip() == b"BINARY":
            return Stored((path,), length, len(b"".join(lines[: last + 1])))
    return Stored((path,), 0)


@contextmanager
def quietly() -> Iterator[None]:
    """What C libraries print about a file that they cannot read is kept from stderr, where one sentence is to stand.

    stderr is the whole process's: for the moment that it takes, what other threads say there is lost too, so that this is for
    formats that few scans have.

    Raises:
        InputError: libtiff complained, which ITK takes for the end of the slices.
    """
    with _redirected, tempfile.TemporaryFile() as said:
        kept = os.dup(2)
        os.dup2(said.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            said.seek(0)
            complaints = said.read(1 << 16).splitlines()
        if any(line.startswith(b"TIFF") and b"Warning" not in line for line in complaints):
            raise InputError("it is cut off or damaged: copy or export it again.")
