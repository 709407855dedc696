"""Unusual scans that are no mistake: what is read of them is what a careful person wants."""

import gzip
import shutil

import numpy as np
import pytest
from bad_scans import BYTES, MET, NRRD, a_scan, patched, segments, text, voxels
from cli_files import run, segment
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_labelmaps import a_matrix
from scipy.spatial.transform import Rotation

from SAMedCore.errors import InputError
from SAMedCore.files.read import read_labelmap, read_volume
from SAMedCore.files.write import write_volume
from SAMedCore.image.grid import Grid
from SAMedCore.image.orientation import orientation_of

REAL = [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.float32, np.float64]
ENDINGS = [".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd", ".hdr"]


@pytest.mark.parametrize("dtype", REAL)
@pytest.mark.parametrize("ending", ENDINGS)
def test_every_real_type_is_read_as_it_is_in_every_format(tmp_path, dtype, ending):
    array = voxels(dtype)
    volume = read_volume(a_scan(tmp_path / f"ct{ending}", array))
    assert np.array_equal(volume.voxels, array)
    assert volume.voxels.dtype == dtype
    assert volume.grid.spacing_mm == (1, 1, 2)


@pytest.mark.parametrize("ending", [".gipl", ".vtk", ".mrc", ".tif", ".hdf5", ".mnc"])
def test_formats_that_few_scans_have_are_read_too(tmp_path, capfd, ending):
    assert np.array_equal(read_volume(a_scan(tmp_path / f"ct{ending}")).voxels, voxels())
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("value", [-1024, 0, 40])
def test_a_scan_of_one_value_is_read(tmp_path, value):
    volume = read_volume(a_scan(tmp_path / "ct.nii.gz", np.full((5, 6, 7), value, np.int16)))
    assert (volume.voxels == value).all()


def test_hu_upside_down_are_read_as_they_are(tmp_path):
    """Nobody can tell them from another scan's values; a DICOM that says so (MONOCHROME1) is refused."""
    assert np.array_equal(read_volume(a_scan(tmp_path / "ct.nii.gz", -voxels())).voxels, -voxels())


def test_a_slice_of_5000_x_5000_is_read(tmp_path):
    array = np.zeros((2, 5000, 5000), np.uint8)
    array[1, 2, 3] = 7
    assert np.array_equal(read_volume(a_scan(tmp_path / "ct.nrrd", array)).voxels, array)


def test_two_slices_of_two_pixels_are_a_volume(tmp_path):
    assert read_volume(a_scan(tmp_path / "ct.nii", voxels(shape=(2, 2, 2)))).voxels.shape == (2, 2, 2)


def test_scaled_integers_are_read_scaled(tmp_path):
    path = patched(a_scan(tmp_path / "ct.nii.gz"), scl=(0.5, -100))
    np.testing.assert_allclose(read_volume(path).voxels, voxels() * 0.5 - 100)


def test_a_slope_that_nibabel_leaves_out_scales_nothing(tmp_path):
    path = patched(a_scan(tmp_path / "ct.nii.gz"), scl=(np.nan, np.nan))
    assert np.array_equal(read_volume(path).voxels, voxels())


def test_a_file_compressed_in_parts_is_read(tmp_path):
    """As bgzip and pigz write it."""
    path = a_scan(tmp_path / "ct.nii")
    content = path.read_bytes()
    (tmp_path / "parts.nii.gz").write_bytes(gzip.compress(content[:100]) + gzip.compress(content[100:]))
    assert np.array_equal(read_volume(tmp_path / "parts.nii.gz").voxels, voxels())


def test_a_file_that_is_called_gz_and_is_not_compressed_is_read(tmp_path):
    shutil.copy(a_scan(tmp_path / "ct.nii"), tmp_path / "ct.nii.gz")
    assert np.array_equal(read_volume(tmp_path / "ct.nii.gz").voxels, voxels())


def test_voxels_that_begin_late_are_found(tmp_path):
    path = a_scan(tmp_path / "ct.nii")
    content = path.read_bytes()
    path.write_bytes(content[:352] + bytes(1000) + content[352:])
    assert np.array_equal(read_volume(patched(path, vox_offset=1352.0)).voxels, voxels())


@pytest.mark.parametrize("zipped", [False, True])
def test_either_file_of_a_pair_may_be_named(tmp_path, zipped):
    path = a_scan(tmp_path / ("ct.img.gz" if zipped else "ct.img"))
    other = path.with_name(path.name.replace("img", "hdr"))
    assert np.array_equal(read_volume(path).voxels, read_volume(other).voxels)


