"""Fuzz Slicer's segmentations: the header fields behind those that say what the voxels are."""

import tempfile
from pathlib import Path

import atheris
import SimpleITK
from fuzzing import IN_MEMORY, fuzz

with atheris.instrument_imports(include=["SAMedCore"]):
    from SAMedCore.errors import InputError
    from SAMedCore.files.read import read_labelmap

BEGIN = b"""NRRD0004
type: uint8
dimension: 4
sizes: 2 3 2 2
encoding: raw
kinds: list domain domain domain
space: left-posterior-superior
space directions: none (1,0,0) (0,1,0) (0,0,1)
space origin: (0,0,0)
"""
VOXELS = bytes([1, 0, 2, 0, 0, 1, *[0] * 18])
SEGMENT = """Segment{0}_ID:=S{0}
Segment{0}_Name:=a{0}
Segment{0}_Color:=0.5 0.1 1
Segment{0}_LabelValue:={1}
Segment{0}_Layer:={2}
"""
TAGS = (
    "Segment0_Tags:=TerminologyEntry:list~SCT^123037004^Anatomical Structure~SCT^64033007^Kidney~SCT^24028007^Right~~^^~^^|\n"
)


def try_one(data: bytes) -> None:
    PATH.write_bytes(BEGIN + data + b"\n\n" + VOXELS)
    try:
        labelmap = read_labelmap(PATH)
    except InputError:
        return
    assert labelmap.voxels.ndim == 3
    assert set(labelmap.labels.values) >= set(labelmap.voxels.ravel().tolist()) - {0}


if __name__ == "__main__":
    SimpleITK.ProcessObject_SetGlobalWarningDisplay(False)
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        PATH = Path(folder) / "a.seg.nrrd"
        two = SEGMENT.format(0, 1, 0) + SEGMENT.format(1, 1, 1)
        fuzz("seg_nrrd", [two.encode(), (two + TAGS).encode(), SEGMENT.format(0, 2, 0).encode()], try_one)
