"""Whether a file is there whole: a file at all, as long as its header says, and what is compressed in it undamaged.

ITK's readers take what is cut off for 0, and do not look at the checksums of what is compressed.
"""

from __future__ import annotations

import bz2
import gzip
import os
import stat
import struct
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from SAMedCore.errors import InputError
from SAMedCore.files.json_values import within

DEFLATED = 1032
"""To how many bytes deflate (gzip, zlib) makes one at the most; a header that promises more is wrong."""

COMPRESSED_BLOCK, BLOCK = 1 << 14, 1 << 20
"""Bytes read at a time: of zlib's, which may become a thousand times as many, and of others, a whole number of any voxels."""

BEYOND = 1 << 20
"""Bytes that may follow the voxels in what is compressed: some programs pad."""


@dataclass(frozen=True)
class Stored:
    """Where the voxels are, as a header has it.

    Attributes:
        files: that hold them, in order; several of a MetaImage or NRRD alone.
        length: of all voxels, in bytes that are not compressed; 0 where they are written as text, whose length nobody knows.
        start: where they begin in each file, or what is compressed begins.
        skipped: bytes before them in what is compressed.
        compression: "none", "gzip", "zlib" or "bzip2".
        floats: their type where NaN and infinity among them must be looked for, because ITK makes 0 of them; or None.
    """

    files: tuple[Path, ...]
    length: int
    start: int = 0
    skipped: int = 0
    compression: str = "none"
    floats: np.dtype | None = None


def is_folder(path: Path) -> bool:
    """Whether it is a folder; raises InputError as `check_file` where that cannot be told."""
    check_name(path)
    with _said(path):
        return stat.S_ISDIR(path.stat().st_mode)


def is_there(path: Path) -> bool:
    """Whether something has this path; a name too long, or a loop of links, has nothing."""
    try:
        return path.exists()
    except (OSError, RuntimeError):
        return False


def check_file(path: Path, what: str = "an image file") -> None:
    """Raises InputError where `path` is no file that can be read, before anything opens it that would wait or never end.

    Args:
        what: is to be chosen in its place.
    """
    check_name(path)
    with _said(path):
        found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise InputError(f'"{path}" is no file (a pipe, a socket, a device or a folder): choose {what}.')
    if not os.access(path, os.R_OK):
        raise InputError(f'"{path}" cannot be read (Permission denied): ask for the right to read it.')
    if not found.st_size:
        raise InputError(f'"{path}" is empty: choose {what}.')


def check_name(path: Path) -> None:
    """Raises InputError where the name is no UTF-8, on which SimpleITK ends the process."""
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        shown = os.fsencode(path).decode("utf-8", "backslashreplace")
        raise InputError(f'"{shown}" has a name that is no UTF-8: rename it.') from error


@contextmanager
def _said(path: Path) -> Iterator[None]:
    """Says what the operating system has against the path."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f'"{path}" does not exist: check the path.') from error
    except (OSError, ValueError) as error:  # a loop of links, a name too long, a closed folder, a zero byte
        reason = getattr(error, "strerror", None) or error
        raise InputError(f'"{path}" cannot be read ({reason}): check the path.') from error


def named(path: Path) -> AbstractContextManager[None]:
    """Puts the file's name before a complaint about its content."""
    return within(f'"{path}"')


def check_length(stored: Stored) -> None:
    """Whether the files can hold the voxels that the header promises, by their lengths alone.

    Raises:
        InputError: one of them is no file, or they are too short; the sentence says "it".
    """
    for file in stored.files:
        check_file(file)
    there = sum(max(0, file.stat().st_size - stored.start) for file in stored.files)
    if stored.compression in ("gzip", "zlib"):
        there *= DEFLATED
    if there < stored.length and stored.compression != "bzip2":
        what = f"its header promises {stored.length} bytes of voxels, and {there} are there"
        if stored.compression != "none":
            what = f"its header promises {stored.length} bytes of voxels, which its few bytes cannot be"
        raise InputError(f"it is cut off, {what}: copy or export it again.")


def is_proven(stored: Stored, voxels: np.ndarray) -> bool:
    """Whether what ITK read has the checksum that stands at the end of a gzip file, so that nothing is cut off or damaged.

    That takes a twentieth of the time of `check_content`. Voxels that ITK scaled, turned round or made 0 of NaN do not have it.

    Args:
        voxels: as read, in the order of the file.
    """
    if stored.compression != "gzip" or len(stored.files) > 1 or voxels.nbytes != stored.length or stored.skipped > BLOCK:
        return False
    with stored.files[0].open("rb") as file:
        file.seek(-8, os.SEEK_END)
        checksum, length = struct.unpack("<2I", file.read(8))
        file.seek(stored.start)
        try:
            before = gzip.GzipFile(fileobj=file).read(stored.skipped)
        except (EOFError, OSError, zlib.error):
            return False
    alike = (len(before) + voxels.nbytes) % 2**32 == length
    return alike and zlib.crc32(np.ascontiguousarray(voxels).data, zlib.crc32(before)) == checksum


def check_content(stored: Stored) -> None:
    """Reads what is compressed to its end, and looks for hidden NaN.

    Raises:
        InputError: it is cut off, damaged, or longer than its header promises; a voxel is not finite; the sentence says "it".
    """
    if stored.compression == "none" and stored.floats is None:
        return
    lacking = stored.length
    try:
        for block in _blocks(stored):
            if stored.floats is not None and lacking > 0:
                _check_finite(block[:lacking], stored.floats)
            lacking -= len(block)
            if lacking < -BEYOND:
                raise InputError("what is compressed in it goes on beyond the voxels of its header: export it again.")
    except (EOFError, OSError, zlib.error) as error:
        raise InputError("what is compressed in it is cut off or damaged: copy or export it again.") from error
    if lacking > 0:
        raise InputError(f"it is cut off, {lacking} of {stored.length} bytes of voxels are missing: copy or export it again.")


def _blocks(stored: Stored) -> Iterator[bytes]:
    """The bytes from the first voxel on, not compressed any more."""
    for path in stored.files:
        with path.open("rb") as file:
            file.seek(stored.start)
            if stored.compression == "zlib":
                yield from _inflated(file)
                continue
            with _decompressed(file, stored.compression) as stream:
                for before in range(0, stored.skipped, BLOCK):
                    stream.read(min(BLOCK, stored.skipped - before))
                while block := stream.read(BLOCK):
                    yield block


def _decompressed(file: BinaryIO, compression: str) -> BinaryIO:
    if compression == "gzip":
        return gzip.GzipFile(fileobj=file)  # type: ignore[return-value]
    return bz2.BZ2File(file) if compression == "bzip2" else file  # type: ignore[return-value]


def _inflated(file: BinaryIO) -> Iterator[bytes]:
    inflate = zlib.decompressobj(zlib.MAX_WBITS | 32)  # with the header of zlib or of gzip, as MetaIO takes both
    while not inflate.eof:
        block = file.read(COMPRESSED_BLOCK)
        if not block:
            raise EOFError
        yield inflate.decompress(block)


def _check_finite(block: bytes, floats: np.dtype) -> None:
    if not np.isfinite(np.frombuffer(block, floats, len(block) // floats.itemsize)).all():
        raise InputError("it has voxels that are NaN or infinite: replace them, in a CT by -1024.")
