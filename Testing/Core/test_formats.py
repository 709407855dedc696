"""Files: geometry, values and names survive; what cannot be used is refused by name; nothing half-written is left."""

import importlib.metadata
import shutil
from pathlib import Path

import highdicom
import nrrd
import numpy as np
import pydicom
import pytest
import SimpleITK
from scipy.spatial.transform import Rotation
from written_series import strip_slices, write_series

from SAMedCore import __version__
from SAMedCore.errors import InputError, SAMedError
from SAMedCore.files.read import read_labelmap, read_volume
from SAMedCore.files.write import check_labelmap_output, check_volume_output, write_labelmap, write_or_keep, write_volume
from SAMedCore.image.grid import same_grid
from SAMedCore.image.labels import SYNAPSE_ORGANS, Label, LabelTable
from SAMedCore.image.orientation import reorient
from SAMedCore.image.volume import LabelMap

ENDINGS = [".seg.nrrd", ".nii.gz", ".nii", ".nrrd", ".mha"]
OBLIQUE = Rotation.from_euler("xyz", (12, -7, 30), degrees=True).as_matrix()


def a_matrix(directions=OBLIQUE, spacing_mm=(0.7, 0.8, 2.5), origin_mm=(-123.456, 98.765, -1000.123)) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = directions * spacing_mm
    matrix[:3, 3] = origin_mm
    return matrix


def a_labelmap(matrix, shape=(6, 30, 41), values=9, dtype=np.uint8) -> LabelMap:
    voxels = np.random.default_rng(0).integers(0, values, shape).astype(dtype)
    return LabelMap(voxels, matrix, SYNAPSE_ORGANS)


@pytest.fixture
def sheared() -> LabelMap:
    """On the grid of a tilted gantry."""
    return a_labelmap(a_matrix() @ np.array([[1, 0, 0, 0], [0, 1, 0.4, 0], [0, 0, 1, 0], [0, 0, 0, 1]]))


@pytest.fixture(scope="module")
def stored_slices() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 2000, (6, 30, 41))


@pytest.fixture(scope="module")
def series(tmp_path_factory, stored_slices) -> Path:
    step_mm = OBLIQUE[:, 2] * 2.5
    return write_series(tmp_path_factory.mktemp("dicom") / "series", stored_slices, step_mm, OBLIQUE)


# Geometry, values and names


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("code", ["LPS", "RAS", "SAR", "PIL"])
def test_a_label_map_survives_write_and_read(tmp_path, ending, code):
    labelmap = reorient(a_labelmap(a_matrix()), code)
    write_labelmap(labelmap, tmp_path / f"case{ending}")
    again = read_labelmap(tmp_path / f"case{ending}", SYNAPSE_ORGANS)
    assert np.array_equal(again.voxels, labelmap.voxels)
    assert again.voxels.dtype == labelmap.voxels.dtype
    assert np.abs(again.ijk_to_lps - labelmap.ijk_to_lps).max() < 1e-4
    assert same_grid(again.grid, labelmap.grid)
    assert again.labels == SYNAPSE_ORGANS


@pytest.mark.parametrize("ending", [".nii.gz", ".nrrd", ".mha"])
@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_a_volume_survives_write_and_read(tmp_path, ending, dtype):
    voxels = np.random.default_rng(0).integers(-1024, 2000, (4, 5, 6)).astype(dtype)
    write_volume(voxels, a_matrix(), tmp_path / f"ct{ending}")
    volume = read_volume(tmp_path / f"ct{ending}")
    assert np.array_equal(volume.voxels, voxels)
    assert np.abs(volume.ijk_to_lps - a_matrix()).max() < 1e-4


@pytest.mark.parametrize("ending", [".seg.nrrd", ".nrrd", ".mha"])
def test_a_tilted_gantry_survives_where_the_format_can_say_it(tmp_path, sheared, ending):
    write_labelmap(sheared, tmp_path / f"tilted{ending}")
    assert same_grid(read_labelmap(tmp_path / f"tilted{ending}").grid, sheared.grid)


def test_a_tilted_gantry_is_refused_where_the_format_would_straighten_it(tmp_path, sheared):
    with pytest.raises(InputError, match=r"tilted\.nii\.gz.*sheared"):
        write_labelmap(sheared, tmp_path / "tilted.nii.gz")
    assert not list(tmp_path.iterdir())


def test_what_a_format_cannot_say_is_kept_beside_it_after_the_work(tmp_path, sheared):
    for kept in ("tilted.seg.nrrd", "tilted2.seg.nrrd"):
        with pytest.raises(InputError, match=rf"sheared.*not lost.*{kept}"):
            write_or_keep(sheared, tmp_path / "tilted.nii.gz")
        assert np.array_equal(read_labelmap(tmp_path / kept).voxels, sheared.voxels)
    assert len(list(tmp_path.iterdir())) == 2


