"""Scans that are no files, or whose voxels are said to be elsewhere: refused before anything opens them."""

import os
from pathlib import Path

import numpy as np
import pytest
from bad_scans import (
    BYTES,
    MET,
    NRRD,
    a_scan,
    check_refused,
    cut,
    detached,
    flipped,
    link,
    listening,
    pipe,
    raw,
    segments,
    text,
    voxels,
)
from refused import in_a_process, refused

from SAMedCore.errors import InputError
from SAMedCore.files.read import read_labelmap, read_volume

pytestmark = pytest.mark.skipif(os.name == "nt", reason="pipes, devices and names of bytes")

ELSEWHERE = "which is not in its own folder"
UNSAFE = "by a pattern that is unsafe to follow"


def beside(folder: Path, name: str, named: str, header: str | None = None) -> Path:
    """A header beside whole voxels, `ct.raw`, which names other ones."""
    raw(folder / "ct.raw")
    return detached(folder / name, named, header)


def in_a_folder(folder: Path, name: str, named: str) -> Path:
    """A header in a folder of its own, with the voxels above it."""
    (folder / "scan").mkdir()
    raw(folder / "ct.raw")
    return detached(folder / "scan" / name, named)


def percent(folder: Path) -> Path:
    """A plain pattern in a folder that is none."""
    (folder / "100%s").mkdir()
    return beside(folder / "100%s", "ct.mhd", "ct%d.raw 1 5 1")


def cut_beside(folder: Path, name: str) -> Path:
    path = a_scan(folder / name, compressed=False)
    cut(folder / "ct.raw", 0.8)
    return path


def damaged_beside(folder: Path, name: str, voxels_name: str) -> Path:
    path = a_scan(folder / name, voxels(shape=(40, 50, 60)))
    flipped(folder / voxels_name, -20000)
    return path


def without(folder: Path, name: str, voxels_name: str) -> Path:
    path = a_scan(folder / name, compressed=False)
    (folder / voxels_name).unlink()
    return path


def piped(folder: Path, name: str) -> Path:
    pipe(folder / "pipe.raw")
    return detached(folder / name, "pipe.raw")


def piped_pair(folder: Path) -> Path:
    path = a_scan(folder / "ct.hdr")
    (folder / "ct.img").unlink()
    pipe(folder / "ct.img")
    return path


def linked_pair(folder: Path) -> Path:
    path = a_scan(folder / "ct.hdr")
    (folder / "ct.img").unlink()
    link(folder / "ct.img", "/dev/zero")
    return path


def loop(folder: Path) -> Path:
    link(folder / "other.nii", "ct.nii")
    return link(folder / "ct.nii", "other.nii")


