"""Slices are counted from the feet, 0 the lowest, by everything public, whatever the checkpoint's own orientation is."""

import os
from dataclasses import replace

import numpy as np
import pytest
from cli_files import LABELS, SMALL, run, seeded_checkpoint
from worker_process import segmented, written

from SAMedCore.checkpoint.load import find_base_model
from SAMedCore.files.read import read_labelmap
from SAMedCore.files.write import write_labelmap, write_volume
from SAMedCore.image.orientation import reorient
from SAMedCore.image.slices import widest_gaps_first
from SAMedCore.image.volume import LabelMap, Volume
from SAMedCore.model.weights import build_pretrained, read_state
from SAMedCore.options import FinetuneOptions, ModelOptions, RankOptions, SegmentOptions
from SAMedCore.rank import rank_slices
from SAMedCore.segment import load_model
from SAMedCore.service.events import Result
from SAMedCore.service.messages import AnnotatedScan, Finetune, Segment
from SAMedCore.train.cases import Case
from SAMedCore.train.slices import NOT_ANNOTATED, slice_dataset

pytestmark = pytest.mark.skipif(os.name == "nt", reason="process groups")

FEET_FIRST, HEAD_FIRST = "LPS", "LPI"
TOWARDS = (FEET_FIRST, HEAD_FIRST)


@pytest.mark.parametrize(
    ("annotated", "within", "wanted"),
    [
        ((), range(7), [3, 1, 5, 0, 2, 4, 6]),
        ((10, 20, 40), range(10, 41), [30, 15, 25, 35]),
        ((0, 9), range(10), [4, 6, 2, 7, 1, 3, 5, 8]),
        ((3,), range(10), [6, 1, 8, 4, 0, 2, 5, 7, 9]),
        ((2, 90), range(2, 5), [3, 4]),
        ((4, 5), range(4, 6), []),
    ],
)
def test_the_middle_of_the_widest_gap_comes_first(annotated, within, wanted):
    order = widest_gaps_first(annotated, within)
    assert order[: len(wanted)] == wanted
    assert sorted(order) == [k for k in within if k not in annotated]


@pytest.fixture(scope="module")
def head_first(files, tmp_path_factory):
    """A checkpoint that finds something on every slice, and whose own slices are counted from the head."""
    base, weights = find_base_model(files.base)
    sam = build_pretrained("vit_b", len(LABELS), SMALL.input_size, read_state(weights), base.name)
    folder = tmp_path_factory.mktemp("checkpoints") / "head-first"
    seeded_checkpoint(folder, sam, base, HEAD_FIRST)
    return folder


@pytest.fixture(scope="module")
def lowest(labelmap) -> LabelMap:
    """Drawn on the lowest slice alone: from any other one there is nothing to learn."""
    voxels = np.zeros_like(labelmap.voxels)
    voxels[0] = labelmap.voxels[0]
    return replace(labelmap, voxels=voxels)


def filled(voxels: np.ndarray, volume: Volume) -> list[int]:
    """The slices that hold a label, from the feet."""
    feet_first = reorient(LabelMap(voxels, volume.ijk_to_lps, LABELS), FEET_FIRST)
    return np.flatnonzero(feet_first.voxels.any(axis=(1, 2))).tolist()


@pytest.mark.parametrize("stored", TOWARDS)
def test_command_line_library_and_worker_mean_the_same_slice(files, head_first, volume, worker, tmp_path, capsys, stored):
    volume = reorient(volume, stored)
    write_volume(volume.voxels, volume.ijk_to_lps, tmp_path / "ct.nii.gz")
    options = ["--model", head_first, "--base", files.base, "--device", "cpu", "--slices", "0:1"]
    run(capsys, "segment", tmp_path / "ct.nii.gz", tmp_path / "out.nii.gz", *options)
    by_command = reorient(read_labelmap(tmp_path / "out.nii.gz"), stored).voxels

    model = load_model(head_first, "cpu", base_weights=files.base)
    by_library = model.segment(volume, slices=[0]).voxels

    handle = worker.open(volume)
    options = ModelOptions(str(head_first), str(files.base), "cpu")
    by_worker = segmented(worker.ask(Segment(handle, options, SegmentOptions(slices=(0,)))))
    worker.close(handle)

    assert [filled(voxels, volume) for voxels in (by_command, by_library, by_worker)] == [[0]] * 3
    assert {each.number for each in rank_slices(model, volume, RankOptions([1, 2, 3]))} == {0}


@pytest.mark.parametrize(("code", "learnt"), [(FEET_FIRST, [0, 1]), (HEAD_FIRST, [2, 3])])
def test_the_library_learns_from_slices_numbered_from_the_feet(volume, labelmap, code, learnt):
    case, preprocessing = Case(volume, labelmap), replace(SMALL, orientation=code)
    dataset = slice_dataset([case], LABELS, preprocessing, 16, slices=(0, 1), keep_others=True)
    assert np.flatnonzero((dataset.classes != NOT_ANNOTATED).all(axis=(1, 2))).tolist() == learnt


@pytest.mark.parametrize("code", TOWARDS)
def test_finetune_learns_from_slices_numbered_from_the_feet(files, lowest, tmp_path, capsys, code):
    write_labelmap(lowest, tmp_path / "lowest.seg.nrrd")
    (tmp_path / "pairs.csv").write_text(f"image,labels\n{files.ct},lowest.seg.nrrd\n")
    data = ["--pairs", tmp_path / "pairs.csv", "--slices", "0:1", "--validation", 0, "--epochs", 1]
    run(capsys, "finetune", *data, "--base", files.base, "--orientation", code, "--out", tmp_path / "new", "--device", "cpu")


def test_the_worker_learns_from_slices_numbered_from_the_feet(files, head_first, handle, lowest, worker, tmp_path):
    scan = AnnotatedScan(handle, written(worker.folder, "labels", lowest), (0,))
    start = {"checkpoint": str(head_first), "base": str(files.base), "device": "cpu"}
    options = FinetuneOptions(str(tmp_path / "new"), epochs=1, validation=0.0, **start)
    answer = worker.ask(Finetune((scan,), options))[-1]
    assert isinstance(answer, Result), answer


@pytest.mark.parametrize("stored", TOWARDS)
def test_complete_takes_the_annotated_slices_from_the_feet(files, volume, labelmap, tmp_path, capsys, stored):
    turned = reorient(volume, stored)
    write_volume(turned.voxels, turned.ijk_to_lps, tmp_path / "ct.nii.gz")
    write_labelmap(reorient(labelmap, stored), tmp_path / "labels.nrrd")
    paths = [tmp_path / name for name in ("ct.nii.gz", "labels.nrrd", "out.nrrd")]
    run(capsys, "complete", *paths, "--annotated-slices", "0:3:2", "--base", files.base, "--device", "cpu")
    found = reorient(read_labelmap(tmp_path / "out.nrrd"), FEET_FIRST).voxels
    drawn = reorient(labelmap, FEET_FIRST).voxels
    assert np.array_equal(found[[0, 2]], drawn[[0, 2]])
    assert not np.array_equal(found[1], drawn[1])
    assert found[1].any()
