"""Bad label maps, as a table: refused in one line, by the reader or by the command that was to use them."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from bad_scans import a_scan, check_refused, cut, flipped, patched, segments, written, zeros
from cli_files import Files
from made_labelmaps import a_matrix
from refused import refused
from written_series import write_series

from SAMedCore.cli import main
from SAMedCore.errors import InputError
from SAMedCore.files.read import read_labelmap, read_volume
from SAMedCore.files.write import write_labelmap, write_volume
from SAMedCore.image.labels import MOST_LABELS, SYNAPSE_ORGANS, LabelTable
from SAMedCore.image.volume import LabelMap

ONES = np.ones((5, 6, 7), np.uint8)


def values(dtype, *some) -> np.ndarray:
    """A label map of zeros and these."""
    array = np.zeros((5, 6, 7), dtype)
    array.ravel()[: len(some)] = some
    return array


def of_values(count: int) -> np.ndarray:
    return np.arange(count, dtype=np.uint16).reshape(-1, 10, 10)


def layers(*parts: np.ndarray) -> np.ndarray:
    return np.stack(parts)


def many_segments(folder: Path) -> Path:
    path = segments(folder / "one.seg.nrrd")
    numbers = range(1, MOST_LABELS + 9)
    extra = "".join(f"Segment{k}_ID:=S{k}\nSegment{k}_LabelValue:={k + 1}\nSegment{k}_Layer:=0\n" for k in numbers)
    path.write_bytes(path.read_bytes().replace(b"Segment0_ID:=", extra.encode() + b"Segment0_ID:=", 1))
    return path


def dicom_image(folder: Path) -> Path:
    """Said to be a segmentation, and no more."""
    write_series(folder / "series", np.zeros((1, 10, 14), np.int16), modality="SEG")
    (folder / "series" / "000.dcm").rename(folder / "seg.dcm")
    (folder / "series").rmdir()
    return folder / "seg.dcm"


def dicom_seg(folder: Path) -> Path:
    series = write_series(folder / "series", np.zeros((4, 10, 14), np.int16))
    voxels = np.zeros((4, 10, 14), np.uint8)
    voxels[1:3, 2:5, 3:9] = 5
    write_labelmap(LabelMap(voxels, read_volume(series).ijk_to_lps, SYNAPSE_ORGANS), folder / "seg.dcm", series)
    return folder / "seg.dcm"


def saying(path: Path, **facts: object) -> Path:
    """A DICOM file that says something else."""
    dataset = pydicom.dcmread(path)
    for name, fact in facts.items():
        setattr(dataset, name, fact)
    dataset.save_as(path)
    return path


def overlapping(folder: Path) -> Path:
    path = segments(folder / "one.seg.nrrd", layers(ONES, ONES))
    extra = b"Segment1_ID:=S1\nSegment1_Name:=other\nSegment1_LabelValue:=1\nSegment1_Layer:=1\nSegment0_ID:="
    path.write_bytes(path.read_bytes().replace(b"Segment0_ID:=", extra, 1))
    return path


def bomb(folder: Path) -> Path:
    header = patched(a_scan(folder / "header.nii", ONES), dim=(3, 2048, 2048, 2400, 1, 1, 1, 1)).read_bytes()[:352]
    (folder / "header.nii").unlink()
    return zeros(folder / "labels.nii.gz", header, 9600)


SEG = "one.seg.nrrd"
INTEGERS = "0 to 65535"

CASES = {
    "missing": (lambda f: f / "labels.nii.gz", "does not exist"),
    "a folder": (lambda f: f, "is a folder"),
    "cut": (lambda f: cut(a_scan(f / "labels.nii", ONES), 0.8), "cut off"),
    "cut, compressed": (lambda f: cut(a_scan(f / "labels.nii.gz", ONES), 0.8), "cut off|not an image"),
    "flipped bytes": (lambda f: flipped(a_scan(f / "labels.nrrd", ONES), -8, 4), "cut off or damaged"),
    "a gzip bomb": (bomb, "too large"),
    "negative": (lambda f: a_scan(f / "labels.nii.gz", values(np.int16, 1, -1)), f"-1 to 1.*{INTEGERS}"),
    "above 65535": (lambda f: a_scan(f / "labels.nii.gz", values(np.int32, 70000)), INTEGERS),
    "halves": (lambda f: a_scan(f / "labels.nii.gz", values(np.float32, 0.5)), INTEGERS),
    "NaN": (lambda f: a_scan(f / "labels.nrrd", values(np.float32, np.nan)), INTEGERS),
    "NaN in a NIfTI": (lambda f: a_scan(f / "labels.nii.gz", values(np.float32, np.nan)), "NaN or infinite"),
    "infinity": (lambda f: a_scan(f / "labels.mha", values(np.float64, np.inf)), INTEGERS),
    "a CT": (lambda f: a_scan(f / "ct.nii.gz"), INTEGERS),
    "colour": (written("labels.nrrd", np.zeros((3, 4, 5, 3), np.uint8), isVector=True), "colour or vector"),
    "4D": (written("labels.nrrd", np.zeros((7, 3, 4, 5), np.uint8), isVector=False), "7 volumes .4D"),
    "complex": (written("labels.nii", np.zeros((3, 4, 5), np.complex64)), "complex|not an image"),
    "10,000 labels": (lambda f: a_scan(f / "labels.nrrd", of_values(10_000)), "9999 labels, more than 2000"),
    "65,000 labels": (lambda f: a_scan(f / "labels.nii.gz", of_values(65_000)), "64999 labels, more than 2000"),
    "too many segments": (many_segments, "more than 2000 segments"),
    "a colour of nan": (lambda f: segments(f / SEG, Color="nan 0 0"), "Segment0_LabelValue, Layer or Color is damaged"),
    "a colour of inf": (lambda f: segments(f / SEG, Color="0 inf 0"), "Layer or Color is damaged"),
    "a colour of words": (lambda f: segments(f / SEG, Color="light red now"), "Layer or Color is damaged"),
    "a layer that is not there": (lambda f: segments(f / SEG, layers(ONES, ONES), Layer=7), "names the layer 7 of 2"),
    "a layer below 0": (lambda f: segments(f / SEG, Layer=-1), "names the layer -1 of 1"),
    "a layer of words": (lambda f: segments(f / SEG, Layer="top"), "Layer or Color is damaged"),
    "a value of words": (lambda f: segments(f / SEG, LabelValue="one"), "LabelValue, Layer or Color is damaged"),
    "a value of 0": (lambda f: segments(f / SEG, LabelValue=0), "value 0.*1 to 65535"),
    "a value above 65535": (lambda f: segments(f / SEG, LabelValue=70000), "1 to 65535"),
    "a value of 5000 digits": (lambda f: segments(f / SEG, LabelValue="9" * 5000), "is damaged"),
    "segments that overlap": (overlapping, 'segments "part" and "other" overlap|segments "other" and "part" overlap'),
    "a DICOM image that is called SEG": (dicom_image, "cannot be read as one label map"),
    "a DICOM SEG that claims a billion frames": (
        lambda f: saying(dicom_seg(f), NumberOfFrames=10**9),
        "claims more than any scan has .14 x 10 x 1000000000 pixels",
    ),
    "a DICOM SEG of fewer frames than it says": (lambda f: saying(dicom_seg(f), NumberOfFrames=4000), "bytes of pixels where"),
    "a DICOM SEG that is cut": (lambda f: cut(dicom_seg(f), 0.99), "bytes of pixels|not an image"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_bad_label_map_is_refused_in_one_line_and_nothing_is_printed(tmp_path, capfd, case):
    make, said = CASES[case]
    check_refused(read_labelmap, make(tmp_path), said, tmp_path, capfd)


@pytest.mark.parametrize(
    "case",
    ["cut", "negative", "halves", "10,000 labels", "a colour of nan", "a layer that is not there", "a DICOM SEG that is cut"],
)
def test_completing_from_it_is_refused(files, tmp_path, capfd, case):
    make, said = CASES[case]
    options = ["--base", files.base, "--annotated-slices", "0:4:3", "--device", "cpu"]
    sentence = refused(capfd, tmp_path, "complete", files.ct, make(tmp_path), tmp_path / "out.nii.gz", *options)
    with pytest.raises(InputError, match=said):
        raise InputError(sentence)


def in_folders(folder: Path, prediction: LabelMap | None, name: str = "one.nii.gz") -> list:
    """The arguments of an evaluation of this prediction."""
    (folder / "predictions").mkdir()
    if prediction is not None:
        write_labelmap(prediction, folder / "predictions" / name)
    return ["evaluate", "--predictions", folder / "predictions"]


def labelmap_of(files: Files, change=lambda matrix: matrix, voxels: np.ndarray | None = None) -> LabelMap:
    """The label map of the CT, changed."""
    labels = read_labelmap(files.labels)
    return LabelMap(labels.voxels if voxels is None else voxels, change(labels.ijk_to_lps.copy()), SYNAPSE_ORGANS)


def moved(millimetres: float):
    def change(matrix: np.ndarray) -> np.ndarray:
        matrix[:3, 3] += millimetres
        return matrix

    return change


EVALUATED = {
    "half a voxel beside": (lambda files: labelmap_of(files, moved(1.5)), "one.nii.gz", "different grids"),
    "a kilometre away": (lambda files: labelmap_of(files, moved(3e6)), "one.nii.gz", "different grids"),
    "voxels of another size": (
        lambda files: labelmap_of(files, lambda matrix: matrix @ np.diag([1, 1, 2, 1])), "one.nii.gz", "different grids"),
    "a case that nobody knows": (labelmap_of, "two.nii.gz", "no partner"),
    "no label map": (lambda files: None, "one.nii.gz", "holds no label maps"),
}  # fmt: skip


@pytest.mark.parametrize("case", EVALUATED)
def test_evaluating_it_is_refused(files, tmp_path, capfd, case):
    make, name, said = EVALUATED[case]
    arguments = in_folders(tmp_path, make(files), name)
    sentence = refused(capfd, tmp_path, *arguments, "--references", files.folder / "labels")
    with pytest.raises(InputError, match=said):
        raise InputError(sentence)


TRAINED = {
    "on another grid": (lambda files: labelmap_of(files, lambda matrix: matrix @ np.diag([1, 1, 2, 1])), "coincide|grid"),
    "beside its voxels": (lambda files: labelmap_of(files, moved(1.1)), "coincide|grid"),
}  # fmt: skip


@pytest.mark.parametrize("case", TRAINED)
def test_training_on_it_is_refused(files, tmp_path, capfd, case):
    make, said = TRAINED[case]
    labels = make(files)
    write_labelmap(labels, tmp_path / "labels.nrrd")
    (tmp_path / "pairs.csv").write_text(f"image,labels\n{files.ct},labels.nrrd\n")
    options = ["--base", files.base, "--device", "cpu", "--out", tmp_path / "new"]
    sentence = refused(capfd, tmp_path, "finetune", "--pairs", tmp_path / "pairs.csv", *options)
    with pytest.raises(InputError, match=said):
        raise InputError(sentence)


def test_training_on_empty_label_maps_is_refused_once_they_are_read(files, tmp_path, capfd):
    write_labelmap(labelmap_of(files, voxels=np.zeros((4, 101, 122), np.uint8)), tmp_path / "labels.nrrd")
    (tmp_path / "pairs.csv").write_text(f"image,labels\n{files.ct},labels.nrrd\n")
    options = ["--base", files.base, "--device", "cpu", "--out", tmp_path / "new"]
    assert main([str(each) for each in ("finetune", "--pairs", tmp_path / "pairs.csv", *options)]) == 2
    assert capfd.readouterr().err.endswith("samed: the label maps are empty (all 0): annotate at least one slice.\n")
    assert not (tmp_path / "new").exists()


def test_as_many_labels_as_are_allowed_are_read_at_once(tmp_path):
    array = of_values(MOST_LABELS + 100)
    array[array > MOST_LABELS] = 0
    assert len(read_labelmap(a_scan(tmp_path / "labels.nrrd", array)).labels) == MOST_LABELS


def test_a_table_of_too_many_labels_is_refused():
    with pytest.raises(InputError, match="more than 2000"):
        LabelTable.generic(range(1, MOST_LABELS + 2))


def test_a_label_map_saved_as_scaled_integers_is_read(tmp_path):
    """nibabel scales what it saves as integers, with a slope of 1 or another one."""
    path = patched(a_scan(tmp_path / "labels.nii.gz", values(np.int16, 1, 2, 3)), scl=(2, 0))
    assert read_labelmap(path).labels.values == (2, 4, 6)


def test_empty_label_maps_have_no_labels(tmp_path):
    write_volume(np.zeros((3, 4, 5), np.uint8), a_matrix(), tmp_path / "labels.nii.gz")
    assert read_labelmap(tmp_path / "labels.nii.gz").labels.names == ()
