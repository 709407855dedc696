"""Bad volumes, as a table: each is refused in one line that names the file and says what is wrong with it.

What is detached, or no file at all, is in `test_bad_places`, DICOM in `test_bad_dicom`; unusual scans that are read in
`test_unusual_volumes`.
"""

import gzip

import numpy as np
import pytest
from bad_scans import BYTES, MET, NRRD, a_scan, check_refused, cut, flipped, patched, text, voxels, written, zeros
from refused import in_a_process, refused

from SAMedCore.errors import InputError
from SAMedCore.files.read import read_volume


def floats(value: float, shape=(5, 6, 7)) -> np.ndarray:
    array = np.zeros(shape, np.float32)
    array[1, 2, 3] = value
    return array


def pair(folder, value: float):
    a_scan(folder / "ct.img", floats(value))
    return folder / "ct.hdr"


def mha(folder, header: str = MET, data: bytes = bytes(BYTES)):
    return text(folder / "ct.mha", f"{header}ElementDataFile = LOCAL\n", data)


def a_nrrd(folder, header: str = NRRD, data: bytes = bytes(BYTES)):
    return text(folder / "ct.nrrd", f"{header}\n", data)


def sheared(folder):
    matrix = (1, 0.3, 0, 0, 0, 1, 0, 0, 0, 0, 2, 0)
    return patched(a_scan(folder / "ct.nii"), srow=matrix, qform_code=0, sform_code=1)


def mirrored(folder):
    """By sform the columns run to the other side than by qform."""
    return patched(a_scan(folder / "ct.nii"), srow=(1.0, 0, 0, 0, 0, -1, 0, 0, 0, 0, 2, 0))


def header_of(folder, **fields) -> bytes:
    return patched(a_scan(folder / "header.nii"), **fields).read_bytes()[:352]


def bomb(folder):
    """10 GB of zeros, as its header says, in 10 MB."""
    header = header_of(folder, dim=(3, 2048, 2048, 1200, 1, 1, 1, 1))
    (folder / "header.nii").unlink()
    return zeros(folder / "ct.nii.gz", header, 9600)


def endless(folder):
    """More than its header says."""
    header = header_of(folder)
    (folder / "header.nii").unlink()
    return zeros(folder / "ct.nii.gz", header, 2)


LARGE = voxels(shape=(40, 50, 60))
SINGULAR = "space: left-posterior-superior\nspace directions: (1,0,0) (1,0,0) (0,0,2)"
DIMENSIONS = "NDims = 3", "NDims = 100"

