"""A folder with one DICOM series of axial, sagittal, coronal or oblique slices."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK

from SAMedCore.errors import InputError
from SAMedCore.files.dicom_slice import (
    MODALITY,
    SOP_CLASS,
    Slice,
    check_pixels,
    class_of,
    frame_positions_mm,
    read_slice,
    tag_of,
    tags_of,
)
from SAMedCore.files.geometry import ijk_to_lps_of, in_words
from SAMedCore.files.whole import check_name, named
from SAMedCore.image.grid import SAME_GRID_MM, Grid
from SAMedCore.image.volume import Volume

UNEVEN_SPACING = 0.05
"""Largest deviation of a slice distance from the median one; scanners round positions, a missing slice doubles it."""

NOT_IMAGES = {"SEG", "RTSTRUCT", "RTDOSE", "RTPLAN", "SR", "PR", "KO", "REG"}
"""Modalities of objects that lie beside a series without being one."""

OTHER_IMAGES = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd")
"""Endings of scans that are one file each."""

ENHANCED = {
    "1.2.840.10008.5.1.4.1.1.2.1": "CT",
    "1.2.840.10008.5.1.4.1.1.2.2": "CT",
    "1.2.840.10008.5.1.4.1.1.4.1": "MR",
    "1.2.840.10008.5.1.4.1.1.4.4": "MR",
    "1.2.840.10008.5.1.4.1.1.128.1": "PT",
    "1.2.840.10008.5.1.4.1.1.130": "PT",
}
"""Classes of images with many frames that say where each of them lies (PS3.4, B.5), and what they show."""

SAME_DIRECTION, SAME_SPACING = 1e-3, 1e-3
"""How far two slices of a series may differ: in a direction's components, and in the size of their pixels."""


def series_files(folder: Path) -> tuple[str, ...]:
    """The files of the one image series in a folder, in the order of the slices (ascending along their normal).

    Raises:
        InputError: the folder holds no series or several; something in it is no file, or a slice that cannot be read.
    """
    listings = _listings(folder)
    series = [files for files in listings if files and _modality_of(files[0]) not in NOT_IMAGES]
    if not series:
        raise InputError(f'"{folder}" holds no DICOM image series: choose the folder with the slices of a scan, or a file.')
    if len(series) > 1:
        raise InputError(f'"{folder}" holds {len(series)} DICOM series: put the one to use into a folder of its own.')
    _refuse_damaged(folder, {Path(file).name for files in listings for file in files}, series[0][0])
    return series[0]


def is_series(folder: Path) -> bool:
    """Whether the slices of a DICOM series lie in the folder itself, two or more of one series, without other images."""
    files = [path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]
    if not files or any(map(is_other_image, files)):
        return False
    return any(len(listing) > 1 for listing in _listings(folder))


def is_other_image(path: Path) -> bool:
    """Whether it is a scan in one file by its ending. A Slicer segmentation, which may lie beside its scan, is none."""
    name = path.name.lower()
    return name.endswith(OTHER_IMAGES) and not name.endswith(".seg.nrrd")


def read_series(folder: Path) -> Volume:
    """The volume of the one series in a folder, with the scanner's rescale applied, so that a CT is in HU; and its modality.

    The k axis runs from the first slice's position to the last one's, so that a tilted gantry gives a sheared matrix
    and not a wrong one.

    Raises:
        InputError: no or several series; slices that are unreadable, colour, cut off, do not say where they lie, how large
            their pixels are or how they become HU, or differ in it; slices at uneven distances.
    """
    files = series_files(folder)
    with named(folder):
        if len(files) == 1:
            return read_frames(Path(files[0]))
        slices = [read_slice(file) for file in files]
        _refuse_different(files, slices)
        rows, columns = slices[0].shape
        Grid((len(files), rows, columns), np.eye(4))  # no more than can be held
        with in_words():
            image = SimpleITK.ReadImage(files)
        matrix = ijk_to_lps_of(image)
        matrix[:3, 2] = _step_mm(np.stack([each.position_mm for each in slices]), matrix)
        return Volume(SimpleITK.GetArrayFromImage(image), matrix, tag_of(files[0], MODALITY) or None)


