"""Where the voxels of a MetaImage (.mha, .mhd) are, as its header has it."""

from __future__ import annotations

import math
import re
from pathlib import Path

from SAMedCore.errors import InputError
from SAMedCore.files.detached import data_files
from SAMedCore.files.whole import Stored

LONGEST_HEADER = 1 << 20
"""Bytes."""

SIZES = {
    **dict.fromkeys(("MET_CHAR", "MET_UCHAR", "MET_ASCII_CHAR"), 1),
    **dict.fromkeys(("MET_SHORT", "MET_USHORT"), 2),
    **dict.fromkeys(("MET_INT", "MET_UINT", "MET_LONG", "MET_ULONG", "MET_FLOAT"), 4),
    **dict.fromkeys(("MET_LONG_LONG", "MET_ULONG_LONG", "MET_DOUBLE"), 8),
}
"""Bytes of each type."""

LINE = re.compile(r"\s*(\w+)\s*[=:]\s*(.*)")


def stored(path: Path) -> Stored:
    """Where the voxels are. Raises InputError where the header is damaged or names files that it may not; it says "it"."""
    fields: dict[str, str] = {}
    with path.open("rb") as file:
        while "ElementDataFile" not in fields:
            line = file.readline(LONGEST_HEADER - file.tell())
            match = LINE.match(line.decode("utf-8", "replace"))
            if not line or (line.strip() and match is None):
                raise InputError("its header is damaged or cut off: copy or export it again.")
            if match is not None:
                fields[match[1]] = match[2].strip()
        start, named = file.tell(), fields["ElementDataFile"]
        local = named.upper() == "LOCAL"
        following = [] if local else file.read(LONGEST_HEADER).decode("utf-8", "replace").splitlines()
    files = (path,) if local else data_files(path, named, following)
    length = _length(fields)
    if _says_yes(fields.get("CompressedData", "")):
        if len(files) > 1:
            raise InputError("it has compressed voxels in several files: save it anew as .mha.")
        return Stored(files, length, start if local else 0, compression="zlib")
    if "BinaryData" in fields and not _says_yes(fields["BinaryData"]):
        return Stored(files, 0)
    before = _numbers(fields.get("HeaderSize", "0"))
    return Stored(files, length, start if local else max(0, *before))


def _length(fields: dict[str, str]) -> int:
    size, sides = SIZES.get(fields.get("ElementType", ""), 0), _numbers(fields.get("DimSize", ""))
    channels = _numbers(fields.get("ElementNumberOfChannels", "1"))
    dimensions = _numbers(fields.get("NDims", "0"))
    if not size or not sides or dimensions != [len(sides)] or min(*sides, *channels) < 1:
        raise InputError("its header does not say of which type and how many its voxels are: copy or export it again.")
    return size * math.prod(sides) * math.prod(channels)


def _says_yes(value: str) -> bool:
    return value[:1] in ("T", "t", "1")


def _numbers(text: str) -> list[int]:
    try:
        return [int(word) for word in text.split()]
    except ValueError as error:
        raise InputError(f'its header has "{text[:40]}" where whole numbers belong: copy or export it again.') from error
