"""Where the voxels of a NRRD file are, as its header has it (http://teem.sourceforge.net/nrrd/format.html)."""

from __future__ import annotations

import math
from pathlib import Path
from typing import BinaryIO

from SAMedCore.errors import InputError
from SAMedCore.files.detached import data_files
from SAMedCore.files.whole import Stored

LONGEST_HEADER = 1 << 25
"""Bytes: more than a segmentation of thousands of segments has."""

SIZES = {
    **dict.fromkeys(("signed char", "int8", "int8_t", "uchar", "unsigned char", "uint8", "uint8_t"), 1),
    **dict.fromkeys(("short", "short int", "signed short", "signed short int", "int16", "int16_t"), 2),
    **dict.fromkeys(("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"), 2),
    **dict.fromkeys(("int", "signed int", "int32", "int32_t", "uint", "unsigned int", "uint32", "uint32_t", "float"), 4),
    **dict.fromkeys(("longlong", "long long", "long long int", "signed long long", "signed long long int"), 8),
    **dict.fromkeys(("int64", "int64_t", "ulonglong", "unsigned long long", "unsigned long long int", "uint64"), 8),
    **dict.fromkeys(("uint64_t", "double"), 8),
}
"""Bytes of each type."""

COMPRESSIONS = {"raw": "none", "gzip": "gzip", "gz": "gzip", "bzip2": "bzip2", "bz2": "bzip2"}
TEXTS = ("txt", "text", "ascii", "hex")


def stored(path: Path) -> Stored:
    """Where the voxels are. Raises InputError where the header is damaged or names files that it may not; it says "it"."""
    with path.open("rb") as file:
        fields = _fields(file)
        start = file.tell()
        skipped_lines, skipped = (_number(fields.get(field, "0")) for field in ("line skip", "byte skip"))
        named = fields.get("data file")
        files = (path,) if named is None else data_files(path, named, fields.get("the rest", "").splitlines())
        start = start if named is None else 0
        if skipped_lines and len(files) == 1 and files[0].is_file():
            start = _after_lines(files[0], start, skipped_lines)
    encoding = fields.get("encoding", "").lower()
    if encoding in TEXTS:
        return Stored(files, 0)
    compression = COMPRESSIONS.get(encoding)
    if compression is None:
        raise InputError("its header is damaged or cut off (no encoding that is known): copy or export it again.")
    if compression != "none":
        return Stored(files, _length(fields), start, max(skipped, 0), compression)
    return Stored(files, _length(fields), start + max(skipped, 0))


def _fields(file: BinaryIO) -> dict[str, str]:
    """The fields of a header by their lower-case names, and "the rest" after a list of files; the file is left at its end."""
    fields: dict[str, str] = {}
    room = LONGEST_HEADER
    while (line := file.readline(room + 1)).strip(b"\r\n"):
        room -= len(line)
        if room < 0:
            raise InputError("its header does not end: it is damaged; copy or export it again.")
        name, colon, value = line.decode("utf-8", "replace").partition(":")
        if colon and not name.startswith("#") and not value.startswith("="):
            name = name.strip().lower().replace("datafile", "data file").replace("byteskip", "byte skip")
            fields[name.replace("lineskip", "line skip")] = value.strip()
            if value.split()[:1] == ["LIST"]:
                fields["the rest"] = file.read(room).decode("utf-8", "replace")
    return fields


def _length(fields: dict[str, str]) -> int:
    kind = fields.get("type", "").lower()
    size = _number(fields.get("block size", fields.get("blocksize", "0"))) if kind == "block" else SIZES.get(kind, 0)
    sides = [_number(side) for side in fields.get("sizes", "").split()]
    if not size or not sides or min(sides) < 1:
        raise InputError("its header does not say of which type and how many its voxels are: copy or export it again.")
    return size * math.prod(sides)


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise InputError(f'its header has "{text[:40]}" where a whole number belongs: copy or export it again.') from error


def _after_lines(path: Path, start: int, lines: int) -> int:
    with path.open("rb") as file:
        file.seek(start)
        for _ in range(lines):
            if not file.readline(LONGEST_HEADER):
                break
        return file.tell()
