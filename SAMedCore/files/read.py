"""Volumes and label maps from files; what cannot be used is refused here, in one sentence that names the file."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK

from SAMedCore.errors import InputError
from SAMedCore.files import meta_image, nifti, nrrd, other_formats, seg_nrrd
from SAMedCore.files.dicom_series import read_frames, read_series
from SAMedCore.files.dicom_slice import MODALITY, begins_as_dicom, tag_of
from SAMedCore.files.geometry import ijk_to_lps_of, in_words
from SAMedCore.files.listed_case import ENDINGS
from SAMedCore.files.paper_arrays import hu_of, is_paper_file, read_arrays
from SAMedCore.files.whole import Stored, check_content, check_file, check_length, is_folder, named
from SAMedCore.image.grid import MOST_VOXELS, Grid
from SAMedCore.image.labels import SYNAPSE_ORGANS, LabelTable
from SAMedCore.image.volume import LabelMap, Volume

STORED: dict[str, Callable[[Path], Stored]] = {
    "NiftiImageIO": nifti.stored,
    "NrrdImageIO": nrrd.stored,
    "MetaImageIO": meta_image.stored,
}
"""By SimpleITK's name for what reads a file: where its voxels are."""

DICOM = "GDCMImageIO"


def read_volume(path: Path | str) -> Volume:
    """A volume from a file that SimpleITK reads, from a folder with one DICOM series, or from the authors' (`paper_arrays`).

    Returns:
        The volume as stored (a CT in HU, integers stay integers), in its stored orientation; from DICOM with its modality.

    Raises:
        InputError: missing, no file, cut off or damaged, not an image, colour, more than one volume, empty, one voxel thick,
            larger than any scan, NaN or infinite values, axes that are sheared where the format cannot say how; the sentence
            names the file.
        SAMedError: there is too little memory for it.
    """
    path = Path(path)
    if is_folder(path):
        volume = read_series(path)
    elif is_paper_file(path):
        with named(path):
            scaled, ijk_to_lps = read_arrays(path, "image")
            volume = Volume(hu_of(scaled), ijk_to_lps, "CT")
    elif begins_as_dicom(path):
        with named(path):
            volume = read_frames(path)
    else:
        image, voxels = _read_image(path)
        if image.GetNumberOfComponentsPerPixel() > 1:
            raise InputError(f'"{path}" is a colour or vector image: choose a scan with one value a voxel.')
        if voxels.dtype.kind == "f" and not np.isfinite(voxels).all():
            raise InputError(f'"{path}" has voxels that are NaN or infinite: replace them, in a CT by -1024.')
        with named(path):
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
    if is_folder(path):
        raise InputError(f'"{path}" is a folder: choose a label map file.')
    with named(path):
        if _is_dicom_seg(path):
            from SAMedCore.files import dicom_seg

            return dicom_seg.read(path, labels)
    if is_paper_file(path):
        with named(path):
            return _eight_organs(path)
    image, voxels = _read_image(path)
    with named(path):
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
    check_file(path)
    reader = SimpleITK.ImageFileReader()
    with nullcontext() if path.name.lower().endswith(ENDINGS) else other_formats.quietly():
        kind = reader.GetImageIOFromFileName(str(path))
    with named(path):
        image = _read_whole(path, reader, kind)
    voxels = SimpleITK.GetArrayFromImage(image)
    return image, voxels.reshape(voxels.shape[image.GetDimension() - 3 :])


def _read_whole(path: Path, reader: SimpleITK.ImageFileReader, kind: str) -> SimpleITK.Image:
    """What `reader` reads of a file once it is known to be whole and of a size that can be held."""
    stored = STORED[kind](path) if kind in STORED else Stored((path,), 0)
    check_length(stored)
    if stored.compression == "zlib":  # MetaIO would print what is wrong with it
        check_content(stored)
        stored = replace(stored, compression="none")
    with nullcontext() if stored.length or kind == DICOM else other_formats.quietly(), in_words():
        reader.SetImageIO(kind)
        reader.SetFileName(str(path))
        reader.ReadImageInformation()
        length = _check_header(reader)
        if kind not in STORED:
            stored = other_formats.stored(path, kind, length)
            check_length(stored)
        # Both decompress the same, beside each other, because ITK does not say whether what it got was whole.
        with ThreadPoolExecutor(1) as beside:
            content = beside.submit(check_content, stored)
            try:
                return reader.Execute()
            finally:
                content.result()


def _check_header(reader: SimpleITK.ImageFileReader) -> int:
    """How many bytes the voxels take, of what a header promises; raises InputError where it is no volume."""
    size, pixel_type = reader.GetSize(), reader.GetPixelIDValue()
    if "complex" in SimpleITK.GetPixelIDValueAsString(pixel_type):
        raise InputError("it holds complex numbers: choose a scan with one real value a voxel.")
    if 0 in size:
        raise InputError("it is empty (no voxels): choose a volume with voxels.")
    if len(size) < 3:
        raise InputError("it is one voxel thick (a 2D picture): choose a volume, for DICOM the folder of slices.")
    if any(length > 1 for length in size[3:]):
        raise InputError(f"it holds {math.prod(size[3:])} volumes (4D): save the one to use by itself.")
    i, j, k = size[:3]
    Grid((k, j, i), ijk_to_lps_of(reader))
    values = reader.GetNumberOfComponents()
    if i * j * k * values > MOST_VOXELS:
        raise InputError(f"it holds {values} values a voxel, too many for its size: choose a scan with one.")
    one = SimpleITK.Image([1, 1, 1], pixel_type, values if values > 1 else 0)
    return i * j * k * SimpleITK.GetArrayViewFromImage(one).nbytes


def _is_dicom_seg(path: Path) -> bool:
    if not begins_as_dicom(path):
        return False
    with in_words():
        return tag_of(path, MODALITY) == "SEG"


def _whole_numbers(voxels: np.ndarray) -> np.ndarray:
    """Label values as integers; floats are accepted where every one is integral, as some programs save them."""
    if voxels.dtype.kind != "f":
        return voxels
    if not np.isfinite(voxels).all() or np.abs(voxels).max() > 65535 or (voxels != np.round(voxels)).any():
        raise InputError("its voxels are not all integers from 0 to 65535; choose a label map, not an image.")
    return voxels.astype(np.int32)