def read_frames(file: Path) -> Volume:
    """The volume of one file: of its frames, where it has many and says where each of them lies; else one voxel thick.

    Raises:
        InputError: it is no image, colour, cut off, or does not say where its frames lie or not at even distances; the sentence
            says "it".
    """
    with in_words():
        tags, _pixel_type = tags_of(file)
    if tags.get(MODALITY) in NOT_IMAGES:
        raise InputError(f"it is no scan but a DICOM object of the modality {tags[MODALITY]}: choose the scan itself.")
    try:
        check_pixels(file, tags)
        positions_mm = frame_positions_mm(file)
    except InputError as error:
        raise InputError(f"it {error}: export it again.") from error
    with in_words():
        image = SimpleITK.ReadImage(str(file))
    matrix = ijk_to_lps_of(image)
    frames = image.GetSize()[2]
    if frames > 1:
        if tags.get(SOP_CLASS) not in ENHANCED or len(positions_mm) != frames:
            raise InputError("it holds many frames and does not say where each of them lies: export it as a series of slices.")
        step_mm = _step_mm(positions_mm, matrix)
        if abs(np.linalg.norm(step_mm) - image.GetSpacing()[2]) > SAME_GRID_MM:
            raise InputError("it is read with other distances than it says: export it as a series of slices.")
        matrix[:3, 2] = step_mm
    return Volume(SimpleITK.GetArrayFromImage(image), matrix, tags.get(MODALITY) or ENHANCED.get(tags.get(SOP_CLASS, "")))


def _listings(folder: Path) -> list[tuple[str, ...]]:
    """The files of each series in a folder; SimpleITK opens everything in it."""
    for path in folder.iterdir():
        check_name(path)
        if not (path.is_file() or path.is_dir()):
            raise InputError(f'"{path}" is no file that can be read: take it away from the series.')
    reader = SimpleITK.ImageSeriesReader
    with named(folder), in_words():
        return [reader.GetGDCMSeriesFileNames(str(folder), uid) for uid in reader.GetGDCMSeriesIDs(str(folder))]


def _modality_of(file: str) -> str:
    with named(Path(file)), in_words():
        return tag_of(file, MODALITY)


def _refuse_damaged(folder: Path, listed: set[str], first: str) -> None:
    """SimpleITK passes over slices that are cut off, and a scan without its last one looks whole."""
    kind = class_of(Path(first))
    for path in folder.iterdir():
        if path.name not in listed and path.is_file() and path.stat().st_size and kind and class_of(path) == kind:
            raise InputError(f'"{path}" is a damaged slice: copy or export the series again, or take it away.')


def _refuse_different(files: Sequence[str], slices: Sequence[Slice]) -> None:
    for file, other in zip(files, slices, strict=True):
        what = None
        if np.abs(other.directions - slices[0].directions).max() > SAME_DIRECTION:
            what = "is turned against the others (ImageOrientationPatient)"
        elif np.abs(other.spacing_mm / slices[0].spacing_mm - 1).max() > SAME_SPACING:
            what = "has pixels of another size than the others (PixelSpacing)"
        elif other.shape != slices[0].shape:
            what = "is of another size than the others (Rows, Columns)"
        elif other.pixel_type != slices[0].pixel_type:
            what = "stores or rescales its values in another way than the others"
        if what is not None:
            raise InputError(f"its slice {Path(file).name} {what}: export the series again, one scan at a time.")


def _step_mm(positions_mm: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """(3,): from slice to slice.

    Args:
        positions_mm: (slices, 3), where each slice has its first voxel.
        matrix: (4, 4), from voxel index to LPS, right along i and j.

    Raises:
        InputError: they are not evenly apart.
    """
    normal = np.cross(matrix[:3, 0], matrix[:3, 1])
    normal /= np.linalg.norm(normal)
    _refuse_uneven(positions_mm @ normal)
    travel_mm = positions_mm[-1] - positions_mm[0]
    straight_mm = normal * (travel_mm @ normal)
    # Positions are rounded in the files; only what is more than that is a tilted gantry.
    tilted = np.linalg.norm(travel_mm - straight_mm) > SAME_GRID_MM
    return (travel_mm if tilted else straight_mm) / (len(positions_mm) - 1)


def _refuse_uneven(heights_mm: np.ndarray) -> None:
    distances_mm = np.diff(heights_mm)
    usual_mm = float(np.median(distances_mm))
    if usual_mm == 0 or np.abs(distances_mm / usual_mm - 1).max() > UNEVEN_SPACING:
        distances_mm = np.sort(np.abs(distances_mm))
        raise InputError(
            f"it has slices {distances_mm[0]:.3g} to {distances_mm[-1]:.3g} mm apart: slices are missing or doubled; export "
            "the series again, complete and one phase at a time."
        )
