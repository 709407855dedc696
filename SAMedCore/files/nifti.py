"""What SimpleITK does not tell about a NIfTI or Analyze file: where its voxels are, and whether its two places agree."""

from __future__ import annotations

import gzip
import math
import re
from pathlib import Path

import numpy as np

from SAMedCore.errors import InputError
from SAMedCore.files.whole import Stored, check_file

FLOATS = {16: "f4", 64: "f8"}
"""NIfTI-1 and -2 data types (nifti1.h, NIFTI_TYPE_FLOAT32 and FLOAT64) as numpy knows them."""

FIELDS = ["magic", "datatype", "bitpix", "dim", "pixdim", "vox_offset", "qform_code", "sform_code", "quatern", "srow"]
VERSIONS = {
    348: ("S4 i2 i2 8i2 8f4 f4 i2 i2 3f4 (3,4)f4", (344, 70, 72, 40, 76, 108, 252, 254, 256, 280)),
    540: ("S8 i2 i2 8i8 8f8 i8 i4 i4 3f8 (3,4)f8", (4, 12, 14, 16, 104, 168, 344, 348, 352, 400)),
}
"""By the length of a header, its first number: the fields' types and places (nifti1.h, nifti2.h)."""

MOST_APART = 0.01
"""How much of a voxel's size qform and sform may differ."""

TURNED = math.cos(math.radians(45))


def stored(path: Path) -> Stored:
    """Where the voxels are; floats are to be looked at, because ITK makes 0 of NaN and infinity.

    Raises:
        InputError: the header is cut off, or has nonsense where sizes and places belong; qform and sform contradict each other;
            the sentence says "it".
    """
    header_file, voxels = _partners(path)
    check_file(header_file)
    header = _header(header_file)
    axes = int(header["dim"][0])
    sides = [int(side) for side in header["dim"][1 : 1 + max(0, axes)]]
    offset = float(header["vox_offset"])
    if not 1 <= axes <= 7 or min(sides) < 1 or not 0 <= offset < 2**62 or header["bitpix"] < 1:
        raise InputError("its header has nonsense where its size and its voxels' place belong: copy or export it again.")
    _check_places(header)
    kind = FLOATS.get(int(header["datatype"]))
    floats = None if kind is None else np.dtype(kind).newbyteorder(header.dtype["dim"].base.byteorder)
    length, start = math.prod(sides) * int(header["bitpix"]) // 8, round(offset)
    if voxels == header_file:
        start = max(start, min(VERSIONS))
    if voxels.is_file() and _is_gzip(voxels):
        return Stored((voxels,), length, 0, start, "gzip", floats)
    return Stored((voxels,), length, start, floats=floats)


def _partners(path: Path) -> tuple[Path, Path]:
    """The files with the header and with the voxels: the same, or .hdr and .img, each also as .gz."""
    name = path.name.removesuffix(".gz")
    zipped = path.name[len(name) :]
    if name.lower().endswith((".hdr", ".img")):
        pair = [path.with_name(name[:-4] + (each.upper() if name[-4:].isupper() else each)) for each in (".hdr", ".img")]
        header, voxels = (each.with_name(each.name + zipped) for each in pair)
        # nifti_clib takes either of them compressed or not.
        return tuple(each if each.exists() else _other(each) for each in (header, voxels))  # type: ignore[return-value]
    return path, path


def _other(path: Path) -> Path:
    """The same file, compressed where `path` is not."""
    return path.with_suffix("") if path.suffix == ".gz" else path.with_name(path.name + ".gz")


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def _header(path: Path) -> np.void:
    try:
        with gzip.open(path) if _is_gzip(path) else path.open("rb") as file:
            content = file.read(max(VERSIONS))
    except (OSError, EOFError, ValueError) as error:
        raise InputError("its header is cut off or damaged: copy or export it again.") from error
    for order in "<>":
        length = int(np.frombuffer(content[:4].ljust(4, b"\0"), order + "i4")[0])
        if length in VERSIONS and len(content) >= length:
            types, places = VERSIONS[length]
            formats = [each if each.startswith("S") else re.sub(r"(?=[ifS]\d$)", order, each) for each in types.split()]
            layout = np.dtype({"names": FIELDS, "formats": formats, "offsets": list(places), "itemsize": length})
            return np.frombuffer(content, layout, 1)[0]
    raise InputError("its header is cut off or damaged: copy or export it again.")


def _check_places(header: np.void) -> None:
    """Slicer goes by one of the two places that NIfTI has for a scan, other programs by the other; left may be right there."""
    spacing = header["pixdim"][1:4].astype(float)
    if not (np.isfinite(spacing) & (spacing > 0))[: header["dim"][0]].all():
        raise InputError(f"its header has voxels of {' x '.join(f'{mm:g}' for mm in spacing)} mm: export it again.")
    if header["magic"][:2] not in (b"n+", b"ni") or header["qform_code"] <= 0 or header["sform_code"] <= 0:
        return
    from scipy.spatial.transform import Rotation

    imaginary = header["quatern"].astype(float)
    real = math.sqrt(max(0.0, 1 - float(imaginary @ imaginary)))
    mirrored = header["pixdim"][0] < 0
    by_qform = Rotation.from_quat([*imaginary, real]).as_matrix() * [1, 1, -1 if mirrored else 1]
    columns = header["srow"][:, :3].astype(float)
    sizes = np.linalg.norm(columns, axis=0)
    alike = np.isfinite(columns).all() and (np.abs(sizes / spacing - 1) < MOST_APART).all()
    if not alike or ((columns / sizes) * by_qform).sum(axis=0).min() < TURNED:
        raise InputError(
            "its header says in two ways how it lies (qform and sform) that contradict each other, so that left may be taken "
            "for right: export it again."
        )
