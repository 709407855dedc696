"""The command line's jobs from end to end with real files: a crop of the sample CT, and a small seeded network on the disk."""

import csv
import json
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import highdicom
import numpy as np
import pytest
import SimpleITK
import torch
from cli_files import LABELS, SMALL, evaluate, finetune, run, seeded_checkpoint, segment
from written_series import strip_slices

from SAMedCore.checkpoint.folder import read_info
from SAMedCore.checkpoint.load import find_base_model
from SAMedCore.cli import main
from SAMedCore.cli.console import Console
from SAMedCore.files.read import read_labelmap, read_volume
from SAMedCore.files.write import write_labelmap
from SAMedCore.image.grid import same_grid
from SAMedCore.image.labels import SYNAPSE_ORGANS
from SAMedCore.image.orientation import orientation_of, reorient
from SAMedCore.image.volume import LabelMap
from SAMedCore.model.weights import build_pretrained, read_state
from SAMedCore.train import recipe
from SAMedCore.train.recipe import PRESETS

pytestmark = [
    pytest.mark.usefixtures("small_network"),
    pytest.mark.filterwarnings("ignore:.*scipy.ndimage:DeprecationWarning"),
]


@pytest.mark.parametrize("ending", [".seg.nrrd", ".nii.gz", ".nrrd", ".mha"])
def test_a_ct_becomes_a_label_map_on_its_grid(files, tmp_path, capsys, ending):
    *progress, result = run(capsys, *segment(files, tmp_path / f"out{ending}"))
    assert [(event["event"], event["done"], event["total"]) for event in progress] == [("progress", k, 4) for k in (1, 2, 3, 4)]
    assert result == {"event": "result", "segmentation": str(tmp_path / f"out{ending}")}
    found = read_labelmap(tmp_path / f"out{ending}")
    assert same_grid(found.grid, read_volume(files.ct).grid)
    assert set(np.unique(found.voxels)) == {0, *LABELS.values}
    if ending == ".seg.nrrd":
        assert found.labels == LABELS


def test_chosen_labels_and_slices_are_all_that_is_left(files, tmp_path, capsys):
    run(capsys, *segment(files, tmp_path / "all.nii.gz"))
    run(capsys, *segment(files, tmp_path / "some.seg.nrrd", "--labels", "Liver,spleen", "--slices", "1:3", "--batch-size", 3))
    expected = read_labelmap(tmp_path / "all.nii.gz").voxels
    expected[[0, 3]] = 0
    expected[expected == 7] = 0
    found = read_labelmap(tmp_path / "some.seg.nrrd")
    assert np.array_equal(found.voxels, expected)
    assert found.labels.names == ("spleen", "liver")


def test_the_largest_component_is_kept(files, tmp_path, capsys):
    run(capsys, *segment(files, tmp_path / "all.nii.gz"))
    run(capsys, *segment(files, tmp_path / "largest.nii.gz", "--largest-component"))
    before, after = read_labelmap(tmp_path / "all.nii.gz").voxels, read_labelmap(tmp_path / "largest.nii.gz").voxels
    assert 0 < np.count_nonzero(after) < np.count_nonzero(before)
    assert np.array_equal(after[after > 0], before[after > 0])


def test_probabilities_and_an_overview_come_with_it(files, tmp_path, capsys):
    soft, picture = tmp_path / "soft.nrrd", tmp_path / "overview.png"
    run(capsys, *segment(files, tmp_path / "out.nii.gz", "--probabilities", soft, "--overview", picture))
    probabilities = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(soft))
    labels = read_labelmap(tmp_path / "out.nii.gz").voxels
    assert probabilities.shape == (*labels.shape, len(LABELS) + 1)
    runner_up, highest = np.sort(probabilities, axis=-1)[..., -2:].transpose(3, 0, 1, 2)
    clear = highest - runner_up > 2e-3  # float16 cannot tell closer ones apart
    assert clear.mean() > 0.5
    assert np.array_equal(np.array([0, *LABELS.values])[probabilities.argmax(-1)][clear], labels[clear])
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_dicom_series_becomes_a_dicom_segmentation(files, tmp_path, capsys):
    out = tmp_path / "out.dcm"
    run(capsys, "segment", files.series, out, "--model", files.checkpoint, "--base", files.base, "--device", "cpu")
    found = read_labelmap(out)
    assert same_grid(found.grid, read_volume(files.series).grid)
    assert set(np.unique(found.voxels)) == {0, *LABELS.values}
    assert found.labels.names == LABELS.names
    assert not found.person_drew


