"""Label maps and probability maps to files: by their ending, whole or not at all."""

from __future__ import annotations

import shutil
from contextlib import nullcontext
from itertools import chain, count
from pathlib import Path

import numpy as np
import SimpleITK

from SAMedCore.errors import InputError, SAMedError
from SAMedCore.files import seg_nrrd
from SAMedCore.files.atomic import check_writable, replacing
from SAMedCore.files.geometry import is_sheared, sitk_image
from SAMedCore.files.other_formats import quietly
from SAMedCore.image.volume import LabelMap

IMAGE_ENDINGS = (".nii.gz", ".nii", ".nrrd", ".mha")
LONGEST_HEADER = 2**20
"""Bytes."""

LABELMAP_ENDINGS = (".seg.nrrd", *IMAGE_ENDINGS, ".dcm")


def write_labelmap(labelmap: LabelMap, path: Path | str, source: Path | str | None = None) -> None:
    """Write a label map in the format of the path's ending; an existing file is replaced, once the new one is whole.

    Args:
        labelmap: in the orientation in which it is to be stored.
        path: .seg.nrrd (Slicer segmentation: names, colours, terminology), .nii.gz, .nii, .nrrd, .mha (values alone) or
            .dcm (DICOM SEG).
        source: the folder with the DICOM series that was segmented; for .dcm alone, which points to its slices.

    Raises:
        InputError: as `check_labelmap_output`; axes that the format cannot store; a label map off the source's grid.
        SAMedError: the writing failed, for example because the disk is full; nothing is left.
    """
    path = Path(path)
    ending = _ending(path, LABELMAP_ENDINGS)
    if ending == ".dcm":
        from SAMedCore.files import dicom_seg

        series = _series_folder(path, source)
        with replacing(path) as unfinished:
            dicom_seg.write(labelmap, unfinished, series)
        return
    _refuse_sheared(labelmap.ijk_to_lps, labelmap.voxels.shape, path, ending)
    image = sitk_image(labelmap.voxels, labelmap.ijk_to_lps)
    if ending == ".seg.nrrd":
        for key, value in seg_nrrd.header_fields(labelmap).items():
            image.SetMetaData(key, value)
    _write_image(image, path)


def write_or_keep(labelmap: LabelMap, path: Path | str, source: Path | str | None = None) -> None:
    """`write_labelmap` after long work: what cannot be written there is kept beside it as .seg.nrrd.

    Raises:
        InputError, SAMedError: as `write_labelmap`; the sentence says where the label map is, if it could be kept.
    """
    try:
        write_labelmap(labelmap, path, source)
    except Exception as error:
        kept = _free_name(Path(path))
        try:
            write_labelmap(labelmap, kept)
        except SAMedError:
            raise error from error.__cause__
        kind = type(error) if isinstance(error, SAMedError) else SAMedError
        raise kind(f'{error} The segmentation is not lost: it was written to "{kept}".') from error


def write_volume(voxels: np.ndarray, ijk_to_lps: np.ndarray, path: Path | str) -> None:
    """Write voxel values such as probabilities; a fourth axis becomes NIfTI's fourth dimension, else voxel vectors.

    Args:
        voxels: (k, j, i), or (k, j, i, classes); float32 or any other real dtype.
        ijk_to_lps: (4, 4), from voxel index to LPS in mm.
        path: .nii.gz, .nii, .nrrd or .mha.

    Raises:
        InputError: as `check_volume_output`; axes that the format cannot store.
        SAMedError: the writing failed; nothing is left.
    """
    path = Path(path)
    ending = check_volume_output(path)
    _refuse_sheared(ijk_to_lps, voxels.shape, path, ending)
    if voxels.ndim == 4 and ending in (".nii.gz", ".nii"):
        image = SimpleITK.JoinSeries([sitk_image(part, ijk_to_lps) for part in np.moveaxis(voxels, -1, 0)])
    else:
        image = sitk_image(voxels, ijk_to_lps)
    _write_image(image, path)