def test_where_nothing_can_be_kept_the_first_failure_is_said(tmp_path):
    with pytest.raises(InputError, match=r"out\.nii\.gz.*does not exist") as refusal:
        write_or_keep(a_labelmap(a_matrix()), tmp_path / "nowhere" / "out.nii.gz")
    assert "not lost" not in str(refusal.value)


def test_values_above_255_survive(tmp_path):
    labelmap = a_labelmap(a_matrix(), values=1000, dtype=np.uint16)
    write_labelmap(labelmap, tmp_path / "many.nii.gz")
    assert np.array_equal(read_labelmap(tmp_path / "many.nii.gz").voxels, labelmap.voxels)


def test_values_without_a_name_get_a_generic_one(tmp_path):
    write_labelmap(a_labelmap(a_matrix(), values=4), tmp_path / "plain.nrrd")
    assert read_labelmap(tmp_path / "plain.nrrd").labels.names == ("label 1", "label 2", "label 3")


def test_label_maps_saved_as_floats_are_read(tmp_path):
    voxels = np.arange(27, dtype=np.float32).reshape(3, 3, 3)
    write_volume(voxels, a_matrix(), tmp_path / "floats.nii.gz")
    labelmap = read_labelmap(tmp_path / "floats.nii.gz")
    assert labelmap.voxels.dtype == np.uint8
    assert np.array_equal(labelmap.voxels, voxels)


@pytest.mark.parametrize(("ending", "shape"), [(".nrrd", (4, 5, 6, 3)), (".nii.gz", (3, 4, 5, 6))])
def test_probabilities_are_a_vector_in_nrrd_and_a_fourth_dimension_in_nifti(tmp_path, ending, shape):
    probabilities = np.random.default_rng(0).random((4, 5, 6, 3), np.float32)
    write_volume(probabilities, a_matrix(), tmp_path / f"p{ending}")
    written = nrrd_or_nifti(tmp_path / f"p{ending}", four_dimensions=ending == ".nii.gz")
    assert written.shape == shape
    assert np.array_equal(written if ending == ".nrrd" else np.moveaxis(written, 0, -1), probabilities)


def nrrd_or_nifti(path: Path, four_dimensions: bool) -> np.ndarray:
    image = SimpleITK.ReadImage(str(path))
    # SimpleITK shows the fourth dimension of NIfTI as such or as a vector, depending on its length.
    array = SimpleITK.GetArrayFromImage(image)
    return np.moveaxis(array, -1, 0) if four_dimensions and image.GetNumberOfComponentsPerPixel() > 1 else array


# Slicer segmentations


@pytest.fixture
def segmentation_file(tmp_path) -> Path:
    voxels = np.zeros((6, 7, 8), np.uint8)
    voxels[1:3, 2:5, 3:7] = 2
    write_labelmap(LabelMap(voxels, a_matrix(), SYNAPSE_ORGANS), tmp_path / "case.seg.nrrd")
    return tmp_path / "case.seg.nrrd"


def test_pynrrd_finds_slicers_header_fields(segmentation_file):
    voxels, header = nrrd.read(str(segmentation_file))
    assert voxels.shape == (8, 7, 6)
    assert header["space"] == "left-posterior-superior"
    assert np.allclose(header["space directions"].T, a_matrix()[:3, :3])
    assert header["Segmentation_MasterRepresentation"] == "Binary labelmap"
    assert header["Segment1_Name"] == "right kidney"
    assert header["Segment1_LabelValue"] == "2"
    assert header["Segment1_Layer"] == "0"
    assert header["Segment1_Extent"] == "3 6 2 4 1 2"
    assert header["Segment0_Extent"] == "0 -1 0 -1 0 -1"
    assert [round(255 * float(channel)) for channel in header["Segment1_Color"].split()] == [185, 102, 83]
    assert header["Segment1_Tags"] == (
        "TerminologyEntry:Segmentation category and type - 3D Slicer General Anatomy list"
        "~SCT^123037004^Anatomical Structure~SCT^64033007^Kidney~SCT^24028007^Right"
        "~Anatomic codes - DICOM master list~^^~^^|"
    )


def test_nothing_but_geometry_and_labels_stands_in_the_header(segmentation_file):
    header = nrrd.read_header(str(segmentation_file))
    ours = {key for key in header if key.startswith("Segment")}
    assert set(header) - ours == {
        "type", "dimension", "space", "sizes", "space directions", "kinds", "encoding", "space origin"
    }  # fmt: skip


