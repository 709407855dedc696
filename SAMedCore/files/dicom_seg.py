"""DICOM Segmentation objects (PS3.3, A.51), through highdicom: for PACS, and for everything that reads DICOM."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from SAMedCore import __version__
from SAMedCore.errors import InputError
from SAMedCore.files.dicom_series import read_series, series_files
from SAMedCore.image.grid import same_grid
from SAMedCore.image.labels import ANATOMICAL_STRUCTURE, Code, Label, LabelTable, generic_rgb
from SAMedCore.image.orientation import orientation_of, reorient
from SAMedCore.image.terminology import TISSUE
from SAMedCore.image.volume import LabelMap

try:
    import highdicom as hd
    import pydicom
    from pydicom.datadict import tag_for_keyword
    from pydicom.sr.codedict import codes
except ImportError as error:
    raise InputError('DICOM SEG (.dcm) needs highdicom: run pip install "samedcore[dicom]".') from error

VALUE_NOTE = "Value in the label map: "
"""DICOM numbers segments from 1 without gaps; the segment's description keeps the label map's own value."""

HIGHDICOM_ERRORS = (AttributeError, LookupError, TypeError, ValueError)
"""What highdicom raises where an image lacks something or contradicts another one."""


def check_source(source: Path) -> None:
    """Call it before long work: whether the series in this folder has what `write` must repeat of it.

    highdicom alone knows what that is, so it is asked for a DICOM SEG of one pixel a slice.

    Raises:
        InputError: an attribute is missing or two slices contradict each other, in words that name the attribute; no series
            in the folder, or several.
    """
    slices = _slices(source)
    for slice_ in slices:
        slice_.Rows = slice_.Columns = 1
    frames = sum(int(slice_.get("NumberOfFrames", 1)) for slice_ in slices)
    missing: list[str] = []
    while True:
        try:
            _segmentation(slices, np.zeros((frames, 1, 1), np.uint8), LabelTable.generic([1]), "AUTOMATIC")
            break
        except HIGHDICOM_ERRORS as error:
            name = getattr(error, "name", None) or ""
            if not name or name in missing or tag_for_keyword(name) is None:
                # Once something was filled in, what fails may fail because of that.
                raise _lacking(source, ", ".join(missing) or str(error)) from error
        missing.append(name)
        for slice_ in slices:
            if name not in slice_:
                setattr(slice_, name, hd.UID() if name.endswith("UID") else "")
    if missing:
        raise _lacking(source, ", ".join(missing))


def write(labelmap: LabelMap, path: Path, source: Path) -> None:
    """Write the label map as a binary DICOM SEG of the labels that have voxels.

    All slices are stored for each segment, empty ones too, because the grid of the series could not be told from the file
    otherwise.

    Args:
        labelmap: on the grid of `source`, in any axis order.
        path: the file to write.
        source: the folder with the segmented series; patient and study come from its files.

    Raises:
        InputError: no label has voxels; the label map is not on the source's grid; as `check_source`.
    """
    grid = read_series(source).grid
    stored = reorient(labelmap, orientation_of(grid))
    if not same_grid(stored.grid, grid):
        raise InputError(f'"{source}" is not the series that was segmented: its slices lie elsewhere; give that series.')
    labels = [label for label in labelmap.labels if (stored.voxels == label.value).any()]
    if not labels:
        raise InputError("the label map has no voxels of any label, which DICOM SEG cannot say: choose .seg.nrrd.")
    numbers = np.zeros(65536, np.uint16)
    numbers[[label.value for label in labels]] = range(1, len(labels) + 1)
    algorithm = "SEMIAUTOMATIC" if labelmap.person_drew else "AUTOMATIC"
    try:
        segmentation = _segmentation(_slices(source), numbers[stored.voxels], labels, algorithm)
    except HIGHDICOM_ERRORS as error:
        raise _lacking(source, str(error)) from error
    segmentation.save_as(path)


def read(path: Path, labels: LabelTable | None = None) -> LabelMap:
    """Read a DICOM SEG; a segment's value is the one that `labels` gives its name, or `write` noted, or its number.

    Raises:
        InputError: not a DICOM SEG, overlapping segments, slices that are not a regular stack.
    """
    try:
        segmentation = hd.seg.segread(path)
        volume = segmentation.get_volume(combine_segments=True)
        descriptions = [segmentation.get_segment_description(number) for number in segmentation.segment_numbers]
    except (AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(f"it cannot be read as one label map ({error}); save it as .seg.nrrd in Slicer.") from error
    by_name = {label.name: label for label in labels or ()}
    table, values = [], np.zeros(int(max(segmentation.segment_numbers)) + 1, np.int64)
    for description in descriptions:
        label = by_name.get(description.segment_label) or _label(description)
        table.append(label)
        values[description.segment_number] = label.value
    # highdicom's axes are slice, row, column, with a matrix for that order and the slices left-handed to rows and columns;
    # series are read with the slices ascending along their normal, so both get the same grid.
    ascending = volume.flip_spatial(0)
    matrix = ascending.get_affine("LPS")[:, [2, 1, 0, 3]]
    person_drew = any(description.algorithm_type.value != "AUTOMATIC" for description in descriptions)
    return LabelMap(values[ascending.array.astype(np.int64)], matrix, LabelTable(tuple(table)), person_drew)


def _slices(source: Path) -> list[pydicom.Dataset]:
    """The slices of the series without their pixels, in the order of `read_series`."""
    slices: list[pydicom.Dataset] = [pydicom.dcmread(file, stop_before_pixels=True) for file in series_files(source)]
    for slice_ in slices:
        # highdicom passes empty UIDs and lengths on, DICOM has no use for them.
        for element in [element for element in slice_ if element.VR in ("UI", "DS") and element.is_empty]:
            del slice_[element.tag]
    return slices


def _segmentation(
    slices: Sequence[pydicom.Dataset], numbers: np.ndarray, labels: Iterable[Label], algorithm: str
) -> hd.seg.Segmentation:
    """The DICOM SEG of segment numbers (k, j, i) on these slices; the first label is segment 1."""
    return hd.seg.Segmentation(
        source_images=slices,
        pixel_array=numbers,
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[_description(number, label, algorithm) for number, label in enumerate(labels, start=1)],
        series_instance_uid=hd.UID(),
        series_number=300,
        series_description="SAMed segmentation",
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer="SlicerSAMed",
        manufacturer_model_name="SAMedCore",
        software_versions=__version__,
        device_serial_number="0",
        content_label="SEGMENTATION",
        omit_empty_frames=False,
    )


def _lacking(source: Path, what: str) -> InputError:
    return InputError(
        f'"{source}" lacks what a DICOM SEG must repeat of it ({what.rstrip(".")}): choose .seg.nrrd, which needs none of it.'
    )


def _description(number: int, label: Label, algorithm: str) -> hd.seg.SegmentDescription:
    category, kind = (label.category, label.type) if label.type else (TISSUE, TISSUE)
    description = hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=label.name,
        segmented_property_category=_concept(category),
        segmented_property_type=_concept(kind),
        algorithm_type=algorithm,
        algorithm_identification=hd.AlgorithmIdentificationSequence(
            name="SAMed", family=codes.DCM.ArtificialIntelligence, version=__version__
        ),
        tracking_uid=hd.UID(),
        tracking_id=label.name,
        display_color=hd.color.CIELabColor.from_rgb(*label.rgb),
    )
    description.SegmentDescription = f"{VALUE_NOTE}{label.value}"
    if label.modifier:
        # PS3.3, C.8.20.4: the modifier stands within the type.
        kind_item = description.SegmentedPropertyTypeCodeSequence[0]
        kind_item.SegmentedPropertyTypeModifierCodeSequence = [_concept(label.modifier)]
    return description


def _label(description: hd.seg.SegmentDescription) -> Label:
    noted = re.fullmatch(VALUE_NOTE + r"(\d+)", str(description.get("SegmentDescription", "")))
    value = int(noted.group(1)) if noted else int(description.segment_number)
    lab = description.get("RecommendedDisplayCIELabValue")
    kind = description.SegmentedPropertyTypeCodeSequence[0]
    modifiers = kind.get("SegmentedPropertyTypeModifierCodeSequence") or [None]
    type_code, category = _code(kind), _code(description.SegmentedPropertyCategoryCodeSequence[0])
    return Label(
        value,
        str(description.segment_label),
        hd.color.CIELabColor.from_dicom_value(tuple(lab)).to_rgb() if lab else generic_rgb(value),
        None if type_code == TISSUE else type_code,
        _code(modifiers[0]),
        ANATOMICAL_STRUCTURE if type_code == TISSUE or category is None else category,
    )


def _concept(code: Code) -> hd.sr.CodedConcept:
    return hd.sr.CodedConcept(value=code.value, scheme_designator=code.scheme, meaning=code.meaning)


def _code(item: pydicom.Dataset | None) -> Code | None:
    return None if item is None else Code(item.CodingSchemeDesignator, item.CodeValue, item.CodeMeaning)
