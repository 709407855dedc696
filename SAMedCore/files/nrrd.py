"""Where the voxels of a NRRD file are, as its header has it (http://teem.sourceforge.net/nrrd/format.html)."""

from __future__ import annotations

import math
import re
from pathlib import Path

from SAMedCore.errors import InputError
from SAMedCore.files.detached import LIST, data_files
from SAMedCore.files.whole import Stored

LONGEST_HEADER = 1 << 23
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

LINE_END = re.compile(rb"\r\n|\n|\r")
"""Of teem, which reads NRRD for ITK: whoever sees other lines than it does checks another file than the one that it reads."""

SYNONYMS = {"datafile": "data file", "lineskip": "line skip", "byteskip": "byte skip", "blocksize": "block size"}
FOLLOWING = "\n"
"""The lines after a list's field, as no field can be named."""

COMPRESSIONS = {"raw": "none", "gzip": "gzip", "gz": "gzip", "bzip2": "bzip2", "bz2": "bzip2"}
TEXTS = ("txt", "text", "ascii", "hex")


def stored(path: Path) -> Stored:
    """Where the voxels are. Raises InputError where the header is damaged or names files that it may not; it says "it"."""
    with path.open("rb") as file:
        fields, start = _fields(file.read(LONGEST_HEADER))
    skipped_lines, skipped = (_number(fields.get(field, "0")) for field in ("line skip", "byte skip"))
    named = fields.get("data file")
    files: tuple[Path, ...] = (path,)
    if named is not None:
        files, start = data_files(path, named, fields[FOLLOWING].split("\n")), 0
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


def _fields(content: bytes) -> tuple[dict[str, str], int]:
    """The fields of a header by their lower-case names, with what follows a list, and where the header ends."""
    fields: dict[str, str] = {FOLLOWING: ""}
    place = 0
    for end in LINE_END.finditer(content):
        if end.start() == place:
            return fields, end.end()
        name, colon, value = content[place : end.start()].decode("utf-8", "replace").partition(":")
        place = end.end()
        if not colon or name.startswith("#") or value.startswith("="):
            continue
        name = name.strip().lower()
        name = SYNONYMS.get(name, name)
        fields[name] = value.strip()
        if name == "data file" and value.strip().startswith(LIST):
            return fields | {FOLLOWING: LINE_END.sub(b"\n", content[place:]).decode("utf-8", "replace")}, len(content)
    if "data file" in fields:
        return fields, len(content)
    raise InputError("its header does not end: it is cut off or damaged; copy or export it again.")


def _length(fields: dict[str, str]) -> int:
    kind = fields.get("type", "").lower()
    size = _number(fields.get("block size", "0")) if kind == "block" else SIZES.get(kind, 0)
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
