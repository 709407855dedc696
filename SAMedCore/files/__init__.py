"""Files: volumes and label maps in, label maps out, with the same geometry.

read.py          anything SimpleITK reads; what is refused, and in which words
dicom_series.py  a folder with one DICOM series
write.py         by the file's ending, whole or not at all
seg_nrrd.py      Slicer's segmentations: names, colours and terminology in the NRRD header
cases.py         what folders hold, and which of their files are the same case
dicom_seg.py     DICOM Segmentation objects, through highdicom
atomic.py        there whole or not at all
geometry.py      SimpleITK's origin, spacing and directions as one matrix, and back
"""
