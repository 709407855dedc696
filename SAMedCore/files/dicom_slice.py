"""One DICOM file of an image: what it says of its pixels and of their place, and whether that can be believed.

GDCM, through which SimpleITK reads DICOM, takes much that is missing or nonsense for 0 or 1 without a word. pydicom is not
needed here.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK

from SAMedCore.errors import InputError
from SAMedCore.files.whole import check_file

SOP_CLASS, MODALITY, POSITION, DIRECTIONS = "0008|0016", "0008|0060", "0020|0032", "0020|0037"
SAMPLES, PHOTOMETRIC, FRAMES, ROWS, COLUMNS = "0028|0002", "0028|0004", "0028|0008", "0028|0010", "0028|0011"
SPACING, BITS, INTERCEPT, SLOPE = "0028|0030", "0028|0100", "0028|1052", "0028|1053"
"""Attributes as SimpleITK writes their tags."""

NAMES = {
    POSITION: "ImagePositionPatient",
    DIRECTIONS: "ImageOrientationPatient",
    SPACING: "PixelSpacing",
    ROWS: "Rows",
    COLUMNS: "Columns",
    BITS: "BitsAllocated",
    INTERCEPT: "RescaleIntercept",
    SLOPE: "RescaleSlope",
}

PERPENDICULAR = 0.01
"""By how much the length of a direction may differ from 1, and the product of two from 0: they are rounded in the files."""

UNDEFINED_LENGTH = 0xFFFFFFFF
"""Of pixels that are compressed, in parts."""

LAST_PART = b"\xfe\xff\xdd\xe0"
"""The tag that ends them."""

PIXELS = re.compile(rb"\xe0\x7f\x10\x00(?:O[BW]\0\0)?(....)|\x7f\xe0\x00\x10O[BW]\0\0(....)", re.DOTALL)
"""The attribute PixelData with its length, in little or in big endian."""

DEFLATED_SYNTAX = b"1.2.840.10008.1.2.1.99"
"""The transfer syntax of files that are compressed as a whole."""

PREFACE = 1024
MEDIA_CLASS = re.compile(rb"\x02\0\x02\0UI.\0([0-9.]+)", re.DOTALL)
"""MediaStorageSOPClassUID, which stands within the first bytes of a file."""

FRAME_POSITION = re.compile(rb"\x20\x00\x32\x00(?:DS(.)\0|(.)\0\0\0)", re.DOTALL)


@dataclass(frozen=True, eq=False)
class Slice:
    """What a file says of the place of its pixels.

    Attributes:
        position_mm: (3,), of the first pixel in LPS.
        directions: (2, 3), of the rows and of the columns.
        spacing_mm: (2,), between rows and between columns.
        shape: rows and columns.
        pixel_type: SimpleITK's, of the values once they are rescaled.
    """

    position_mm: np.ndarray
    directions: np.ndarray
    spacing_mm: np.ndarray
    shape: tuple[str, str]
    pixel_type: int


def begins_as_dicom(path: Path) -> bool:
    """Whether a file begins as DICOM files do. Raises InputError as `check_file`."""
    check_file(path)
    with path.open("rb") as file:
        return file.read(132).endswith(b"DICM")


def class_of(path: Path) -> str:
    """The SOP class that a file's preface says it is of, "" where it says none."""
    with path.open("rb") as file:
        found = MEDIA_CLASS.search(file.read(PREFACE))
    return found[1].decode("ascii", "replace").rstrip("\0 ") if found else ""


def tag_of(file: Path | str, tag: str) -> str:
    """A DICOM attribute's text, "" where the file has none. Raises RuntimeError where it cannot be read."""
    return tags_of(file)[0].get(tag, "")


def tags_of(file: Path | str) -> tuple[dict[str, str], int]:
    """The attributes' texts by their tags, without those in sequences; and SimpleITK's type of the pixels.

    Raises:
        RuntimeError: the file cannot be read.
    """
    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(file))
    reader.ReadImageInformation()
    return {tag: reader.GetMetaData(tag).strip() for tag in reader.GetMetaDataKeys()}, reader.GetPixelIDValue()


