"""A DICOM series as files, for tests."""

from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

STRAIGHT = np.eye(3)


def write_series(folder: Path, stored: np.ndarray, step_mm=(0, 0, 2.5), directions=STRAIGHT, modality="CT") -> Path:
    """A series of int16 slices with values = stored - 1024, in a shuffled order of files; its class is CT's all the same."""
    folder.mkdir(exist_ok=True)
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    for k, pixels in enumerate(stored):
        slice_ = Dataset()
        slice_.file_meta = FileMetaDataset()
        slice_.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        slice_.file_meta.MediaStorageSOPClassUID = slice_.SOPClassUID = CTImageStorage
        slice_.file_meta.MediaStorageSOPInstanceUID = slice_.SOPInstanceUID = generate_uid()
        slice_.StudyInstanceUID, slice_.SeriesInstanceUID, slice_.FrameOfReferenceUID = study, series, frame
        slice_.PatientName, slice_.PatientID, slice_.PatientBirthDate, slice_.PatientSex = "Test^Person", "42", "", "O"
        slice_.StudyDate = slice_.StudyTime = slice_.AccessionNumber = slice_.ReferringPhysicianName = slice_.StudyID = ""
        slice_.Modality, slice_.Manufacturer, slice_.PositionReferenceIndicator = modality, "nobody", ""
        slice_.SeriesNumber, slice_.InstanceNumber = 1, k + 1
        slice_.ImagePositionPatient = [round(float(x), 4) for x in np.array([-10, -20, 30]) + k * np.asarray(step_mm)]
        slice_.ImageOrientationPatient = [round(float(x), 7) for x in directions[:, :2].T.ravel()]
        slice_.PixelSpacing, slice_.SliceThickness = [0.8, 0.7], 2.5
        slice_.Rows, slice_.Columns = pixels.shape
        slice_.SamplesPerPixel, slice_.PhotometricInterpretation = 1, "MONOCHROME2"
        slice_.BitsAllocated = slice_.BitsStored = 16
        slice_.HighBit, slice_.PixelRepresentation = 15, 1
        slice_.RescaleSlope, slice_.RescaleIntercept = 1, -1024
        slice_.PixelData = pixels.astype("<i2").tobytes()
        slice_.save_as(folder / f"{(7 * k) % 101:03}.dcm", enforce_file_format=True)
    return folder


def strip_slices(series: Path, keywords: list[str], which: slice = slice(None), empty: bool = False) -> None:
    """Take these attributes out of some files of a written series, or leave them there without a value."""
    for file in sorted(series.iterdir())[which]:
        slice_ = pydicom.dcmread(file)
        for keyword in keywords:
            if empty:
                slice_[keyword].clear()
            else:
                delattr(slice_, keyword)
        slice_.save_as(file)
