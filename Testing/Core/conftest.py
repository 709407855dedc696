"""Fixtures of the command line's tests."""

import numpy as np
import pytest
import torch
from cli_files import ONE_BLOCK, SLICES, SMALL, SMALL_FEW_SHOT, Files, seeded_checkpoint
from written_series import write_series

from SAMedCore.checkpoint import find_base_model
from SAMedCore.formats import read_volume, write_labelmap, write_volume
from SAMedCore.labels import SYNAPSE_ORGANS
from SAMedCore.model import sam as sam_module
from SAMedCore.model.sam import build_sam
from SAMedCore.training import presets
from SAMedCore.volume import LabelMap, reorient

torch.set_num_threads(2)


@pytest.fixture(scope="module")
def small_network():
    """The architecture vit_b with one block, and a few-shot recipe of seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sam_module.VIT_SIZES, "vit_b", ONE_BLOCK)
        patch.setitem(presets.PRESETS, "few-shot", SMALL_FEW_SHOT)
        yield


@pytest.fixture(scope="module")
def files(tmp_path_factory, sample_ct, sample_labels, small_network) -> Files:
    folder = tmp_path_factory.mktemp("files")
    matrix = sample_ct.ijk_to_lps.copy()
    matrix[:3, 3] += SLICES.start * matrix[:3, 2]
    for kind in ("images", "labels"):
        (folder / kind).mkdir()
    ct, labels = folder / "images" / "one.nii.gz", folder / "labels" / "one.seg.nrrd"
    write_volume(sample_ct.voxels[SLICES], matrix, ct)
    write_labelmap(LabelMap(sample_labels.voxels[SLICES], matrix, SYNAPSE_ORGANS), labels)
    slices = reorient(read_volume(ct), "LPS").voxels
    series = write_series(folder / "series", (slices + 1024).clip(0, 4000).astype(np.int16))
    sam = build_sam("vit_b", 3, SMALL.input_size, seed=0)
    torch.save(sam.state_dict(), folder / "base.pth")
    base, _ = find_base_model(folder / "base.pth")
    seeded_checkpoint(folder / "checkpoint", sam, base)
    return Files(folder, ct, labels, series, folder / "base.pth", folder / "checkpoint")
