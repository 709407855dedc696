"""DICOM segmentations point to the series that was segmented, and what a series lacks is said before the work."""

import importlib.metadata
import shutil
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
from made_labelmaps import a_labelmap, a_matrix
from written_series import strip_slices

from SAMedCore import __version__
from SAMedCore.errors import InputError
from SAMedCore.files.read import read_labelmap, read_volume
from SAMedCore.files.write import check_labelmap_output, write_labelmap
from SAMedCore.image.grid import same_grid
from SAMedCore.image.labels import SYNAPSE_ORGANS
from SAMedCore.image.orientation import reorient
from SAMedCore.image.volume import LabelMap


def test_a_dicom_segmentation_survives_write_and_read(tmp_path, series):
    ct = read_volume(series)
    voxels = np.zeros(ct.voxels.shape, np.uint8)
    voxels[1:3, 4:20, 3:17], voxels[3:5, 22:25, 5:15] = 2, 7
    labelmap = reorient(LabelMap(voxels, ct.ijk_to_lps, SYNAPSE_ORGANS), "SAR")
    write_labelmap(labelmap, tmp_path / "seg.dcm", source=series)
    again = read_labelmap(tmp_path / "seg.dcm")
    assert same_grid(again.grid, ct.grid)
    assert np.array_equal(again.voxels, voxels)
    assert again.labels == SYNAPSE_ORGANS.subset(["right kidney", "aorta"])


def test_a_dicom_segmentation_points_to_the_patient_and_the_slices(tmp_path, series):
    ct = read_volume(series)
    labelmap = LabelMap(np.full(ct.voxels.shape, 5, np.uint8), ct.ijk_to_lps, SYNAPSE_ORGANS)
    write_labelmap(labelmap, tmp_path / "seg.dcm", source=series)
    dataset = pydicom.dcmread(tmp_path / "seg.dcm")
    slice_ = pydicom.dcmread(next(series.iterdir()))
    assert dataset.PatientID == "42"
    assert dataset.StudyInstanceUID == slice_.StudyInstanceUID
    assert dataset.FrameOfReferenceUID == slice_.FrameOfReferenceUID
    assert len(dataset.ReferencedSeriesSequence[0].ReferencedInstanceSequence) == 6
    assert dataset.SegmentSequence[0].SegmentedPropertyTypeCodeSequence[0].CodeValue == "10200004"


def test_a_dicom_segmentation_needs_the_dicom_series(tmp_path):
    with pytest.raises(InputError, match=r"x\.dcm.*DICOM series.*\.seg\.nrrd"):
        write_labelmap(a_labelmap(a_matrix()), tmp_path / "x.dcm", source=tmp_path / "ct.nii.gz")


def test_a_dicom_segmentation_of_another_series_is_refused(tmp_path, series):
    with pytest.raises(InputError, match="not the series that was segmented"):
        write_labelmap(a_labelmap(np.eye(4)), tmp_path / "x.dcm", source=series)
    assert not list(tmp_path.iterdir())


NEEDED_TO_BE_AN_IMAGE = {"PixelData", "Rows", "Columns", "BitsAllocated", "SamplesPerPixel", "PhotometricInterpretation"}
NEEDED_TO_BE_IN_HU = {"RescaleSlope", "RescaleIntercept"}


def write_seg(path: Path, series: Path, **facts) -> pydicom.Dataset:
    """A DICOM SEG with all voxels in two organs, as pydicom reads it."""
    grid = read_volume(series)
    voxels = np.full(grid.voxels.shape, 5, np.uint8)
    voxels[0] = 1
    write_labelmap(LabelMap(voxels, grid.ijk_to_lps, SYNAPSE_ORGANS, **facts), path, source=series)
    return pydicom.dcmread(path)


def test_a_dicom_segmentation_is_written_where_the_package_is_found_and_not_installed(tmp_path, plain_series, monkeypatch):
    def from_name(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata.Distribution, "from_name", from_name)
    dataset = write_seg(tmp_path / "seg.dcm", plain_series)
    assert dataset.SoftwareVersions == __version__
    assert dataset.SegmentSequence[0].SegmentationAlgorithmIdentificationSequence[0].AlgorithmVersion == __version__


@pytest.mark.parametrize(("facts", "algorithm"), [({}, "AUTOMATIC"), ({"person_drew": True}, "SEMIAUTOMATIC")])
def test_a_dicom_segmentation_says_what_it_is_and_whether_a_person_drew_part_of_it(tmp_path, plain_series, facts, algorithm):
    dataset = write_seg(tmp_path / "seg.dcm", plain_series, **facts)
    assert dataset.SeriesDescription == "SAMed segmentation"
    assert [segment.SegmentAlgorithmType for segment in dataset.SegmentSequence] == [algorithm] * 2
    assert highdicom.seg.segread(tmp_path / "seg.dcm").get_segment_description(2).algorithm_type.value == algorithm
    assert read_labelmap(tmp_path / "seg.dcm").person_drew is bool(facts)


LACKING = {
    "several": (["StudyID", "PatientSex", "StudyInstanceUID"], slice(None), False),
    "the images' own": (["SOPInstanceUID"], slice(None), False),
    "in one slice": (["StudyInstanceUID"], slice(1, 2), False),
    "a length": (["SliceThickness"], slice(None), False),
    "an empty length": (["SliceThickness"], slice(None), True),
    "empty ones": (["StudyInstanceUID", "SeriesInstanceUID"], slice(None), True),
}


@pytest.mark.parametrize("case", LACKING)
def test_all_that_a_series_lacks_for_dicom_is_named_before_the_work(tmp_path, plain_series, case):
    strip_slices(plain_series, *LACKING[case])
    with pytest.raises(InputError, match=r"series.*choose \.seg\.nrrd") as refusal:
        check_labelmap_output(tmp_path / "x.dcm", source=plain_series)
    assert all(keyword in str(refusal.value) for keyword in LACKING[case][0])
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("empty", [False, True], ids=["missing", "empty"])
def test_a_series_that_passes_the_check_makes_a_dicom_segmentation_that_can_be_read(tmp_path, plain_series, empty):
    refused = set()
    for keyword in set(pydicom.dcmread(plain_series / "000.dcm").dir()) - NEEDED_TO_BE_AN_IMAGE - NEEDED_TO_BE_IN_HU:
        series = Path(shutil.copytree(plain_series, tmp_path / keyword))
        strip_slices(series, [keyword], empty=empty)
        try:
            check_labelmap_output(tmp_path / "x.dcm", source=series)
        except InputError:
            refused.add(keyword)
        else:
            write_seg(tmp_path / f"{keyword}.dcm", series)
            read_labelmap(tmp_path / f"{keyword}.dcm")
    assert {"StudyInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID", "SliceThickness"} <= refused
    assert len(refused) < 20