def test_labels_without_a_code_survive(tmp_path):
    labels = LabelTable((Label(7, "a | lesion ~", (1, 2, 3)),))
    write_labelmap(LabelMap(np.full((2, 3, 4), 7, np.uint8), np.eye(4), labels), tmp_path / "x.seg.nrrd")
    assert read_labelmap(tmp_path / "x.seg.nrrd").labels == labels


def write_layers(path: Path, layers: np.ndarray, values=(1, 1)) -> Path:
    """As Slicer saves segments that have overlapped: (layers, k, j, i), one segment in each layer."""
    header = {
        "kinds": ["list", "domain", "domain", "domain"],
        "space": "left-posterior-superior",
        "space directions": np.vstack([[np.nan] * 3, np.eye(3)]),
        "space origin": [0, 0, 0],
    }
    for layer, value in enumerate(values):
        fields = {"ID": f"S{layer}", "Name": f"part {layer}", "Color": "1 0 0", "LabelValue": value, "Layer": layer}
        header |= {f"Segment{layer}_{name}": str(field) for name, field in fields.items()}
    nrrd.write(str(path), layers.transpose(0, 3, 2, 1), header)
    return path


@pytest.mark.parametrize(("values", "expected"), [((1, 1), (1, 2)), ((4, 9), (4, 9))])
def test_layers_without_overlap_become_one_label_map(tmp_path, values, expected):
    layers = np.zeros((2, 3, 4, 5), np.uint8)
    layers[0, 0], layers[1, 2] = values
    labelmap = read_labelmap(write_layers(tmp_path / "layers.seg.nrrd", layers, values))
    assert labelmap.labels.values == expected
    assert labelmap.labels.names == ("part 0", "part 1")
    assert (labelmap.voxels[0] == expected[0]).all()
    assert (labelmap.voxels[1] == 0).all()
    assert (labelmap.voxels[2] == expected[1]).all()


def test_overlapping_segments_are_refused_by_name(tmp_path):
    path = write_layers(tmp_path / "overlap.seg.nrrd", np.ones((2, 3, 4, 5), np.uint8))
    with pytest.raises(InputError, match=r'overlap\.seg\.nrrd.*"part 0" and "part 1" overlap'):
        read_labelmap(path)


# DICOM


def test_a_dicom_series_is_read_in_hu_with_its_geometry(series, stored_slices):
    volume = read_volume(series)
    assert np.array_equal(volume.voxels, stored_slices - 1024)
    assert np.allclose(volume.ijk_to_lps, a_matrix(origin_mm=(-10, -20, 30)), atol=1e-3)


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


@pytest.fixture
def plain_series(tmp_path) -> Path:
    return write_series(tmp_path / "series", np.zeros((3, 4, 5), np.int16))


NEEDED_TO_BE_AN_IMAGE = {"PixelData", "Rows", "Columns", "BitsAllocated", "SamplesPerPixel", "PhotometricInterpretation"}


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
    for keyword in set(pydicom.dcmread(plain_series / "000.dcm").dir()) - NEEDED_TO_BE_AN_IMAGE:
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


@pytest.mark.parametrize("empty", [False, True], ids=["missing", "empty"])
def test_a_series_without_positions_is_refused(plain_series, empty):
    strip_slices(plain_series, ["ImagePositionPatient"], empty=empty)
    with pytest.raises(InputError, match=r"series.*ImagePositionPatient"):
        read_volume(plain_series)


def test_a_tilted_series_keeps_its_voxels_in_place(tmp_path, stored_slices):
    volume = read_volume(write_series(tmp_path / "tilted", stored_slices, step_mm=(0, 1, 2.5)))
    assert np.allclose(volume.ijk_to_lps[:3, 2], (0, 1, 2.5))


def test_a_series_with_a_missing_slice_is_refused(tmp_path, stored_slices):
    folder = write_series(tmp_path / "gap", stored_slices)
    (folder / "021.dcm").unlink()
    with pytest.raises(InputError, match=r"gap.* 2\.5 to 5 mm apart"):
        read_volume(folder)


def test_a_folder_with_two_series_is_refused(tmp_path, stored_slices):
    folder = write_series(tmp_path / "two", stored_slices)
    for file in write_series(tmp_path / "other", stored_slices).iterdir():
        file.rename(folder / f"other{file.name}")
    with pytest.raises(InputError, match=r"two.*2 DICOM series"):
        read_volume(folder)


def test_a_segmentation_beside_the_series_does_not_hide_it(tmp_path, stored_slices):
    folder = write_series(tmp_path / "ct", stored_slices)
    ct = read_volume(folder)
    write_labelmap(LabelMap(np.ones(ct.voxels.shape, np.uint8), ct.ijk_to_lps, SYNAPSE_ORGANS), folder / "s.dcm", folder)
    assert same_grid(read_volume(folder).grid, ct.grid)