def test_a_qform_that_is_a_little_turned_against_the_sform_is_no_contradiction(tmp_path):
    """As SPM's registration leaves it: read by its sform, as Slicer reads it."""
    x, y, z = (Rotation.from_euler("z", 8, degrees=True).as_matrix() * [-1, -1, 2]).tolist()
    volume = read_volume(patched(a_scan(tmp_path / "ct.nii"), srow=(*x, 5.0, *y, 6.0, *z, 7.0)))
    assert orientation_of(volume.grid) == "LPS"
    assert volume.ijk_to_lps[:3, 3] == pytest.approx((-5, -6, 7))


def test_metaimage_and_nrrd_agree_on_a_negative_spacing_which_turns_the_axis(tmp_path):
    mha = text(tmp_path / "ct.mha", MET.replace("1 1 2", "1 -1 2") + "ElementDataFile = LOCAL\n", bytes(BYTES))
    nrrd = text(tmp_path / "ct.nrrd", NRRD.replace("1 1 2", "1 -1 2") + "\n", bytes(BYTES))
    for path in (mha, nrrd):
        assert read_volume(path).ijk_to_lps.tolist() == np.diag([1.0, -1, 2, 1]).tolist()


def test_a_metaimage_with_keys_of_other_programs_is_read(tmp_path):
    header = MET + "qfac = [UNKNOWN]\n\ndim[0] = 3\nCompressedData = False\nElementDataFile = LOCAL\n"
    assert read_volume(text(tmp_path / "ct.mha", header, voxels().tobytes())).voxels[0, 0, 0] == voxels()[0, 0, 0]


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_nrrd_of_another_system_is_read(tmp_path, line_end):
    header = (NRRD + "# made elsewhere\ncontent: LIST of all\nkey:=value: x\n\n").replace("\n", line_end)
    (tmp_path / "ct.nrrd").write_bytes(header.encode() + voxels().tobytes())
    assert np.array_equal(read_volume(tmp_path / "ct.nrrd").voxels, voxels())


@pytest.mark.parametrize("ending", [".nrrd", ".mha"])
def test_sheared_axes_are_kept_where_the_format_has_them(tmp_path, ending):
    matrix = a_matrix()
    matrix[:3, 2] += (0.2, 0.3, 0)
    write_volume(voxels(), matrix, tmp_path / f"ct{ending}")
    np.testing.assert_allclose(read_volume(tmp_path / f"ct{ending}").ijk_to_lps, matrix, atol=1e-9)


def test_a_scan_of_air_is_segmented_as_nothing_or_something_but_without_an_error(files, tmp_path, capsys):
    a_scan(tmp_path / "air.nii.gz", np.full((3, 20, 20), -1024, np.int16))
    arguments = segment(files, tmp_path / "out.nii.gz")
    arguments[1] = tmp_path / "air.nii.gz"
    run(capsys, *arguments)
    assert read_labelmap(tmp_path / "out.nii.gz").voxels.shape == (3, 20, 20)


def test_a_segment_without_colour_gets_one_of_its_own(tmp_path):
    (label,) = read_labelmap(segments(tmp_path / "one.seg.nrrd", Color="")).labels
    assert len(set(label.rgb)) > 1


@pytest.mark.parametrize("color", ["2 -1 0.5", "1e3 0 0"])
def test_a_colour_outside_0_to_1_is_cut_to_it(tmp_path, color):
    (label,) = read_labelmap(segments(tmp_path / "one.seg.nrrd", Color=color)).labels
    assert all(0 <= channel <= 255 for channel in label.rgb)


@given(
    start=st.binary(min_size=0, max_size=60),
    keep=st.floats(0, 1),
    ending=st.sampled_from([".nii", ".nii.gz", ".nrrd", ".mha"]),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_file_begins_with_it_is_read_or_refused(tmp_path, start, keep, ending):
    path = a_scan(tmp_path / f"ct{ending}")
    content = path.read_bytes()
    path.write_bytes(start + content[len(start) : round(len(content) * keep)])
    try:
        assert read_volume(path).voxels.size
    except InputError as refusal:
        assert path.name in str(refusal)  # noqa: PT017


@given(shape=st.tuples(*[st.integers(1, 20_000)] * 3))
def test_a_grid_is_never_larger_than_can_be_held(shape):
    try:
        grid = Grid(shape, np.eye(4))
    except InputError as refusal:
        assert "too large" in str(refusal)  # noqa: PT017
        assert max(shape) > 8192 or np.prod(shape, dtype=np.int64) > 2**31
    else:
        assert max(grid.shape) <= 8192