def read_slice(file: str) -> Slice:
    """What a slice of a series says.

    Raises:
        InputError: it is damaged, or lacks what a slice has to say; the sentence begins with "its slice".
    """
    name = Path(file).name
    try:
        tags, pixel_type = tags_of(file)
    except RuntimeError as error:
        raise InputError(f"its slice {name} cannot be read: copy or export the series again.") from error
    try:
        check_pixels(Path(file), tags)
        position_mm, spacing_mm = _numbers(tags, POSITION, 3), _numbers(tags, SPACING, 2)
        directions = _numbers(tags, DIRECTIONS, 6).reshape(2, 3)
        if spacing_mm.min() <= 0:
            raise InputError(f"has a PixelSpacing of {' x '.join(f'{mm:g}' for mm in spacing_mm)} mm")
        if np.abs(directions @ directions.T - np.eye(2)).max() > PERPENDICULAR:
            raise InputError("has directions that are not two perpendicular ones of length 1 (ImageOrientationPatient)")
    except InputError as error:
        raise InputError(f"its slice {name} {error}: export the series again.") from error
    return Slice(position_mm, directions, spacing_mm, (tags[ROWS], tags[COLUMNS]), pixel_type)


def check_pixels(file: Path, tags: dict[str, str]) -> None:
    """Whether a file has one value a pixel, as many pixels as it says, and says how they become HU if it is a CT.

    Raises:
        InputError: it has not; the sentence lacks its beginning, and its end.
    """
    photometric = tags.get(PHOTOMETRIC, "")
    if tags.get(SAMPLES, "1") != "1" or photometric not in ("", "MONOCHROME1", "MONOCHROME2"):
        raise InputError(f"is a colour image ({photometric}), not one value a pixel")
    if photometric == "MONOCHROME1":
        raise InputError("has its values upside down (MONOCHROME1)")
    if tags.get(MODALITY) == "CT" and FRAMES not in tags and not (tags.get(SLOPE) and tags.get(INTERCEPT)):
        raise InputError("does not say how its values become HU (RescaleSlope, RescaleIntercept)")
    rescaled = [_numbers(tags, tag, 1)[0] for tag in (SLOPE, INTERCEPT) if tags.get(tag)]
    if rescaled and rescaled[0] == 0:
        raise InputError("multiplies its values by 0 (RescaleSlope)")
    rows, columns, bits, frames = (int(_numbers(tags, tag, 1)[0]) for tag in (ROWS, COLUMNS, BITS, FRAMES))
    _check_length(file, -(-rows * columns * frames * bits // 8))


def frame_positions_mm(file: Path) -> np.ndarray:
    """(frames, 3): where the frames of a file have their first pixels, LPS, in the order of the frames.

    Raises:
        InputError: one of them is not three numbers; the sentence lacks its beginning, and its end.
    """
    texts = []
    with _mapped(file) as content:
        pixels = PIXELS.search(content)
        for match in FRAME_POSITION.finditer(content, 0, pixels.start() if pixels else len(content)):
            length = (match[1] or match[2])[0]
            texts.append(content[match.end() : match.end() + length].decode("ascii", "replace").rstrip("\0 "))
    return np.stack([_numbers({POSITION: text}, POSITION, 3) for text in texts]) if texts else np.empty((0, 3))


def _numbers(tags: dict[str, str], tag: str, count: int) -> np.ndarray:
    text = tags.get(tag, "1" if tag == FRAMES else "")
    if not text:
        raise InputError(f"does not say its {NAMES[tag]}")
    try:
        numbers = np.array(text.split("\\"), np.float64)
    except ValueError:
        numbers = np.empty(0)
    if numbers.shape != (count,) or not np.isfinite(numbers).all():
        raise InputError(f'has "{text[:40]}" as its {NAMES.get(tag, "NumberOfFrames")}')
    return numbers


@contextmanager
def _mapped(file: Path) -> Iterator[mmap.mmap]:
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
        yield content


def _check_length(file: Path, expected: int) -> None:
    """Whether PixelData stands somewhere with as many bytes as expected, and they are there; compressed, with its end.

    What looks like the attribute by chance, among the pixels of another one, does not matter.
    """
    lengths = []
    with _mapped(file) as content:
        for match in PIXELS.finditer(content):
            length = int.from_bytes(match[1], "little") if match[1] else int.from_bytes(match[2], "big")
            if length == UNDEFINED_LENGTH:
                if content.rfind(LAST_PART) > match.end():
                    return
                raise InputError("is cut off in its compressed pixels")
            lengths.append(min(length, len(content) - match.end()))
            if expected <= lengths[-1] < 2 * expected:
                return
        if content.find(DEFLATED_SYNTAX, 0, PREFACE) >= 0:
            return
    there = f"{lengths[0]} bytes of pixels" if lengths else "no pixels"
    raise InputError(f"has {there} where its size needs {expected}")
