"""The scan on which completing did worse than copying: 20 slices of a CT as DICOM, from the sample's archive."""

from __future__ import annotations

from dataclasses import replace

from prompt_scans import Scan

from SAMedCore.checkpoint import fetch
from SAMedCore.demo.sample import REFERENCE_FILES, SAMPLE
from SAMedCore.files.read import read_labelmap, read_volume
from SAMedCore.image.orientation import turned_view

SLICE = "CT.1.3.12.2.1107.5.1.4.60064.300000221208081134280000165"
SLICES = {
    "73": "4c5633409fa4d3edf6871e5684e9e1b10325b4d0949997582f43b23a684d0dc4",
    "74": "9148f91127145497f4d6c6f0780f9452504cd7fe5088ec8f2bf2b21800c731ff",
    "75": "3edaccec892e0821440cbefe3d5465923bb5146c316cbaf58f578d962f120484",
    "76": "9b68685f0c5f9bfcfc2c397f4fadf431da288d7422ca72e7d9031d4e039418cd",
    "77": "c8d2c0dc05e414d47d3652c658d8fecc20c3cf7ce106c10d84ad033d39700bcc",
    "78": "0ee2c1d58e06cedd91483ca35c04da3c26fea0dbe88aaf1eaa950b57f38357d6",
    "79": "c76cf0818d4215b92883d109b8a0b62ae0a4d81637eed98738f9c62b6f49bb72",
    "80": "106e20514fd3ca66895e14dbfba96c01c1195e4ed890c035d4368dd71f3ee116",
    "81": "5804e6c4a50f4d5b20040ac82a1c6d79cba5f7267d71f10b0a1b49eda1bc13ff",
    "82": "bef219a16b22949224de4581a2d288863b2585d29556ac24021f03307378cb39",
    "83": "9de5a49e880417d5330fe299115fdb95831a98234216a31c5c0e9a0be9a6dcd3",
    "84": "fa00c8d81ec8aa0d0cfc4e05343782c3a75a4c60df8cccf9ff5db42ac454e61d",
    "85": "ebba0900b0f728db0c94c769db3e5ca38a0cd916386a727541eb3e56350770e5",
    "86": "f084ec95cfba25efb7cbe86e8b4966b051904037e8385f58fe398c5475693b89",
    "87": "20a9b88a30ea8a824ac65cb19c1ebf80964b41ff476497706ff2a286e5f27a25",
    "88": "2a515d3b60f3ff733aac1fc5414206c331e3ed2ccef8c2e0c30b844c538e3ed8",
    "89": "5880669f1bc36b09cad4bdf487992ec415da0afa014e927efc282e612f467574",
    "90": "7af4dd5b5766a87368939116b91f90d989820e7b2237fb9bcd10d47db0960875",
    "91": "671306f4462ae881976c18c6a2d8a1567279fb0166ef0e9e8a41271fac9c1cbb",
    "92": "fdb76ad5272f074e07cc81509604fd163f2f8a9903d34b16ba6f078250373c51",
}
"""The ends of its files' names, and the files' SHA-256."""

LABELS = "98af7f6536c316ff9084054f20956cd3e28af376b81d582d269fbea2744878fc"
ORGANS = {1: "spleen", 5: "liver", 6: "stomach", 52: "aorta", 7: "pancreas"}
"""Of TotalSegmentator's `class_map["total"]`."""


def dicom_ct_scan() -> Scan:
    """0.98 x 0.98 x 2 mm, 512 x 512."""
    folder = fetch.cache_folder() / "samples" / "dicom"
    series = {f"{REFERENCE_FILES}/example_ct_dicom/{SLICE}{end}": sha256 for end, sha256 in SLICES.items()}
    files = fetch.fetch_packaged(replace(SAMPLE, members=series), folder)
    labels = replace(SAMPLE, members={f"{REFERENCE_FILES}/example_seg_dicom.nii.gz": LABELS})
    (drawn,) = fetch.fetch_packaged(labels, folder.parent)
    voxels = turned_view(read_labelmap(drawn), "LPS").voxels
    return Scan(read_volume(files[0].parent), {name: voxels == value for value, name in ORGANS.items()})
