"""A folder of DICOM slices is one volume, or is refused by name."""

import numpy as np
import pytest
from made_labelmaps import a_matrix
from written_series import strip_slices, write_series

from SAMedCore.errors import InputError
from SAMedCore.files.read import read_volume
from SAMedCore.files.write import write_labelmap
from SAMedCore.image.grid import same_grid
from SAMedCore.image.labels import SYNAPSE_ORGANS
from SAMedCore.image.orientation import reorient
from SAMedCore.image.volume import LabelMap


def test_a_dicom_series_is_read_in_hu_with_its_geometry(series, stored_slices):
    volume = read_volume(series)
    assert np.array_equal(volume.voxels, stored_slices - 1024)
    assert np.allclose(volume.ijk_to_lps, a_matrix(origin_mm=(-10, -20, 30)), atol=1e-3)


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_the_modality_of_a_series_is_read_and_kept(tmp_path, stored_slices, modality):
    folder = write_series(tmp_path / "series", stored_slices, modality=modality)
    assert read_volume(folder).modality == modality
    assert reorient(read_volume(folder), "RAS").modality == modality


def test_a_series_and_a_file_that_do_not_say_their_modality_have_none(plain_series, files):
    strip_slices(plain_series, ["Modality"], empty=True)
    assert read_volume(plain_series).modality is None
    assert read_volume(files.ct).modality is None


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