def test_a_folder_without_a_series_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no DICOM image series"):
        read_volume(tmp_path)


# Bad input


def write_image(path: Path, array: np.ndarray, **options) -> None:
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(array, **options), str(path))


BAD_VOLUMES = {
    "missing.nii.gz": (None, "does not exist"),
    "text.nii.gz": (lambda path: path.write_text("not an image"), "not an image"),
    "damaged.nrrd": (lambda path: path.write_bytes(b"NRRD0004\ntype: float\n"), "not an image"),
    "nothing.nrrd": (lambda path: path.write_bytes(b""), "is empty"),
    "colour.nrrd": (lambda path: write_image(path, np.zeros((3, 4, 5, 3), np.uint8), isVector=True), "colour"),
    "time.nii.gz": (lambda path: write_image(path, np.zeros((2, 3, 4, 5), np.float32), isVector=False), "4D|colour"),
    "time.nrrd": (lambda path: write_image(path, np.zeros((7, 3, 4, 5), np.float32), isVector=False), "7 volumes .4D"),
    "picture.png": (lambda path: write_image(path, np.zeros((4, 5), np.uint8)), "one voxel thick"),
    "thin.nii.gz": (lambda path: write_image(path, np.zeros((1, 4, 5), np.float32)), "one voxel thick"),
    "thin_in_i.nrrd": (lambda path: write_image(path, np.zeros((4, 5, 1), np.float32)), "one voxel thick"),
    "nan.nrrd": (lambda path: write_image(path, np.full((3, 4, 5), np.nan, np.float32)), "NaN"),
    "nan.nii": (lambda path: write_image(path, np.full((3, 4, 5), np.nan, np.float64)), "NaN"),
    "inf.nii.gz": (lambda path: write_image(path, np.full((3, 4, 5), np.inf, np.float32)), "infinite"),
    "complex.mha": (lambda path: write_image(path, np.zeros((3, 4, 5), np.complex64)), "complex"),
}


@pytest.mark.parametrize("name", BAD_VOLUMES)
def test_bad_volumes_are_refused_in_one_line_that_names_the_file(tmp_path, name):
    make, complaint = BAD_VOLUMES[name]
    if make:
        make(tmp_path / name)
    with pytest.raises(InputError, match=complaint) as refusal:
        read_volume(tmp_path / name)
    assert name in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert refusal.value.exit_code == 2


def test_a_fourth_dimension_of_length_one_is_dropped(tmp_path):
    write_image(tmp_path / "one.nrrd", np.zeros((1, 3, 4, 5), np.float32), isVector=False)
    assert read_volume(tmp_path / "one.nrrd").voxels.shape == (3, 4, 5)


@pytest.mark.parametrize("value", [0.5, -1, 70000, np.nan])
def test_what_is_not_a_label_map_is_refused_by_name(tmp_path, value):
    write_image(tmp_path / "ct.nrrd", np.full((3, 4, 5), value, np.float32))
    with pytest.raises(InputError, match=r"ct\.nrrd.*0 to 65535"):
        read_labelmap(tmp_path / "ct.nrrd")


# Writing


@pytest.mark.parametrize("name", ["out.tiff", "out", ".nii.gz", "out.gz"])
def test_unknown_endings_are_refused_with_those_that_work(tmp_path, name):
    with pytest.raises(InputError, match=r"\.seg\.nrrd.*\.nii\.gz.*\.dcm"):
        check_labelmap_output(tmp_path / name)


def test_probabilities_take_image_endings_alone(tmp_path):
    assert check_volume_output(tmp_path / "p.NII.GZ") == ".nii.gz"
    with pytest.raises(InputError, match=r"p\.dcm"):
        check_volume_output(tmp_path / "p.dcm")


def test_a_missing_folder_is_refused_before_any_work(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        check_labelmap_output(tmp_path / "nowhere" / "out.nii.gz")


def test_a_folder_that_cannot_be_written_to_is_refused():
    with pytest.raises(InputError, match="cannot be written"):
        check_labelmap_output("/proc/out.nii.gz")


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_failure_midway_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, ending):
    target = tmp_path / f"out{ending}"
    target.write_text("the old file")

    def disk_full(image, path, **options):
        Path(path).write_bytes(b"half")
        raise RuntimeError("no space left on device")

    monkeypatch.setattr(SimpleITK, "WriteImage", disk_full)
    with pytest.raises(SAMedError, match=f"out{ending}.*could not be written"):
        write_labelmap(a_labelmap(a_matrix()), target)
    assert [file.name for file in tmp_path.iterdir()] == [target.name]
    assert target.read_text() == "the old file"
