"""Files: CT volumes and label maps in, label maps out, with the same geometry.

read.py          anything SimpleITK reads; what is refused, and in which words
dicom_series.py  a folder with one DICOM series
write.py         by the file's ending, whole or not at all
seg_nrrd.py      Slicer's segmentations: names, colours and terminology in the NRRD header
listing.py       what folders hold, and which of their files are the same case
dicom_seg.py     DICOM Segmentation objects, through highdicom
geometry.py      SimpleITK's origin, spacing and directions as one matrix, and back
"""

import SimpleITK

from SAMedCore.formats.read import read_labelmap, read_volume
from SAMedCore.formats.write import check_labelmap_output, check_volume_output, write_labelmap, write_volume

__all__ = [
    "check_labelmap_output",
    "check_volume_output",
    "read_labelmap",
    "read_volume",
    "write_labelmap",
    "write_volume",
]

# What matters of ITK's warnings is raised as one sentence; the rest would stand between the user and the progress bar.
SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
