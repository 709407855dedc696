"""A folder with one DICOM series of axial, sagittal, coronal or oblique slices."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK

from SAMedCore.errors import InputError
from SAMedCore.files.geometry import ijk_to_lps_of
from SAMedCore.image.grid import SAME_GRID_MM
from SAMedCore.image.volume import Volume

UNEVEN_SPACING = 0.05
"""Largest deviation of a slice distance from the median one; scanners round positions, a missing slice doubles it."""

NOT_IMAGES = {"SEG", "RTSTRUCT", "RTDOSE", "RTPLAN", "SR", "PR", "KO", "REG"}
"""Modalities of objects that lie beside a series without being one."""

OTHER_IMAGES = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd")
"""Endings of scans that are one file each."""

MODALITY, IMAGE_POSITION = "0008|0060", "0020|0032"


def series_files(folder: Path) -> tuple[str, ...]:
    """The files of the one image series in a folder, in the order of the slices (ascending along their normal).

    Raises:
        InputError: the folder holds no series or several.
    """
    reader = SimpleITK.ImageSeriesReader
    found = [reader.GetGDCMSeriesFileNames(str(folder), uid) for uid in reader.GetGDCMSeriesIDs(str(folder))]
    series = [files for files in found if files and tag_of(files[0], MODALITY) not in NOT_IMAGES]
    if not series:
        raise InputError(f'"{folder}" holds no DICOM image series: choose the folder with the slices of a scan, or a file.')
    if len(series) > 1:
        raise InputError(f'"{folder}" holds {len(series)} DICOM series: put the one to use into a folder of its own.')
    return series[0]


def is_series(folder: Path) -> bool:
    """Whether the slices of a DICOM series lie in the folder itself, two or more of one series, without other images."""
    files = [path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]
    if not files or any(path.name.lower().endswith(OTHER_IMAGES) for path in files):
        return False
    reader = SimpleITK.ImageSeriesReader
    return any(len(reader.GetGDCMSeriesFileNames(str(folder), uid)) > 1 for uid in reader.GetGDCMSeriesIDs(str(folder)))


def read_series(folder: Path) -> Volume:
    """The volume of the one series in a folder, with the scanner's rescale applied, so that a CT is in HU; and its modality.

    The k axis runs from the first slice's position to the last one's, so that a tilted gantry gives a sheared matrix
    and not a wrong one.

    Raises:
        InputError: no or several series, unreadable or colour slices, slices without a position or at uneven distances.
    """
    files = series_files(folder)
    try:
        image = SimpleITK.ReadImage(files if len(files) > 1 else files[0])
    except RuntimeError as error:
        raise InputError(f'"{folder}" cannot be read as one DICOM series: its slices differ in size or are damaged.') from (
            error
        )
    if image.GetNumberOfComponentsPerPixel() > 1:
        raise InputError(f'"{folder}" holds colour images: choose a folder with a scan of one value a voxel.')
    matrix = ijk_to_lps_of(image)
    if len(files) > 1:
        positions_mm = _positions_mm(folder, files)
        normal = np.cross(matrix[:3, 0], matrix[:3, 1])
        normal /= np.linalg.norm(normal)
        _refuse_uneven(folder, positions_mm @ normal)
        travel_mm = positions_mm[-1] - positions_mm[0]
        straight_mm = normal * (travel_mm @ normal)
        # Positions are rounded in the files; only what is more than that is a tilted gantry.
        tilted = np.linalg.norm(travel_mm - straight_mm) > SAME_GRID_MM
        matrix[:3, 2] = (travel_mm if tilted else straight_mm) / (len(files) - 1)
    return Volume(SimpleITK.GetArrayFromImage(image), matrix, tag_of(files[0], MODALITY) or None)


def _positions_mm(folder: Path, files: Sequence[str]) -> np.ndarray:
    """(slices, 3): where in the patient each slice has its first voxel, in LPS."""
    texts = [tag_of(file, IMAGE_POSITION) for file in files]
    if not all(texts):
        raise InputError(f'"{folder}" has slices that do not say where they lie (ImagePositionPatient): export them again.')
    return np.array([text.split("\\") for text in texts], np.float64)


def _refuse_uneven(folder: Path, heights_mm: np.ndarray) -> None:
    distances_mm = np.diff(heights_mm)
    usual_mm = float(np.median(distances_mm))
    if usual_mm <= 0 or np.abs(distances_mm / usual_mm - 1).max() > UNEVEN_SPACING:
        raise InputError(
            f'"{folder}" has slices {distances_mm.min():.3g} to {distances_mm.max():.3g} mm apart: slices are missing or '
            "doubled; export the series again, complete and one phase at a time."
        )


def tag_of(file: Path | str, tag: str) -> str:
    """A DICOM attribute's text, "" where the file has none; tags as SimpleITK writes them, "0008|0060"."""
    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(file))
    reader.ReadImageInformation()
    return reader.GetMetaData(tag).strip() if reader.HasMetaDataKey(tag) else ""
