"""The sample CT of the demo and the tests: TotalSegmentator's own test data, fetched from its source archive on PyPI.

The labels are TotalSegmentator's predictions, not a person's. Of its classes the eight organs of `SYNAPSE_ORGANS` are kept.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from SAMedCore.checkpoint import fetch
from SAMedCore.checkpoint.fetch import PackagedFiles
from SAMedCore.files.read import read_labelmap, read_volume
from SAMedCore.image.labels import SYNAPSE_ORGANS
from SAMedCore.image.volume import LabelMap, Volume
from SAMedCore.work import SILENT, Work

NAME = "sample"
"""By which it is fetched."""

REFERENCE_FILES = "tests/reference_files"
SAMPLE = PackagedFiles(
    package="TotalSegmentator",
    version="2.18.0",
    sha256="5d4223ef93973bc36d710869d11e7742ead2c154c72f7f9edcaaadd5b6c4bd03",
    source=True,
    members={
        f"{REFERENCE_FILES}/example_ct.nii.gz": "dbd3ae6d614d1d7ef3a46925c30c70038ed52da6b37fdd6afdc7b9b71387e3e1",
        f"{REFERENCE_FILES}/example_seg_fast_force_split.nii.gz": (
            "e8097758e56e73099075b6caaebce23ef11bc6fad66a4ec3753b9406846558c7"
        ),
    },
)
ORGAN_OF_CLASS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 52: 7, 7: 8}
"""TotalSegmentator's `class_map["total"]` value -> value in `SYNAPSE_ORGANS`."""

ORGAN_SLICES = range(52, 112)
"""The slices (k, in the orientation LPS or RAS) that hold the eight organs."""

ANNOTATED_EVERY = 6
"""The shipped checkpoint was trained on every 6th slice of `ORGAN_SLICES`, and on no other."""


def fetch_sample_files(work: Work = SILENT) -> list[Path]:
    """The files of CT and labels in the cache folder, fetched unless already there.

    Raises:
        Cancelled: the user stopped it.
        SAMedError: they cannot be had.
    """
    folder = fetch.cache_folder() / "samples"
    paths = [folder / member.rsplit("/", 1)[1] for member in SAMPLE.members]
    wanted = list(SAMPLE.members.values())
    if all(path.is_file() and fetch.sha256_of(path) == sha for path, sha in zip(paths, wanted, strict=True)):
        return paths
    return fetch.fetch_packaged(SAMPLE, folder, work)


def fetch_sample(work: Work = SILENT) -> tuple[Volume, LabelMap]:
    """The sample CT (122 x 101 x 112 voxels of 3 mm, RAS) and its eight organs, fetched unless already there.

    Raises:
        SAMedError: they cannot be had.
    """
    paths = fetch_sample_files(work)
    every_class = read_labelmap(paths[1])
    organs = np.zeros_like(every_class.voxels, dtype=np.uint8)
    for source, organ in ORGAN_OF_CLASS.items():
        organs[every_class.voxels == source] = organ
    return read_volume(paths[0]), LabelMap(organs, every_class.ijk_to_lps, SYNAPSE_ORGANS)
