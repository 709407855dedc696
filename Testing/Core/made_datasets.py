"""Small datasets in exactly the layouts that people have, made from one CT and its label map: for the tests of datasets."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np

from SAMedCore.files.synapse import BTCV_ORGANS
from SAMedCore.files.write import write_labelmap, write_volume
from SAMedCore.image.labels import SYNAPSE_ORGANS, LabelTable
from SAMedCore.image.volume import LabelMap, Volume

NAMES = {"background": 0, "liver": 1, "right kidney": 2}
"""Of the described datasets, which number their organs otherwise than Synapse does."""


def numbered(labelmap: LabelMap, value_of: dict[str, int]) -> LabelMap:
    """The label map in other values by name, as a file without names holds it; structures that are not named go."""
    new_value = np.zeros(65536, np.uint8)
    for label in labelmap.labels:
        new_value[label.value] = value_of.get(label.name, 0)
    voxels = new_value[labelmap.voxels]
    return replace(labelmap, voxels=voxels, labels=LabelTable.generic(sorted(set(value_of.values()) - {0})))


def write_pair(volume: Volume, labelmap: LabelMap | None, image: Path, labels: Path | None = None) -> None:
    for path in (image, labels):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
    write_volume(volume.voxels, volume.ijk_to_lps, image)
    if labels is not None and labelmap is not None:
        write_labelmap(labelmap, labels)


def described(folder: Path, **said) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dataset.json").write_text(json.dumps(said))
    return folder


def nnunet2(folder: Path, volume: Volume, labelmap: LabelMap) -> Path:
    for name in ("ct_001", "ct_002"):
        write_pair(
            volume, numbered(labelmap, NAMES), folder / f"imagesTr/{name}_0000.nii.gz", folder / f"labelsTr/{name}.nii.gz"
        )
    write_pair(volume, numbered(labelmap, NAMES), folder / "imagesTs/ct_003_0000.nii.gz", folder / "labelsTs/ct_003.nii.gz")
    return described(folder, channel_names={"0": "CT"}, labels=NAMES, numTraining=2, file_ending=".nii.gz")


def decathlon(folder: Path, volume: Volume, labelmap: LabelMap, channel: str = "") -> Path:
    for name in ("ct_1", "ct_2"):
        image = folder / f"imagesTr/{name}{channel}.nii.gz"
        write_pair(volume, numbered(labelmap, NAMES), image, folder / f"labelsTr/{name}.nii.gz")
        (folder / f"imagesTr/._{name}.nii.gz").write_bytes(b"a Mac's")
    write_pair(volume, None, folder / f"imagesTs/ct_3{channel}.nii.gz")
    return described(
        folder,
        modality={"0": "CT"},
        labels={str(value): name for name, value in NAMES.items()},
        numTraining=2,
        training=[{"image": f"./imagesTr/{name}.nii.gz", "label": f"./labelsTr/{name}.nii.gz"} for name in ("ct_1", "ct_2")],
        test=["./imagesTs/ct_3.nii.gz"],
    )


def nnunet1(folder: Path, volume: Volume, labelmap: LabelMap) -> Path:
    return decathlon(folder, volume, labelmap, "_0000")


def btcv(folder: Path, volume: Volume, labelmap: LabelMap) -> Path:
    """Of training cases 5 and 6, test case 1 of the paper, and a case that has no labels."""
    raw, organs = folder / "RawData", numbered(labelmap, {label.name: label.value for label in BTCV_ORGANS})
    for number in (1, 5, 6):
        write_pair(volume, organs, raw / f"Training/img/img{number:04}.nii.gz", raw / f"Training/label/label{number:04}.nii.gz")
    write_pair(volume, None, raw / "Testing/img/img0061.nii.gz")
    return folder


def paper(folder: Path, volume: Volume, labelmap: LabelMap) -> Path:
    """As the authors' own files are, without any geometry."""
    image = ((np.clip(volume.voxels.astype(np.float32), -125, 275) + 125) / 400).astype(np.float32)
    label = numbered(labelmap, {label.name: label.value for label in SYNAPSE_ORGANS}).voxels.astype(np.float32)
    for part in ("train_npz", "test_vol_h5", "lists/lists_Synapse"):
        (folder / part).mkdir(parents=True)
    slices = [f"case{case}_slice{k:03d}" for case in ("0005", "0006") for k in range(len(image))]
    for name in slices:
        np.savez(folder / "train_npz" / name, image=image[int(name[-3:])], label=label[int(name[-3:])])
    with h5py.File(folder / "test_vol_h5/case0001.npy.h5", "w") as file:
        file["image"], file["label"] = image, label
    (folder / "lists/lists_Synapse/train.txt").write_text("\n".join(slices))
    (folder / "lists/lists_Synapse/test_vol.txt").write_text("case0001\n")
    (folder / "lists/lists_Synapse/all.lst").write_text("case0005.npy.h5\ncase0006.npy.h5\ncase0001.npy.h5\n")
    return folder


LAYOUTS: dict[str, Callable[[Path, Volume, LabelMap], Path]] = {
    "nnU-Net 2": nnunet2,
    "nnU-Net 1": nnunet1,
    "Decathlon": decathlon,
    "BTCV": btcv,
    "paper": paper,
}
