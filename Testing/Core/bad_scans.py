"""Scans that are cut, damaged or claim what is not true, made from whole ones, for the tables of bad input."""

import gzip
import os
import socket
import struct
from pathlib import Path

import nrrd
import numpy as np
import pytest
import SimpleITK
from made_labelmaps import write_image
from refused import snapshot

from SAMedCore.errors import InputError

NIFTI_FIELDS = {
    "sizeof_hdr": (0, "<i"),
    "dim": (40, "<8h"),
    "datatype": (70, "<h"),
    "bitpix": (72, "<h"),
    "pixdim": (76, "<8f"),
    "vox_offset": (108, "<f"),
    "scl": (112, "<2f"),
    "qform_code": (252, "<h"),
    "sform_code": (254, "<h"),
    "srow": (280, "<12f"),
    "magic": (344, "4s"),
}
"""Where they stand in a NIfTI-1 header, and as what (nifti1.h)."""

MET = "ObjectType = Image\nNDims = 3\nDimSize = 7 6 5\nElementType = MET_SHORT\nElementSpacing = 1 1 2\n"
NRRD = "NRRD0004\ntype: short\ndimension: 3\nsizes: 7 6 5\nspacings: 1 1 2\nendian: little\nencoding: raw\n"
BYTES = 7 * 6 * 5 * 2
"""Of the voxels of `a_scan`."""


def voxels(dtype=np.int16, shape=(5, 6, 7)) -> np.ndarray:
    """Noise, from air to bone where the type has room for it."""
    noise = np.random.default_rng(0).integers(-1000, 1000, shape)
    return (noise % 100).astype(dtype) if np.dtype(dtype).itemsize == 1 else noise.astype(dtype)


def a_scan(path: Path, array: np.ndarray | None = None, spacing=(1.0, 1.0, 2.0), compressed: bool = True) -> Path:
    """A scan of `array` or of some voxels, in the format of the path's ending."""
    image = SimpleITK.GetImageFromArray(voxels() if array is None else array)
    image.SetSpacing(spacing)
    SimpleITK.WriteImage(image, str(path), useCompression=compressed)
    return path


def written(name: str, array: np.ndarray, **options):
    """The maker of an image that SimpleITK writes."""

    def make(folder):
        write_image(folder / name, array, **options)
        return folder / name

    return make


def cut(path: Path, part: float) -> Path:
    """A scan of which only a part is there."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    return path


def flipped(path: Path, first: int, count: int = 8) -> Path:
    """A scan some bytes of which are others; counted from the end if negative."""
    content = bytearray(path.read_bytes())
    for place in range(first, first + count):
        content[place] ^= 0xFF
    path.write_bytes(content)
    return path


def patched(path: Path, **fields: object) -> Path:
    """A NIfTI-1 file whose header has these fields instead."""
    zipped = path.name.endswith(".gz")
    content = bytearray(gzip.decompress(path.read_bytes()) if zipped else path.read_bytes())
    for name, value in fields.items():
        place, kind = NIFTI_FIELDS[name]
        values = value if isinstance(value, tuple) else (value,)
        content[place : place + struct.calcsize(kind)] = struct.pack(kind, *values)
    path.write_bytes(gzip.compress(content) if zipped else content)
    return path


def text(path: Path, content: str, *data: bytes) -> Path:
    """A file of a text header and, where given, data that follows."""
    path.write_bytes(content.encode() + b"".join(data))
    return path


def detached(path: Path, named: str, header: str | None = None) -> Path:
    """A .mhd or .nhdr that names a file for its voxels."""
    if path.suffix == ".mhd":
        return text(path, f"{header or MET}ElementDataFile = {named}\n")
    return text(path, f"{header or NRRD}data file: {named}\n\n")


def raw(path: Path) -> Path:
    path.write_bytes(voxels().astype("<i2").tobytes())
    return path


def pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


def listening(path: Path) -> Path:
    """The name of a socket, which may be no longer than some hundred bytes."""
    here = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as opened:
            opened.bind(path.name)
    finally:
        os.chdir(here)
    return path


def link(path: Path, target: str | Path) -> Path:
    path.symlink_to(target)
    return path


def zeros(path: Path, header: bytes, megabytes: int) -> Path:
    """A gzip file of a header and so many zeros, which takes a thousandth of that."""
    path.write_bytes(gzip.compress(header) + gzip.compress(bytes(1 << 20)) * megabytes)
    return path


def segments(path: Path, array: np.ndarray | None = None, **fields: object) -> Path:
    """A Slicer segmentation of one segment, or of layers (layers, k, j, i), with these fields in place of the usual ones."""
    array = np.ones((5, 6, 7), np.uint8) if array is None else array
    header: dict = {"space": "left-posterior-superior", "space directions": np.eye(3), "space origin": [0, 0, 0]}
    if array.ndim == 4:
        header |= {"kinds": ["list", *["domain"] * 3], "space directions": np.vstack([[np.nan] * 3, np.eye(3)])}
    usual = {"ID": "S0", "Name": "part", "Color": "1 0 0", "LabelValue": "1", "Layer": "0"}
    header |= {f"Segment0_{name}": str(value) for name, value in (usual | fields).items()}
    nrrd.write(str(path), array.transpose((0, 3, 2, 1) if array.ndim == 4 else (2, 1, 0)), header)
    return path


def check_refused(read, path: Path, said: str, folder: Path, capfd) -> None:
    """Whether `read` refuses a file in one line that names it and says this; silently, and leaving the folder as it is."""
    before = snapshot(folder)
    capfd.readouterr()
    with pytest.raises(InputError, match=said) as refusal:
        read(path)
    assert path.name in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert capfd.readouterr() == ("", "")
    assert snapshot(folder) == before