def check_labelmap_output(path: Path | str, source: Path | str | None = None) -> str:
    """Call it before long work: whether `write_labelmap` will be able to write there.

    Returns:
        The path's ending.

    Raises:
        InputError: an unknown ending, a folder that is missing or cannot be written to; for .dcm no DICOM source, or one that
            lacks what a DICOM SEG repeats of it; highdicom is not installed.
    """
    ending = _ending(Path(path), LABELMAP_ENDINGS)
    check_writable(path)
    if ending == ".dcm":
        series = _series_folder(Path(path), source)
        from SAMedCore.files import dicom_seg

        dicom_seg.check_source(series)
    return ending


def check_volume_output(path: Path | str) -> str:
    """As `check_labelmap_output`, for `write_volume`."""
    ending = _ending(Path(path), IMAGE_ENDINGS)
    check_writable(path)
    return ending


def _ending(path: Path, endings: tuple[str, ...]) -> str:
    for ending in endings:
        if path.name.lower().endswith(ending) and len(path.name) > len(ending):
            return ending
    known = f"{', '.join(endings[:-1])} or {endings[-1]}"
    raise InputError(f'"{path}" has an unknown ending: use {known}.')


def _series_folder(path: Path, source: Path | str | None) -> Path:
    if source is None or not Path(source).is_dir():
        raise InputError(
            f'"{path}" would be a DICOM SEG, which points to the slices of a DICOM series: give the folder of '
            "that series as the scan, or choose .seg.nrrd."
        )
    return Path(source)


def _free_name(path: Path) -> Path:
    """A .seg.nrrd beside `path` that is not there yet, named after it."""
    name = path.name.removesuffix(_ending(path, LABELMAP_ENDINGS))
    names = (path.with_name(f"{name}{number}.seg.nrrd") for number in chain([""], count(2)))
    return next(free for free in names if not free.exists())


def _refuse_sheared(ijk_to_lps: np.ndarray, shape: tuple[int, ...], path: Path, ending: str) -> None:
    # SimpleITK would straighten the axes of a NIfTI file without a word and move the voxels.
    if ending in (".nii.gz", ".nii") and is_sheared(ijk_to_lps, shape):
        raise InputError(f'"{path}" cannot hold sheared axes (a tilted gantry): choose .seg.nrrd, .nrrd or .mha.')


def _write_image(image: SimpleITK.Image, path: Path) -> None:
    """Whole or not at all: ITK's writers do not tell when the disk takes no more, so that it is read again."""
    try:
        with replacing(path) as unfinished:
            with nullcontext() if _has_room_for(image, unfinished) else quietly():
                SimpleITK.WriteImage(image, str(unfinished), useCompression=True)
            if not _has_values(unfinished, image):
                raise RuntimeError("other values than were written")
    except RuntimeError as error:
        raise SAMedError(
            f'"{path}" could not be written: what is read there again is not what was to be written; check the disk, or '
            "choose another place."
        ) from error


def _has_room_for(image: SimpleITK.Image, path: Path) -> bool:
    """Whether it could be written without compressing it; with it, it may fit all the same."""
    length = image.GetNumberOfPixels() * image.GetNumberOfComponentsPerPixel() * image.GetSizeOfPixelComponent()
    return shutil.disk_usage(path.parent).free > length + LONGEST_HEADER


def _has_values(path: Path, image: SimpleITK.Image) -> bool:
    """Whether the file holds the image's values. Raises RuntimeError where it cannot be read."""
    read = SimpleITK.ReadImage(str(path))
    wanted, found = (SimpleITK.GetArrayViewFromImage(each) for each in (image, read))
    if found.shape != wanted.shape:
        # NIfTI's fourth dimension is read as such or as a vector, depending on its length.
        found = np.moveaxis(found, -1, 0)
    if found.shape != wanted.shape:
        return False
    may_be_nan = wanted.dtype.kind == "f"
    return all(np.array_equal(*slices, equal_nan=may_be_nan) for slices in zip(wanted, found, strict=True))
