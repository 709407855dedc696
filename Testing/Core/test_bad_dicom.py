"""Bad DICOM, as a table: GDCM takes most of it for something else without a word; here it is refused in one line."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from bad_scans import check_refused, cut
from pydicom.dataset import Dataset
from pydicom.uid import ImplicitVRLittleEndian, RLELossless, generate_uid
from refused import refused
from written_series import strip_slices, write_series

from SAMedCore.errors import InputError
from SAMedCore.files.read import read_volume

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
ALL, ONE = slice(None), slice(3, 4)
SPACING, DIRECTIONS, POSITION = "PixelSpacing", "ImageOrientationPatient", "ImagePositionPatient"


def stored() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 2000, (6, 10, 14)).astype(np.int16)


def a_series(folder: Path, **options) -> Path:
    return write_series(folder / "series", stored(), **options)


def changed(folder: Path, which: slice, change: Callable[[Dataset], object]) -> Path:
    """A series some of whose files are changed."""
    series = a_series(folder)
    for file in sorted(series.iterdir())[which]:
        slice_ = pydicom.dcmread(file)
        change(slice_)
        slice_.save_as(file)
    return series


def saying(which: slice = ALL, **facts):
    """The maker of a series some of whose files say something else."""
    return lambda folder: changed(folder, which, lambda slice_: [setattr(slice_, name, fact) for name, fact in facts.items()])


def lacking(*keywords: str, which: slice = ALL, empty: bool = False):
    def make(folder: Path) -> Path:
        strip_slices(series := a_series(folder), list(keywords), which, empty)
        return series

    return make


def with_text(position: bytes):
    """The maker of a series whose positions are this text, which pydicom would not write."""

    def make(folder: Path) -> Path:
        series = a_series(folder)
        for file in series.iterdir():
            content = file.read_bytes()
            place = content.index(b"\x20\x00\x32\x00DS") + 8
            length = int.from_bytes(content[place - 2 : place], "little")
            file.write_bytes(content[:place] + position.ljust(length)[:length] + content[place + length :])
        return series

    return make


def colour(slice_: Dataset) -> None:
    slice_.SamplesPerPixel, slice_.PhotometricInterpretation, slice_.PlanarConfiguration = 3, "RGB", 0
    slice_.BitsAllocated = slice_.BitsStored = 8
    slice_.HighBit, slice_.PixelRepresentation = 7, 0
    slice_.PixelData = bytes(10 * 14 * 3)


def shortened(slice_: Dataset) -> None:
    slice_.PixelData = slice_.PixelData[:100]


def smaller(slice_: Dataset) -> None:
    slice_.Rows, slice_.PixelData = 5, slice_.PixelData[: 5 * 14 * 2]


def implicit(slice_: Dataset) -> None:
    slice_.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian


def implicit_and_short(slice_: Dataset) -> None:
    shortened(slice_)
    implicit(slice_)


def cut_files(which: slice, part: float):
    def make(folder: Path) -> Path:
        series = a_series(folder)
        for file in sorted(series.iterdir())[which]:
            cut(file, part)
        return series

    return make


def compressed_and_cut(folder: Path) -> Path:
    series = changed(folder, ALL, lambda slice_: slice_.compress(RLELossless))
    for file in series.iterdir():
        content = file.read_bytes()
        file.write_bytes(content[:-12])
    return series


def without_a_slice(folder: Path) -> Path:
    (a_series(folder) / "021.dcm").unlink()
    return folder / "series"


def with_a_copy(folder: Path, another_uid: bool = False) -> Path:
    series = a_series(folder)
    slice_ = pydicom.dcmread(series / "021.dcm")
    if another_uid:
        slice_.SOPInstanceUID = generate_uid()
    slice_.save_as(series / "copy.dcm")
    return series


def mixed(folder: Path) -> Path:
    series = a_series(folder)
    for file in write_series(folder / "other", stored()).iterdir():
        file.rename(series / f"other{file.name}")
    return series


def one_slice(folder: Path) -> Path:
    for file in sorted(a_series(folder).iterdir())[1:]:
        file.unlink()
    return folder / "series"


def frames(folder: Path, heights_mm: list[float], sop_class: str = ENHANCED_CT) -> Path:
    """One file with many frames, which says in its functional groups where each of them lies."""
    slice_ = pydicom.dcmread(a_series(folder) / "000.dcm")
    shutil.rmtree(folder / "series")
    slice_.SOPClassUID = slice_.file_meta.MediaStorageSOPClassUID = sop_class
    for keyword in (POSITION, DIRECTIONS, SPACING, "SliceThickness", "RescaleSlope", "RescaleIntercept"):
        delattr(slice_, keyword)
    slice_.NumberOfFrames, slice_.PixelData = len(heights_mm), stored()[: len(heights_mm)].tobytes()
    measures, orientation, values = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = [0.8, 0.7], 2.5
    orientation.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    values.RescaleSlope, values.RescaleIntercept, values.RescaleType = 1, -1024, "HU"
    shared, per_frame = Dataset(), []
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [orientation]
    shared.PixelValueTransformationSequence = [values]
    for height_mm in heights_mm:
        frame, place = Dataset(), Dataset()
        place.ImagePositionPatient = [-10, -20, float(height_mm)]
        frame.PlanePositionSequence = [place]
        per_frame.append(frame)
    slice_.SharedFunctionalGroupsSequence, slice_.PerFrameFunctionalGroupsSequence = [shared], per_frame
    slice_.save_as(folder / "frames.dcm")
    return folder / "frames.dcm"


def old_frames(folder: Path) -> Path:
    """Many frames in a file of a class that has one."""
    series = one_slice(folder)
    slice_ = pydicom.dcmread(series / "000.dcm")
    slice_.NumberOfFrames, slice_.PixelData = 6, stored().tobytes()
    slice_.save_as(folder / "frames.dcm")
    return folder / "frames.dcm"


EVEN = [30, 32.5, 35, 37.5, 40, 42.5]

CASES = {
    "a folder without DICOM": (lambda f: f, "holds no DICOM image series"),
    "text beside nothing": (lambda f: (f / "notes.txt").write_text("x") and f, "holds no DICOM image series"),
    "spacing 0": (saying(PixelSpacing=[0, 0]), "PixelSpacing of 0 x 0 mm"),
    "spacing 0 on one slice": (saying(ONE, PixelSpacing=[0.8, 0]), "021.*PixelSpacing of 0.8 x 0 mm"),
    "negative spacing": (saying(PixelSpacing=[-0.8, 0.7]), "PixelSpacing of -0.8 x 0.7 mm"),
    "no spacing": (lacking(SPACING), "does not say its PixelSpacing"),
    "empty spacing": (lacking(SPACING, empty=True), "does not say its PixelSpacing"),
    "one slice of another spacing": (saying(ONE, PixelSpacing=[1.6, 0.7]), "021.*another size than the others"),
    "directions of 0": (saying(ImageOrientationPatient=[0] * 6), "not two perpendicular"),
    "parallel directions": (saying(ImageOrientationPatient=[1, 0, 0, 1, 0, 0]), "not two perpendicular"),
    "directions of length 2": (saying(ImageOrientationPatient=[2, 0, 0, 0, 2, 0]), "not two perpendicular"),
    "no directions": (lacking(DIRECTIONS), "does not say its ImageOrientationPatient"),
    "one slice turned": (saying(ONE, ImageOrientationPatient=[0, 1, 0, -1, 0, 0]), "021.*turned against the others"),
    "one slice mirrored": (saying(ONE, ImageOrientationPatient=[-1, 0, 0, 0, 1, 0]), "021.*turned against the others"),
    "one slice tilted": (saying(ONE, ImageOrientationPatient=[1, 0, 0, 0, 0.9962, 0.0872]), "021.*turned against the others"),
    "no position": (lacking(POSITION), "ImagePositionPatient"),
    "one slice without position": (lacking(POSITION, which=ONE), "021.*ImagePositionPatient"),
    "positions of text": (with_text(b"left\\back\\up"), r"left.*as its ImagePositionPatient"),
    "positions of NaN": (with_text(b"nan\\nan\\nan"), "nan.*as its ImagePositionPatient"),
    "positions of two numbers": (with_text(b"1\\2"), "as its ImagePositionPatient"),
    "all at one place": (saying(ImagePositionPatient=[0, 0, 0]), "0 to 0 mm apart"),
    "a missing slice": (without_a_slice, "2.5 to 5 mm apart.*missing or doubled"),
    "a doubled slice": (lambda f: with_a_copy(f, another_uid=True), "mm apart.*missing or doubled"),
    "a copied file": (with_a_copy, "mm apart.*missing or doubled"),
    "two series": (mixed, "2 DICOM series"),
    "colour": (lambda f: changed(f, ALL, colour), "colour image .RGB"),
    "colour on one slice": (lambda f: changed(f, ONE, colour), "021.*colour image .RGB"),
    "three samples a pixel": (saying(SamplesPerPixel=3), "colour image"),
    "a palette": (saying(PhotometricInterpretation="PALETTE COLOR"), "colour image|not an image"),
    "values upside down": (saying(PhotometricInterpretation="MONOCHROME1"), "upside down .MONOCHROME1"),
    "one slice upside down": (saying(ONE, PhotometricInterpretation="MONOCHROME1"), "021.*upside down"),
    "a CT without rescale": (lacking("RescaleSlope", "RescaleIntercept"), "how its values become HU"),
    "a CT with an empty rescale": (lacking("RescaleSlope", "RescaleIntercept", empty=True), "how its values become HU"),
    "one slice without rescale": (lacking("RescaleSlope", "RescaleIntercept", which=ONE), "021.*how its values become HU"),
    "a slope of 0": (saying(RescaleSlope=0), "multiplies its values by 0"),
    "one slice rescaled to fractions": (saying(ONE, RescaleSlope=0.5), "021.*stores or rescales its values in another way"),
    "short pixels": (lambda f: changed(f, ALL, shortened), "100 bytes of pixels where its size needs 280"),
    "short pixels on one slice": (lambda f: changed(f, ONE, shortened), "021.*100 bytes of pixels"),
    "short pixels without types": (lambda f: changed(f, ALL, implicit_and_short), "100 bytes of pixels"),
    "pixels of twice the size": (saying(BitsAllocated=8, BitsStored=8, HighBit=7), "280 bytes of pixels where .* needs 140"),
    "one slice of another size": (lambda f: changed(f, ONE, smaller), "021.*another size than the others"),
    "a slice that claims 7 GB": (saying(ONE, Rows=60000, Columns=60000), "021.*claims more .*60000 x 60000"),
    "no pixels": (lacking("PixelData"), "holds no DICOM image series"),
    "the last slice cut": (cut_files(slice(-1, None), 0.8), "damaged slice"),
    "a slice cut in its header": (cut_files(ONE, 0.3), "021.*damaged slice"),
    "all slices cut": (cut_files(ALL, 0.8), "holds no DICOM image series"),
    "compressed slices cut": (compressed_and_cut, "cut off in its compressed pixels|holds no DICOM|damaged"),
    "one slice": (one_slice, "one voxel thick"),
    "a file of a series": (lambda f: a_series(f) / "000.dcm", "one voxel thick"),
    "frames at uneven distances": (lambda f: frames(f, [30, 32.5, 40, 42.5, 45, 47.5]), "2.5 to 7.5 mm apart"),
    "frames in a shuffled order": (lambda f: frames(f, [30, 35, 32.5, 37.5, 42.5, 40]), "mm apart"),
    "frames all at one place": (lambda f: frames(f, [30] * 6), "apart|spacing"),
    "frames of a class that has no places": (lambda f: frames(f, EVEN, "1.2.840.10008.5.1.4.1.1.7.3"), "export it as a series"),
    "frames that say nothing": (old_frames, "does not say where each of them lies"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_bad_dicom_is_refused_in_one_line_and_nothing_is_printed(tmp_path, capfd, case):
    make, said = CASES[case]
    check_refused(read_volume, make(tmp_path), said, tmp_path, capfd)


BY_COMMAND = [
    "spacing 0",
    "one slice turned",
    "positions of text",
    "short pixels",
    "a CT without rescale",
    "the last slice cut",
]


@pytest.mark.parametrize("case", BY_COMMAND)
def test_segmenting_it_is_refused(files, tmp_path, capfd, case):
    model = ["--model", files.checkpoint, "--base", files.base, "--device", "cpu"]
    sentence = refused(capfd, tmp_path, "segment", CASES[case][0](tmp_path), tmp_path / "out.nii.gz", *model)
    with pytest.raises(InputError, match=CASES[case][1]):
        raise InputError(sentence)


@pytest.mark.parametrize("heights_mm", [EVEN, EVEN[::-1]])
def test_frames_at_even_distances_are_read_where_they_lie(tmp_path, heights_mm):
    volume = read_volume(frames(tmp_path, heights_mm))
    assert volume.modality == "CT"
    assert np.array_equal(volume.voxels, stored() - 1024)
    assert volume.ijk_to_lps[2].tolist() == pytest.approx([0, 0, heights_mm[1] - heights_mm[0], heights_mm[0]])
    assert volume.grid.spacing_mm == pytest.approx((0.7, 0.8, 2.5))


@pytest.mark.parametrize("change", [lambda slice_: slice_.compress(RLELossless), implicit], ids=["compressed", "implicit"])
def test_series_are_read_however_their_pixels_are_written(tmp_path, change):
    assert np.array_equal(read_volume(changed(tmp_path, ALL, change)).voxels, stored() - 1024)


@pytest.mark.parametrize("modality", ["MR", "PT"])
def test_another_modality_needs_no_rescale_and_is_known(tmp_path, modality):
    strip_slices(series := a_series(tmp_path, modality=modality), ["RescaleSlope", "RescaleIntercept"])
    volume = read_volume(series)
    assert volume.modality == modality
    assert np.array_equal(volume.voxels, stored())


def test_slices_with_slopes_of_their_own_are_each_rescaled_by_theirs(tmp_path):
    volume = read_volume(saying(ONE, RescaleSlope=2)(tmp_path))
    assert np.array_equal(volume.voxels[3], stored()[3] * 2 - 1024)
    assert np.array_equal(volume.voxels[2], stored()[2] - 1024)


def test_a_tilted_gantry_keeps_every_slice_where_it_is(tmp_path):
    volume = read_volume(a_series(tmp_path, step_mm=(0, 0.5, 2.5)))
    assert np.allclose(volume.ijk_to_lps[:3, 2], (0, 0.5, 2.5))
