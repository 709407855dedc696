"""The scan on which completing did worse than copying."""

from __future__ import annotations

from dicom_ct import dicom_ct
from prompt_scans import Scan

from SAMedCore.image.orientation import turned_view

ORGANS = {1: "spleen", 5: "liver", 6: "stomach", 52: "aorta", 7: "pancreas"}
"""Of TotalSegmentator's `class_map["total"]`."""


def dicom_ct_scan() -> Scan:
    """The CT as DICOM, with five organs."""
    volume, labels = dicom_ct()
    voxels = turned_view(labels, "LPS").voxels
    return Scan(volume, {name: voxels == value for value, name in ORGANS.items()})