CASES = {
    "a pipe": (lambda f: pipe(f / "ct.nii.gz"), "is no file"),
    "a pipe as the authors' slice": (lambda f: pipe(f / "case0001_slice000.npz"), "is no file"),
    "a pipe as the authors' volume": (lambda f: pipe(f / "case0001.npy.h5"), "is no file"),
    "a pipe as DICOM": (lambda f: pipe(f / "ct.dcm"), "is no file"),
    "a socket": (lambda f: listening(f / "ct.nii"), "is no file"),
    "a device": (lambda f: link(f / "ct.nii", "/dev/zero"), "is no file"),
    "a device by its own name": (lambda f: Path("/dev/zero"), "is no file"),
    "a loop of links": (loop, "cannot be read .Too many levels"),
    "a link to nothing": (lambda f: link(f / "ct.nii", "none.nii"), "does not exist"),
    "a name too long": (lambda f: f / ("x" * 300 + ".nii.gz"), "cannot be read .File name too long"),
    "a file in a file": (lambda f: text(f / "file", "x") / "ct.nii", "does not exist"),
    "a name with a zero byte": (lambda f: f / "c\0t.nii", "cannot be read"),
    "a MetaImage with %n": (lambda f: beside(f, "ct.mhd", "%n%n%n"), UNSAFE),
    "a MetaImage with %s": (lambda f: beside(f, "ct.mhd", "%s%s%s%s 1 5 1"), UNSAFE),
    "a MetaImage with %d twice": (lambda f: beside(f, "ct.mhd", "ct%d%d.raw 1 5 1"), UNSAFE),
    "a MetaImage with a wide %d": (lambda f: beside(f, "ct.mhd", "ct%999999999d.raw 1 5 1"), UNSAFE),
    "a MetaImage with an endless pattern": (lambda f: beside(f, "ct.mhd", "ct%d.raw 1 999999999 1"), "more than 100000 files"),
    "a MetaImage with a pattern of step 0": (lambda f: beside(f, "ct.mhd", "ct%d.raw 1 5 0"), UNSAFE),
    "a pattern in a folder with %s": (percent, UNSAFE),
    "a NRRD with %n": (lambda f: beside(f, "ct.nhdr", "%d%n%n%s%s 0 2 1"), UNSAFE),
    "a NRRD with %s": (lambda f: beside(f, "ct.nhdr", "%s 0 2 1"), UNSAFE),
    "a MetaImage above its folder": (lambda f: in_a_folder(f, "ct.mhd", "../ct.raw"), ELSEWHERE),
    "a NRRD above its folder": (lambda f: in_a_folder(f, "ct.nhdr", "../ct.raw"), ELSEWHERE),
    "a MetaImage in and out again": (lambda f: in_a_folder(f, "ct.mhd", "../scan/../ct.raw"), ELSEWHERE),
    "a MetaImage of passwords": (lambda f: beside(f, "ct.mhd", "/etc/passwd"), ELSEWHERE),
    "a NRRD of passwords": (lambda f: beside(f, "ct.nhdr", "/etc/passwd"), ELSEWHERE),
    "a MetaImage of a device": (lambda f: beside(f, "ct.mhd", "/dev/zero"), ELSEWHERE),
    "a list that leads above": (lambda f: beside(f, "ct.mhd", "LIST\nct.raw\n../ct.raw"), ELSEWHERE),
    "a NRRD's list that leads above": (lambda f: beside(f, "ct.nhdr", "LIST 2\nct.raw\n/etc/passwd"), ELSEWHERE),
    "a list by another name": (lambda f: beside(f, "ct.mhd", "LISTED.raw\n/etc/passwd\n/etc/passwd"), ELSEWHERE),
    "a NRRD's list by another name": (lambda f: beside(f, "ct.nhdr", "LISTED.raw 2\n/etc/passwd"), ELSEWHERE),
    "a list of nothing": (lambda f: beside(f, "ct.mhd", "LIST"), "names no file"),
    "a header with colons": (lambda f: beside(f, "ct.mhd", "x", MET.replace("=", ":") + "ElementDataFile : ../x\n"), ELSEWHERE),
    "a second name that MetaIO alone would see": (
        lambda f: beside(f, "ct.mhd", "ct.raw\nElementDataFile = /etc/passwd", MET + "junk\n"), ELSEWHERE),
    "a second name that teem alone would see": (
        lambda f: text(f / "ct.nrrd", NRRD + "# x\rdata file: /etc/passwd\n\n", bytes(BYTES)), ELSEWHERE),
    "a name in capitals": (lambda f: beside(f, "ct.nhdr", "x", NRRD + "DATA FILE: ../x\n\n"), ELSEWHERE),
    "a header without name": (lambda f: beside(f, "ct.mhd", ""), "names no file"),
    "a MetaImage that names itself": (lambda f: beside(f, "ct.mhd", "ct.mhd"), "cut off"),
    "voxels that are missing, of a MetaImage": (lambda f: beside(f, "ct.mhd", "none.raw"), "none.raw.*does not exist"),
    "voxels that are missing, of a NRRD": (lambda f: beside(f, "ct.nhdr", "none.raw"), "none.raw.*does not exist"),
    "voxels that are missing, of a .hdr": (lambda f: without(f, "ct.hdr", "ct.img"), "ct.img.*does not exist|not an image"),
    "voxels in a pipe, of a MetaImage": (lambda f: piped(f, "ct.mhd"), "pipe.raw.*is no file"),
    "voxels in a pipe, of a NRRD": (lambda f: piped(f, "ct.nhdr"), "pipe.raw.*is no file"),
    "voxels in a pipe, of a .hdr": (piped_pair, "ct.img.*is no file"),
    "voxels of a device, of a .hdr": (linked_pair, "ct.img.*is no file"),
    "voxels that are cut, of a MetaImage": (lambda f: cut_beside(f, "ct.mhd"), "cut off"),
    "voxels that are cut, of a NRRD": (lambda f: cut_beside(f, "ct.nhdr"), "cut off"),
    "damaged voxels of a MetaImage": (lambda f: damaged_beside(f, "ct.mhd", "ct.zraw"), "cut off or damaged"),
    "damaged voxels of a NRRD": (lambda f: damaged_beside(f, "ct.nhdr", "ct.raw.gz"), "cut off or damaged"),
    "voxels that begin beyond the end": (lambda f: beside(f, "ct.mhd", "ct.raw", MET + "HeaderSize = 400\n"), "20 are there"),
    "compressed voxels in several files": (
        lambda f: beside(f, "ct.mhd", "LIST\nct.raw\nct.raw", MET + "CompressedData = True\n"), "in several files"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("read", [read_volume, read_labelmap])
def test_what_is_elsewhere_or_no_file_is_refused_in_one_line(tmp_path, capfd, case, read):
    make, said = CASES[case]
    check_refused(read, make(tmp_path), said, tmp_path, capfd)


@pytest.mark.parametrize("case", ["a pipe", "a device", "a MetaImage with %n", "a NRRD of passwords"])
def test_segmenting_it_is_refused(files, tmp_path, capfd, case):
    make, said = CASES[case]
    model = ["--model", files.checkpoint, "--base", files.base, "--device", "cpu"]
    assert said in refused(capfd, tmp_path, "segment", make(tmp_path), tmp_path / "out.nii.gz", *model)


def test_a_case_of_slices_with_an_endless_number_is_refused_at_once(tmp_path):
    np.savez(tmp_path / "case0001_slice999999999999.npz", image=np.zeros((2, 2), np.float32))
    with pytest.raises(InputError, match=r"case0001_slice000\.npz is not in"):
        read_volume(tmp_path / "case0001_slice999999999999.npz")


def test_a_pipe_among_the_slices_of_a_series_is_refused(plain_series):
    pipe(plain_series / "a slice")
    with pytest.raises(InputError, match=r"a slice.*is no file"):
        read_volume(plain_series)


def test_a_name_that_is_no_utf8_is_refused_and_shown(files, tmp_path):
    name = os.fsencode(tmp_path) + b"/ct\xff\xfe.nii.gz"
    Path(os.fsdecode(name)).write_bytes(files.ct.read_bytes())
    model = ["--model", files.checkpoint, "--base", files.base, "--device", "cpu"]
    said = in_a_process(tmp_path, "segment", os.fsdecode(name), tmp_path / "out.nii.gz", *model)
    assert said.endswith('ct\\xff\\xfe.nii.gz" has a name that is no UTF-8: rename it.')


def test_a_slice_whose_name_is_no_utf8_is_refused(plain_series):
    (plain_series / "000.dcm").rename(os.fsdecode(os.fsencode(plain_series) + b"/\xff.dcm"))
    with pytest.raises(InputError, match=r"xff\.dcm.*no UTF-8"):
        read_volume(plain_series)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("closed", ["ct.nii.gz", "."])
def test_what_may_not_be_read_is_refused(tmp_path, closed):
    folder = tmp_path / "closed"
    folder.mkdir()
    a_scan(folder / "ct.nii.gz")
    (folder / closed).chmod(0)
    try:
        with pytest.raises(InputError, match=r"cannot be read .*Permission denied"):
            read_volume(folder / "ct.nii.gz")
    finally:
        (folder / closed).chmod(0o700)


@pytest.mark.parametrize(
    ("name", "named"), [("ct.mhd", "s%d.raw 1 5 1"), ("ct.nhdr", "s%d.raw 1 5 1 2"), ("ct.mhd", "s%03d.raw 1 5 1"),
                        ("ct.mhd", "LIST\ns1.raw\ns2.raw\ns3.raw\ns4.raw\ns5.raw")]
)  # fmt: skip
def test_a_plain_pattern_and_a_list_are_read(tmp_path, name, named):
    for number, plane in enumerate(voxels(), start=1):
        file = named.split()[0].replace("LIST", "s%d.raw") % number
        (tmp_path / file).write_bytes(plane.astype("<i2").tobytes())
    assert np.array_equal(read_volume(detached(tmp_path / name, named)).voxels, voxels())


@pytest.mark.parametrize("name", ["ct.mhd", "ct.nhdr"])
def test_voxels_below_the_headers_folder_are_read(tmp_path, name):
    (tmp_path / "voxels").mkdir()
    raw(tmp_path / "voxels" / "a scan.raw")
    assert np.array_equal(read_volume(detached(tmp_path / name, "voxels/a scan.raw")).voxels, voxels())


def test_the_header_of_a_segmentation_is_looked_at_as_well(tmp_path):
    path = segments(tmp_path / "one.seg.nrrd")
    content = path.read_bytes()
    path.write_bytes(content.replace(b"encoding: gzip", b"encoding: gzip\ndata file: /etc/passwd"))
    with pytest.raises(InputError, match=ELSEWHERE):
        read_labelmap(path)


def test_the_constants_of_these_cases_are_true(tmp_path):
    assert raw(tmp_path / "ct.raw").stat().st_size == BYTES
    assert np.array_equal(read_volume(beside(tmp_path, "ct.mhd", "ct.raw", MET)).voxels, voxels())
    assert np.array_equal(read_volume(beside(tmp_path, "ct.nhdr", "ct.raw", NRRD)).voxels, voxels())