CASES = {
    "NIfTI cut in the header": (lambda f: cut(a_scan(f / "ct.nii"), 0.3), "is not an image|header is cut off"),
    "NIfTI cut in the voxels": (lambda f: cut(a_scan(f / "ct.nii"), 0.8), "cut off.*420 bytes.*copy"),
    "NIfTI without its last byte": (lambda f: cut(a_scan(f / "ct.nii"), 0.9999), "cut off"),
    "NIfTI cut, compressed": (lambda f: cut(a_scan(f / "ct.nii.gz"), 0.7), "compressed in it is cut off"),
    "NIfTI compressed without its checksum": (lambda f: cut(a_scan(f / "ct.nii.gz"), 0.99), "cut off or damaged"),
    "NIfTI compressed, another checksum": (lambda f: flipped(a_scan(f / "ct.nii.gz"), -8, 4), "not an image"),
    "NIfTI compressed, fewer voxels than its header says": (
        lambda f: patched(a_scan(f / "ct.nii.gz"), dim=(3, 7, 6, 6, 1, 1, 1, 1)), "cut off, 84 of 504 bytes"),
    "NIfTI floats cut": (lambda f: cut(a_scan(f / "ct.nii", voxels(np.float64)), 0.8), "cut off"),
    "NIfTI with voxels beyond its end": (lambda f: patched(a_scan(f / "ct.nii"), vox_offset=1e9), "cut off.*0 are there"),
    "NIfTI with voxels before its begin": (lambda f: patched(a_scan(f / "ct.nii"), vox_offset=-1e9), "nonsense"),
    "NIfTI with voxels nowhere": (lambda f: patched(a_scan(f / "ct.nii"), vox_offset=np.nan), "nonsense|not an image"),
    "NIfTI of no slice": (lambda f: patched(a_scan(f / "ct.nii"), dim=(3, 7, 6, 0, 1, 1, 1, 1)), "nonsense|not an image"),
    "NIfTI of less than no slice": (lambda f: patched(a_scan(f / "ct.nii"), dim=(3, 7, 6, -5, 1, 1, 1, 1)), "nonsense"),
    "NIfTI of 100 dimensions": (lambda f: patched(a_scan(f / "ct.nii"), dim=(100, 7, 6, 5, 1, 1, 1, 1)), "nonsense"),
    "NIfTI that claims 10 GB": (
        lambda f: patched(a_scan(f / "ct.nii.gz"), dim=(3, 2048, 2048, 1200, 1, 1, 1, 1)), "10066329600 bytes"),
    "a gzip bomb of 10 GB": (bomb, "too large"),
    "a gzip file that goes on": (endless, "goes on beyond the voxels"),
    "NIfTI of unknown voxels": (lambda f: patched(a_scan(f / "ct.nii"), datatype=1536, bitpix=128), "cut off|not an image"),
    "NIfTI with another magic": (lambda f: patched(a_scan(f / "ct.nii"), magic=b"x+1\0", sizeof_hdr=7), "not an image"),
    "NIfTI with spacing 0": (lambda f: patched(a_scan(f / "ct.nii"), pixdim=(1, 1, 0, 2, 0, 0, 0, 0)), "1 x 0 x 2 mm"),
    "NIfTI with negative spacing": (lambda f: patched(a_scan(f / "ct.nii"), pixdim=(1, 1, 1, -2, 0, 0, 0, 0)), "1 x -2 mm"),
    "NIfTI with spacing NaN": (lambda f: patched(a_scan(f / "ct.nii"), pixdim=(1, np.nan, 1, 2, 0, 0, 0, 0)), "nan x 1 x 2 mm"),
    "NIfTI with qform against sform": (mirrored, "qform and sform.*contradict"),
    "NIfTI with sform of another size": (
        lambda f: patched(a_scan(f / "ct.nii"), srow=(-3.0, 0, 0, 0, 0, -1, 0, 0, 0, 0, 2, 0)), "contradict"),
    "NIfTI with sheared axes": (sheared, "sheared axes"),
    "NIfTI with a sform of zeros": (
        lambda f: patched(a_scan(f / "ct.nii"), srow=(0.0,) * 12, qform_code=0), "sheared|spacing or directions"),
    "NIfTI with a slope that is infinite": (lambda f: patched(a_scan(f / "ct.nii"), scl=(np.inf, 0)), "by infinity"),
    "NaN in a NIfTI": (lambda f: a_scan(f / "ct.nii.gz", floats(np.nan)), "NaN or infinite.*-1024"),
    "infinity in a NIfTI": (lambda f: a_scan(f / "ct.nii", floats(np.inf)), "NaN or infinite"),
    "NaN in a .hdr and .img": (lambda f: pair(f, np.nan), "NaN or infinite"),
    "infinity in a .hdr and .img": (lambda f: pair(f, -np.inf), "NaN or infinite"),
    "NaN in a NRRD": (lambda f: a_scan(f / "ct.nrrd", floats(np.nan)), "NaN or infinite"),
    "NaN in a MetaImage": (lambda f: a_scan(f / "ct.mha", floats(np.nan)), "NaN or infinite"),
    "NRRD cut": (lambda f: cut(a_scan(f / "ct.nrrd", compressed=False), 0.8), "cut off"),
    "NRRD cut, compressed": (lambda f: cut(a_scan(f / "ct.nrrd"), 0.8), "cut off or damaged"),
    "NRRD with flipped bytes": (lambda f: flipped(a_scan(f / "ct.nrrd", LARGE), -20000), "cut off or damaged"),
    "NRRD with another checksum": (lambda f: flipped(a_scan(f / "ct.nrrd"), -8, 4), "cut off or damaged"),
    "NRRD of too few compressed voxels": (
        lambda f: a_nrrd(f, NRRD.replace("raw", "gzip"), gzip.compress(bytes(BYTES - 2))), "cut off, 2 of 420"),
    "NRRD with another magic": (lambda f: flipped(a_scan(f / "ct.nrrd"), 0, 4), "not an image"),
    "NRRD whose header does not end": (lambda f: text(f / "ct.nrrd", NRRD), "cut off"),
    "NRRD of no size": (lambda f: a_nrrd(f, NRRD.replace("7 6 5", "7 6 0")), "how many its voxels are"),
    "NRRD of negative size": (lambda f: a_nrrd(f, NRRD.replace("7 6 5", "7 6 -5")), "how many its voxels are"),
    "NRRD of words for sizes": (lambda f: a_nrrd(f, NRRD.replace("7 6 5", "7 6 five")), '"five"'),
    "NRRD of unknown type": (lambda f: a_nrrd(f, NRRD.replace("short", "quad")), "of which type"),
    "NRRD of unknown encoding": (lambda f: a_nrrd(f, NRRD.replace("raw", "zip")), "no encoding that is known"),
    "NRRD that skips its voxels": (lambda f: a_nrrd(f, NRRD + "byte skip: 400\n"), "cut off"),
    "NRRD with singular directions": (
        lambda f: a_nrrd(f, NRRD.replace("spacings: 1 1 2", SINGULAR)), "inverted|spacing or directions"),
    "NRRD that claims 10^30 bytes": (lambda f: a_nrrd(f, NRRD.replace("7 6 5", "9999999999 9999999999 9999999999")), "cut off"),
    "MetaImage cut": (lambda f: cut(a_scan(f / "ct.mha", compressed=False), 0.8), "cut off"),
    "MetaImage cut, compressed": (lambda f: cut(a_scan(f / "ct.mha"), 0.8), "cut off or damaged"),
    "MetaImage with flipped bytes": (lambda f: flipped(a_scan(f / "ct.mha", LARGE), -20000), "cut off or damaged"),
    "MetaImage with another checksum": (lambda f: flipped(a_scan(f / "ct.mha"), -4, 4), "cut off or damaged"),
    "MetaImage cut in the header": (lambda f: text(f / "ct.mha", MET), "header is damaged or cut off"),
    "MetaImage of no type": (lambda f: mha(f, MET.replace("MET_SHORT", "MET_NONE")), "of which type"),
    "MetaImage of negative size": (lambda f: mha(f, MET.replace("7 6 5", "7 6 -5")), "how many its voxels are"),
    "MetaImage of another number of sizes": (lambda f: mha(f, MET.replace(*DIMENSIONS)), "how many its voxels are"),
    "MetaImage with spacing 0": (lambda f: mha(f, MET.replace("1 1 2", "1 0 2")), "spacing"),
    "MetaImage with singular directions": (lambda f: mha(f, MET + "TransformMatrix = 1 0 0 1 0 0 0 0 1\n"), "directions"),
    "GIPL cut": (lambda f: cut(a_scan(f / "ct.gipl"), 0.8), "cut off"),
    "VTK cut": (lambda f: cut(a_scan(f / "ct.vtk"), 0.9), "cut off"),
    "MRC cut": (lambda f: cut(a_scan(f / "ct.mrc"), 0.9), "cut off"),
    "TIFF cut": (lambda f: cut(a_scan(f / "ct.tif", compressed=False), 0.6), "cut off or damaged"),
    "HDF5 cut": (lambda f: cut(a_scan(f / "ct.hdf5"), 0.9), "not an image"),
    "MINC cut": (lambda f: cut(a_scan(f / "ct.mnc"), 0.9), "not an image"),
    "20,000 x 2 x 2 voxels": (lambda f: a_scan(f / "ct.nii.gz", np.zeros((2, 2, 20000), np.int16)), "too large.*crop"),
    "100,000 slices": (lambda f: a_scan(f / "ct.nrrd", np.zeros((100_000, 2, 2), np.int16)), "too large.*crop"),
    "colour": (written("ct.nrrd", np.zeros((3, 4, 5, 3), np.uint8), isVector=True), "colour"),
    "complex numbers": (written("ct.nii", np.zeros((3, 4, 5), np.complex64)), "complex|not an image"),
    "4D": (written("ct.nrrd", np.zeros((7, 3, 4, 5), np.float32), isVector=False), "7 volumes .4D"),
    "one slice": (written("ct.nii.gz", np.zeros((1, 40, 50), np.int16)), "one voxel thick"),
    "one voxel in each slice": (written("ct.nii.gz", np.zeros((40, 1, 1), np.int16)), "one voxel thick"),
    "a picture": (written("ct.png", np.zeros((40, 50), np.uint8)), "one voxel thick"),
    "text": (lambda f: text(f / "ct.nii.gz", "not an image"), "not an image"),
    "random bytes": (lambda f: text(f / "ct", "", np.random.default_rng(0).bytes(5000)), "not an image"),
    "nothing": (lambda f: text(f / "ct.nii", ""), "is empty"),
}  # fmt: skip

