"""Files: volumes and label maps in, label maps out, with the same geometry.

read.py          anything SimpleITK reads; what is refused, and in which words
whole.py         whether a file is one, as long as its header says, and undamaged where it is compressed
nifti.py         where the voxels are by a NIfTI or Analyze header, and whether its two places agree
nrrd.py          where they are by a NRRD header
meta_image.py    where they are by a MetaImage header
detached.py      which other files such a header may name for them
other_formats.py GIPL, VTK, MRC, TIFF and others, whose readers are talkative
dicom_series.py  a folder with one DICOM series, or a file with many frames
dicom_slice.py   what one DICOM file says of its pixels and their place, and whether that can be believed
write.py         by the file's ending, whole or not at all
seg_nrrd.py      Slicer's segmentations: names, colours and terminology in the NRRD header
cases.py         what folders, tables and datasets hold, and which of their files are the same case
listed_case.py   a case before any file of it is read
dataset_json.py  nnU-Net's raw data and the Medical Segmentation Decathlon's
synapse.py       the Synapse multi-organ CT (BTCV), as downloaded and as SAMed's authors prepared it
paper_arrays.py  the authors' slices (.npz) and volumes (.npy.h5)
dicom_seg.py     DICOM Segmentation objects, through highdicom
atomic.py        there whole or not at all, by one writer at a time; what a killed one left is swept
lock.py          who holds a place that is written to, on whatever computer
outputs.py       what a command writes must not be what it reads
geometry.py      SimpleITK's origin, spacing and directions as one matrix, and back
"""