def test_what_a_series_lacks_is_named_before_the_model_is_asked_for(files, tmp_path, capsys):
    series = Path(shutil.copytree(files.series, tmp_path / "series"))
    strip_slices(series, ["StudyInstanceUID", "StudyID"])
    assert main(["segment", str(series), str(tmp_path / "out.dcm"), "--model", str(tmp_path / "no model")]) == 2
    error = capsys.readouterr().err
    assert "StudyInstanceUID, StudyID" in error
    assert "choose .seg.nrrd" in error
    assert error.count("\n") == 1


def test_a_result_that_cannot_be_written_as_asked_is_kept_beside_it(files, tmp_path, capsys, monkeypatch):
    def fail(*arguments, **options):
        if options["pixel_array"].any():
            raise ValueError("no such luck")
        return whole(*arguments, **options)

    whole = highdicom.seg.Segmentation
    monkeypatch.setattr(highdicom.seg, "Segmentation", fail)
    (tmp_path / "out.seg.nrrd").touch()
    arguments = [files.series, tmp_path / "out.dcm", "--model", files.checkpoint, "--base", files.base, "--device", "cpu"]
    assert main(["segment", *map(str, arguments)]) == 2
    assert f'it was written to "{tmp_path / "out2.seg.nrrd"}"' in capsys.readouterr().err.splitlines()[-1]
    assert set(np.unique(read_labelmap(tmp_path / "out2.seg.nrrd").voxels)) == {0, *LABELS.values}
    assert (tmp_path / "out.seg.nrrd").stat().st_size == 0
    assert not (tmp_path / "out.dcm").exists()