BY_COMMAND = [
    "NIfTI cut in the voxels",
    "NIfTI cut, compressed",
    "NIfTI with qform against sform",
    "NaN in a .hdr and .img",
    "a gzip file that goes on",
    "NRRD with flipped bytes",
    "MetaImage with flipped bytes",
    "MetaImage cut, compressed",
    "TIFF cut",
    "HDF5 cut",
    "MINC cut",
    "random bytes",
    "20,000 x 2 x 2 voxels",
    "complex numbers",
    "one slice",
]


@pytest.mark.parametrize("case", CASES)
def test_a_bad_volume_is_refused_in_one_line_and_nothing_is_printed(tmp_path, capfd, case):
    make, said = CASES[case]
    check_refused(read_volume, make(tmp_path), said, tmp_path, capfd)


@pytest.mark.parametrize("case", BY_COMMAND)
def test_a_command_says_it_and_writes_nothing(files, tmp_path, capfd, case):
    make, said = CASES[case]
    path = make(tmp_path)
    model = ["--model", files.checkpoint, "--base", files.base, "--device", "cpu"]
    sentence = refused(capfd, tmp_path, "segment", path, tmp_path / "out.nii.gz", *model)
    assert path.name in sentence
    with pytest.raises(InputError, match=said):
        raise InputError(sentence)


def test_a_gzip_bomb_takes_no_memory(files, tmp_path):
    model = ["--model", files.checkpoint, "--base", files.base, "--device", "cpu"]
    said = in_a_process(tmp_path, "segment", bomb(tmp_path), tmp_path / "out.nii.gz", *model, memory_bytes=4 << 30)
    assert "too large" in said
