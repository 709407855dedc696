"""Volumes and label maps from files; what cannot be used is refused here, in one sentence that names the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK

from SAMedCore.errors import InputError
from SAMedCore.files import seg_nrrd
from SAMedCore.files.dicom_series import MODALITY, read_series, tag_of
from SAMedCore.files.geometry import ijk_to_lps_of
from SAMedCore.files.nifti import hides_non_finite
from SAMedCore.files.paper_arrays import hu_of, is_paper_file, read_arrays
from SAMedCore.image.labels import SYNAPSE_ORGANS, LabelTable
from SAMedCore.image.volume import LabelMap, Volume


def read_volume(path: Path | str) -> Volume:
    """A volume from a file that SimpleITK reads, from a folder with one DICOM series, or from the authors' (`paper_arrays`).

    Returns:
        The volume as stored (a CT in HU, integers stay integers), in its stored orientation; from DICOM with its modality.

    Raises:
        InputError: missing, not an image, colour, more than one volume, empty, one voxel thick, NaN or infinite values,
            axes that are sheared where the format cannot say how; the sentence names the file.
    """
    path = Path(path)
    if path.is_dir():
        volume = read_series(path)
    elif is_paper_file(path):
        with _named(path):
            scaled, ijk_to_lps = read_arrays(path, "image")
            volume = Volume(hu_of(scaled), ijk_to_lps, "CT")
    else:
        image, voxels = _read_image(path)
        if image.GetNumberOfComponentsPerPixel() > 1:
            raise InputError(f'"{path}" is a colour or vector image: choose a scan with one value a voxel.')
        if voxels.dtype.kind == "f" and (hides_non_finite(path, image) or not np.isfinite(voxels).all()):
            raise InputError(f'"{path}" has voxels that are NaN or infinite: replace them, in a CT by -1024.')
        with _named(path):
            modality = image.GetMetaData(MODALITY).strip() if image.HasMetaDataKey(MODALITY) else ""
            volume = Volume(voxels, ijk_to_lps_of(image), modality or None)
    if 1 in volume.voxels.shape:
        size = " x ".join(str(length) for length in reversed(volume.voxels.shape))
        raise InputError(f'"{path}" is one voxel thick ({size}): choose a volume, for DICOM the folder with all slices.')
    return volume


def read_labelmap(path: Path | str, labels: LabelTable | None = None) -> LabelMap:
    """A label map: a Slicer segmentation, a DICOM SEG, any image of integers, or the authors' (`paper_arrays`).

    Args:
        path: the file.
        labels: what the values mean where the file does not say (NIfTI, NRRD, MetaImage); values that it lacks, and
            all without it, get a generic name. For DICOM SEG, which numbers its segments anew, the values by name.

    Returns:
        The label map in its stored orientation.

    Raises:
        InputError: missing, not an image, colour, more than one volume, empty; values that are not integers from 0 to
            65535; segments that overlap. The sentence names the file.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f'"{path}" is a folder: choose a label map file.')
    with _named(path):
        if _is_dicom_seg(path):
            from SAMedCore.files import dicom_seg

            return dicom_seg.read(path, labels)
    if is_paper_file(path):
        with _named(path):
            return _eight_organs(path)
    image, voxels = _read_image(path)
    with _named(path):
        voxels, table = _whole_numbers(voxels), labels or LabelTable()
        if seg_nrrd.has_segments(image):
            voxels, table = seg_nrrd.merge_layers(image, voxels)
        elif image.GetNumberOfComponentsPerPixel() > 1:
            raise InputError("it is a colour or vector image; choose a label map with one value a voxel.")
        labelmap = LabelMap(voxels, ijk_to_lps_of(image), table)
        return replace(labelmap, labels=_with_generic(table, labelmap.voxels))


def _eight_organs(path: Path) -> LabelMap:
    """The authors' label map, whose values are theirs; others number other organs."""
    voxels, ijk_to_lps = read_arrays(path, "label")
    labelmap = LabelMap(_whole_numbers(voxels), ijk_to_lps, SYNAPSE_ORGANS)
    highest = int(labelmap.voxels.max())
    if highest > len(SYNAPSE_ORGANS):
        raise InputError(f"it holds the label {highest}, but the authors' are 1 to {len(SYNAPSE_ORGANS)}: prepare it anew.")
    return labelmap


def _with_generic(labels: LabelTable, voxels: np.ndarray) -> LabelTable:
    """The table, with a generic label for each voxel value above 0 that it lacks."""
    present = np.zeros(65536, bool)
    present[voxels.ravel()] = True
    missing = LabelTable.generic(value for value in np.flatnonzero(present).tolist() if value not in (0, *labels.values))
    return LabelTable((*labels, *missing))


def _read_image(path: Path) -> tuple[SimpleITK.Image, np.ndarray]:
    """The image of a file and its voxels, (k, j, i) or (k, j, i, c), a fourth dimension of length 1 dropped."""
    if not path.exists():
        raise InputError(f'"{path}" does not exist: check the path.')
    if path.stat().st_size == 0:
        raise InputError(f'"{path}" is empty: choose an image file.')
    try:
        image = SimpleITK.ReadImage(str(path))
    except RuntimeError as error:
        if "orthonormal" in str(error):
            raise InputError(f'"{path}" has sheared axes, which NIfTI readers disagree about: save it as .nrrd.') from error
        raise InputError(f'"{path}" is not an image that can be read: choose a scan as NIfTI, NRRD, MHA or DICOM.') from error
    if "complex" in image.GetPixelIDTypeAsString():
        raise InputError(f'"{path}" holds complex numbers: choose a scan with one real value a voxel.')
    if 0 in image.GetSize():
        raise InputError(f'"{path}" is empty (no voxels): choose a volume with voxels.')
    if image.GetDimension() < 3:
        raise InputError(f'"{path}" is one voxel thick (a 2D picture): choose a volume, for DICOM the folder of slices.')
    if any(length > 1 for length in image.GetSize()[3:]):
        raise InputError(f'"{path}" holds {int(np.prod(image.GetSize()[3:]))} volumes (4D): save the one to use by itself.')
    voxels = SimpleITK.GetArrayFromImage(image)
    return image, voxels.reshape(voxels.shape[image.GetDimension() - 3 :])


def _is_dicom_seg(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        begins_as_dicom = file.read(132).endswith(b"DICM")
    return begins_as_dicom and tag_of(path, MODALITY) == "SEG"


def _whole_numbers(voxels: np.ndarray) -> np.ndarray:
    """Label values as integers; floats are accepted where every one is integral, as some programs save them."""
    if voxels.dtype.kind != "f":
        return voxels
    if not np.isfinite(voxels).all() or np.abs(voxels).max() > 65535 or (voxels != np.round(voxels)).any():
        raise InputError("its voxels are not all integers from 0 to 65535; choose a label map, not an image.")
    return voxels.astype(np.int32)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Puts the file's name before a complaint about its content."""
    try:
        yield
    except InputError as error:
        raise InputError(f'"{path}": {error}') from error
