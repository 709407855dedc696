"""The CT of another patient, to train on: see `dicom_ct`."""

from __future__ import annotations

import numpy as np
from dicom_ct import dicom_ct

from SAMedCore.demo.sample import ORGAN_OF_CLASS
from SAMedCore.image.labels import SYNAPSE_ORGANS, LabelTable
from SAMedCore.image.volume import LabelMap, Volume

ORGANS = (1, 5, 6, 7)
"""Of `SYNAPSE_ORGANS`: spleen, liver, stomach and aorta, which run through all of it."""


def other_ct() -> tuple[Volume, LabelMap]:
    """The scan and its four organs, which are TotalSegmentator's predictions, fetched unless already there."""
    volume, every_class = dicom_ct()
    organs = np.zeros_like(every_class.voxels, dtype=np.uint8)
    for source, organ in ORGAN_OF_CLASS.items():
        if organ in ORGANS:
            organs[every_class.voxels == source] = organ
    table = LabelTable(tuple(label for label in SYNAPSE_ORGANS if label.value in ORGANS))
    return volume, LabelMap(organs, every_class.ijk_to_lps, table)