def test_lite_segments_in_a_process_of_its_own_with_a_clean_stdout(files, tmp_path, lite_weights):
    base, _ = find_base_model("lite")
    sam = build_pretrained("lite", len(LABELS), None, read_state(lite_weights), "lite")
    seeded_checkpoint(tmp_path / "lite", sam, base)
    command = [sys.executable, "-m", "SAMedCore", "segment", files.ct, tmp_path / "out.seg.nrrd", "--slices", "1:2"]
    done = subprocess.run(
        [*map(str, command), "--model", str(tmp_path / "lite"), "--device", "cpu", "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["event"] for line in done.stdout.splitlines()] == ["progress", "result"]
    assert read_labelmap(tmp_path / "out.seg.nrrd").voxels[1].any()


def test_ctrl_c_leaves_no_segmentation(files, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(Console, "_show", lambda self, event: signal.raise_signal(signal.SIGINT))
    assert main([str(argument) for argument in segment(files, tmp_path / "out.nii.gz")]) == 130
    assert capsys.readouterr().err == "samed: Cancelled.\n"
    assert list(tmp_path.iterdir()) == []


def test_a_partly_annotated_scan_is_completed_and_the_baselines_stand_beside_it(files, tmp_path, capsys):
    labels = read_labelmap(files.labels)
    labels.voxels[1] = 0
    write_labelmap(labels, tmp_path / "some.seg.nrrd")
    options = ["--base", files.base, "--device", "cpu", "--steps", 2]
    *_, result = run(capsys, "complete", files.ct, tmp_path / "some.seg.nrrd", tmp_path / "out.seg.nrrd", *options)
    assert set(result["estimated_dice"]) == {"copy", "interpolation", "carrying", "network", "together"}
    assert result["method"] in result["estimated_dice"]
    found = read_labelmap(tmp_path / "out.seg.nrrd")
    assert np.array_equal(found.voxels[[0, 2, 3]], labels.voxels[[0, 2, 3]])
    assert found.voxels[1].any()
    assert found.labels == labels.labels


def test_a_completed_dicom_series_says_that_a_person_drew_part_of_it(files, tmp_path, capsys):
    series = read_volume(files.series)
    voxels = reorient(read_labelmap(files.labels), orientation_of(series.grid)).voxels.copy()
    voxels[1] = 0
    write_labelmap(LabelMap(voxels, series.ijk_to_lps, SYNAPSE_ORGANS), tmp_path / "some.seg.nrrd")
    options = ["--base", files.base, "--device", "cpu", "--steps", 2]
    run(capsys, "complete", files.series, tmp_path / "some.seg.nrrd", tmp_path / "out.dcm", *options)
    assert read_labelmap(tmp_path / "out.dcm").person_drew


def test_folders_become_a_checkpoint_that_segments(files, tmp_path, capsys):
    *progress, result = run(capsys, *finetune(files, tmp_path / "new", "--classes", "liver,aorta"))
    assert {event.get("phase") for event in progress} == {None, "reading", "encoding", "training", "comparing"}
    assert result["checkpoint"] == str(tmp_path / "new")
    assert 0 <= result["validation_dice"] <= 1
    info = read_info(tmp_path / "new")
    assert result["comparison"] == info.metrics["before_after"]
    assert (tmp_path / "new" / "before-after.png").read_bytes().startswith(b"\x89PNG")
    assert info.labels.names == ("liver", "aorta")
    assert (info.trained_on["slices"], info.trained_on["validation_slices"]) == (3, 1)
    run(capsys, "segment", files.ct, tmp_path / "out.nii.gz", "--model", tmp_path / "new", "--base", files.base)
    assert set(np.unique(read_labelmap(tmp_path / "out.nii.gz").voxels)) <= {0, 5, 7}


def test_a_table_of_scans_becomes_a_checkpoint_in_float16(files, tmp_path, capsys):
    table = tmp_path / "pairs.csv"
    table.write_text(f"image,labels\n{files.ct},{files.labels}\n")
    options = ["--pairs", table, "--from", files.checkpoint, "--base", files.base, "--validation", 0, "--epochs", 1, "--half"]
    run(capsys, "finetune", *options, "--out", tmp_path / "new")
    size = [(folder / "adapter_model.safetensors").stat().st_size for folder in (tmp_path / "new", files.checkpoint)]
    assert size[0] < 0.51 * size[1]
    assert read_info(tmp_path / "new").labels == LABELS


@pytest.mark.parametrize(
    ("options", "slices"),
    [
        (["--slices", "1:3"], 2),
        (["--slices", "0:4:3"], 2),
        (["--slices", "all"], 4),
        (["--slices", "1:2", "--keep-others"], 4),
    ],
)
def test_slices_are_chosen(files, tmp_path, capsys, options, slices):
    run(capsys, *finetune(files, tmp_path / "new", "--validation", 0, "--epochs", 1, *options))
    assert read_info(tmp_path / "new").trained_on["slices"] == slices


@pytest.mark.parametrize(("preset", "slices"), [("few-shot", 3), ("samed", 4)])
def test_the_papers_preset_learns_from_slices_without_labels_too(files, tmp_path, capsys, monkeypatch, preset, slices):
    labels = read_labelmap(files.labels)
    labels.voxels[0] = 0
    write_labelmap(labels, tmp_path / "labels.seg.nrrd")
    (tmp_path / "pairs.csv").write_text(f"image,labels\n{files.ct},labels.seg.nrrd\n")
    monkeypatch.setitem(recipe.PRESETS, "samed", replace(PRESETS["samed"], sizes=SMALL.sizes))
    options = ["--pairs", tmp_path / "pairs.csv", "--base", files.base, "--preset", preset, "--epochs", 1, "--validation", 0]
    run(capsys, "finetune", *options, "--out", tmp_path / "new")
    assert read_info(tmp_path / "new").trained_on["slices"] == slices


def test_minutes_end_the_encoding_after_a_version_and_the_training_after_an_epoch(files, tmp_path, capsys, several_versions):
    *progress, _ = run(capsys, *finetune(files, tmp_path / "new", "--epochs", 50, "--minutes", 1e-9))
    assert max(event["done"] for event in progress if event.get("phase") == "encoding") == 3
    assert {(event["epoch"], event["epochs"]) for event in progress if event.get("phase") == "training"} == {(1, 50)}


def test_ctrl_c_keeps_the_best_checkpoint_and_resume_goes_on(files, tmp_path, capsys, monkeypatch):
    def interrupt(self, event):
        if getattr(event, "epoch", None) == 2:
            signal.raise_signal(signal.SIGINT)

    arguments = finetune(files, tmp_path / "new", "--epochs", 3)
    with monkeypatch.context() as patch:
        patch.setattr(Console, "_show", interrupt)
        assert main([str(argument) for argument in arguments]) == 130
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert str(tmp_path / "new") in error
    assert "--resume" in error
    assert read_info(tmp_path / "new").metrics["epochs"] == 1
    *progress, result = run(capsys, *arguments, "--resume")
    assert {event["epoch"] for event in progress if event.get("phase") == "training"} == {2, 3}
    assert result["checkpoint"] == str(tmp_path / "new")


@pytest.mark.parametrize("protocol", ["standard", "paper"])
def test_segmentations_are_scored(files, tmp_path, capsys, protocol):
    run(capsys, *segment(files, tmp_path / "one.nii.gz"))
    scores, plot = tmp_path / "scores.csv", tmp_path / "plot.png"
    arguments = ["--predictions", tmp_path, "--references", files.folder / "labels", "--protocol", protocol]
    assert main([str(argument) for argument in ("evaluate", *arguments, "--csv", scores, "--plot", plot)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines[2:10]] == list(SYNAPSE_ORGANS.names)
    with scores.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == list(SYNAPSE_ORGANS.names)
    liver = next(row for row in rows if row["label"] == "liver")
    truth, found = read_labelmap(files.labels).voxels == 5, read_labelmap(tmp_path / "one.nii.gz").voxels == 5
    assert float(liver["dice"]) == pytest.approx(2 * (truth & found).sum() / (truth.sum() + found.sum()), abs=1e-4)
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_scores_come_as_json(files, capsys):
    progress, result = run(capsys, *evaluate(files))
    assert (progress["done"], progress["total"]) == (1, 1)
    assert [row["mean"]["dice"] for row in result["summaries"] if row["label"] in ("liver", "mean")] == [1, 1]


def test_a_checkpoint_tells_what_it_is(files, capsys):
    (result,) = run(capsys, "models", "info", files.checkpoint)
    assert result["base"]["architecture"] == "vit_b"
    assert [label["name"] for label in result["labels"]] == list(LABELS.names)


def test_an_exported_checkpoint_comes_back_by_import(files, tmp_path, capsys):
    original, again = tmp_path / "original.pth", tmp_path / "again"
    run(capsys, "models", "export", files.checkpoint, original, "--base", files.base)
    orientation = ["--orientation", "LPS", "--input-size", SMALL.input_size]
    run(capsys, "models", "import", original, "--base", files.base, "--out", again, *orientation)
    exported = tmp_path / "exported.pth"
    run(capsys, "models", "export", again, exported, "--base", files.base)
    first, second = (torch.load(file, weights_only=True) for file in (original, exported))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)
    run(capsys, "segment", files.ct, tmp_path / "out.nii.gz", "--model", again, "--base", files.base)
    assert set(np.unique(read_labelmap(tmp_path / "out.nii.gz").voxels)) <= {0, 1, 2, 3}
