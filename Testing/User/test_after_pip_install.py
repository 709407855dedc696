"""Everything that the README promises, with what pip installs for a user and nothing more, far from the checkout."""

import json

import numpy as np
import pytest
from imports import import_every_module, lacks
from worker_process import WorkerProcess, segmented

from SAMedCore.evaluate.measures import dice
from SAMedCore.files.read import read_labelmap
from SAMedCore.image.orientation import reorient
from SAMedCore.options import ModelOptions, SegmentOptions
from SAMedCore.service.events import Ready, Result
from SAMedCore.service.messages import Segment

DEVELOPERS_ONLY = ("timm", "pytest", "highdicom", "hypothesis", "medpy", "nrrd", "PySide6", "slicer", "tensorboard")

SEEDED_VIT_B = """
import sys, torch
from pathlib import Path
from SAMedCore.checkpoint.folder import CheckpointInfo
from SAMedCore.checkpoint.load import find_base_model, write_checkpoint
from SAMedCore.image.labels import SYNAPSE_ORGANS
from SAMedCore.model.lora import LoraSettings, add_lora
from SAMedCore.model.sam import build_sam
from SAMedCore.model.preprocessing import Preprocessing
sam = build_sam("vit_b", 3, seed=0)
torch.save(sam.state_dict(), "vit_b.pth")
base, _ = find_base_model("vit_b.pth")
labels = SYNAPSE_ORGANS.subset(["spleen", "liver", "aorta"])
torch.nn.init.normal_(sam.mask_decoder.mask_tokens.weight, generator=torch.Generator().manual_seed(0))
write_checkpoint(Path("seeded"), add_lora(sam, LoraSettings()), CheckpointInfo(base, labels, Preprocessing(orientation="RPS")))
"""
"""A base model's weights and a checkpoint on them: SAM's own weights cannot be had, and random ones do for files."""


@pytest.fixture(scope="module")
def segmentation(a_user, scan_files):
    """What the shipped checkpoint finds in the four slices."""
    a_user.samed("segment", scan_files[0], "organs.seg.nrrd", "--model", "abdomen-demo", "--overview", "organs.png")
    return a_user.desk / "organs.seg.nrrd"


@pytest.mark.parametrize("package", DEVELOPERS_ONLY)
def test_no_package_of_the_developers_leaks_in(a_user, package):
    assert lacks(a_user, package)


def test_the_wheel_is_what_is_imported(a_user):
    home = a_user.python("import SAMedCore; print(SAMedCore.__file__)").strip()
    assert home.startswith(str(a_user.folder))


def test_no_module_needs_more_than_is_declared(a_user):
    refused = import_every_module(a_user)
    assert refused == {"SAMedCore.files.dicom_seg": 'DICOM SEG (.dcm) needs highdicom: run pip install "samedcore[dicom]".'}


def test_the_demo_runs(a_user, outcome_of):
    outcome = outcome_of(a_user.samed("demo", "--json"))
    assert np.mean(outcome["dice"]["checkpoint"]) > np.mean(outcome["dice"]["interpolated"])
    assert (a_user.desk / "demo").is_dir()


def test_a_ct_is_segmented(a_user, segmentation, scan):
    found = read_labelmap(segmentation)
    (liver,) = found.labels.subset(["liver"]).values
    assert (found.voxels == liver).sum() > 0.5 * (scan[1].voxels == liver).sum()
    assert (a_user.desk / "organs.png").stat().st_size > 0


@pytest.mark.parametrize("protocol", ["standard", "paper"])
def test_a_segmentation_is_evaluated(a_user, segmentation, scan_files, outcome_of, protocol):
    (a_user.desk / "found").mkdir(exist_ok=True)
    (a_user.desk / "found" / "one.seg.nrrd").write_bytes(segmentation.read_bytes())
    folders = ("--predictions", "found", "--references", scan_files[1].parent)
    said = a_user.samed("evaluate", *folders, "--protocol", protocol, "--csv", "scores.csv", "--plot", "scores.png", "--json")
    liver = next(row for row in outcome_of(said)["summaries"] if row["label"] == "liver")
    assert liver["mean"]["dice"] > 0.8
    assert (a_user.desk / "scores.csv").stat().st_size > 0
    assert (a_user.desk / "scores.png").stat().st_size > 0


def test_a_box_becomes_a_structure(a_user, scan_files, scan, outcome_of):
    labels = reorient(scan[1], "LPS")
    (liver,) = labels.labels.subset(["liver"]).values
    rows, columns = np.nonzero(labels.voxels[1] == liver)
    corners = labels.grid.points_at([[columns.min(), rows.min(), 1], [columns.max(), rows.max(), 1]])
    prompts = {"structures": [{"name": "liver", "prompts": [{"box": corners}]}]}
    (a_user.desk / "prompts.json").write_text(json.dumps(prompts))
    said = a_user.samed("prompt", scan_files[0], "prompts.json", "liver.seg.nrrd", "--json")
    assert outcome_of(said)["structures"][0]["drawn"] == [0, 1, 2, 3]
    assert dice(read_labelmap(a_user.desk / "liver.seg.nrrd").voxels == 1, scan[1].voxels == liver) > 0.8


def test_a_scan_is_completed(a_user, scan_files, scan):
    a_user.samed("complete", *scan_files, "whole.seg.nrrd", "--annotated-slices", "0:4:3", "--steps", 2)
    whole = read_labelmap(a_user.desk / "whole.seg.nrrd")
    np.testing.assert_array_equal(whole.voxels[[0, 3]], scan[1].voxels[[0, 3]])
    assert whole.voxels[[1, 2]].any()


def test_a_model_learns_and_segments(a_user, scan_files, outcome_of):
    folders = ("--images", scan_files[0].parent, "--labels", scan_files[1].parent)
    options = ("--base", "lite", "--epochs", 1, "--slices", "0:2", "--validation", 0, "--json")
    said = a_user.samed("finetune", *folders, *options, "--out", "learnt")
    assert outcome_of(said)["checkpoint"] == "learnt"
    a_user.samed("segment", scan_files[0], "learnt.nii.gz", "--model", "learnt", "--slices", "0:1")
    assert (a_user.desk / "learnt.nii.gz").stat().st_size > 0


def test_a_checkpoint_goes_out_as_the_authors_file_and_comes_back(a_user, scan_files):
    a_user.python(SEEDED_VIT_B)
    a_user.samed("models", "export", "seeded", "authors.pth", "--base", "vit_b.pth")
    a_user.samed("models", "import", "authors.pth", "--base", "vit_b.pth", "--out", "imported")
    for name in ("seeded", "imported"):
        options = ("--base", "vit_b.pth", "--slices", "0:1")
        a_user.samed("segment", scan_files[0], f"{name}.nii.gz", "--model", name, *options)
    there, back = (read_labelmap(a_user.desk / f"{name}.nii.gz").voxels for name in ("seeded", "imported"))
    assert there.any()
    assert np.array_equal(there != 0, back != 0)


def test_the_worker_answers(a_user, scan):
    worker = WorkerProcess(a_user.desk / "private", python=a_user.program)
    worker.wait_for(Ready)
    model = ModelOptions("abdomen-demo", device="cpu")
    events = worker.ask(Segment(worker.open(scan[0]), model, SegmentOptions(slices=(0,))))
    assert isinstance(events[-1], Result)
    assert segmented(events)[0].any()
    worker.process.stdin.close()
    assert worker.process.wait(timeout=10) == 0
