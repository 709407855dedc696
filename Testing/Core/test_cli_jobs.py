"""The command line's jobs from end to end with real files: a crop of the sample CT, and a small seeded network on the disk."""

import csv
import json
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
import torch
from written_series import write_series

from SAMedCore import catalogue
from SAMedCore.checkpoint import Base, CheckpointInfo, find_base_model, read_info, write_checkpoint
from SAMedCore.cli import main
from SAMedCore.cli.console import Console
from SAMedCore.formats import read_labelmap, read_volume, write_labelmap, write_volume
from SAMedCore.labels import SYNAPSE_ORGANS
from SAMedCore.model import sam as sam_module
from SAMedCore.model.lora import LoraSettings, add_lora
from SAMedCore.model.sam import VitSize, build_sam
from SAMedCore.model.weights import load_base_weights, read_state
from SAMedCore.preprocessing import Preprocessing
from SAMedCore.training import presets
from SAMedCore.training.presets import PRESETS, Stage
from SAMedCore.volume import LabelMap, reorient, same_grid

pytestmark = pytest.mark.filterwarnings("ignore:.*scipy.ndimage:DeprecationWarning")

LABELS = SYNAPSE_ORGANS.subset(["spleen", "liver", "aorta"])
SLICES = slice(70, 74)
ONE_BLOCK = VitSize(embed_dim=768, depth=1, num_heads=12, global_attn_indexes=(0,))
SMALL = Preprocessing(sizes=(48, 64))


@dataclass(frozen=True)
class Files:
    """What the jobs take: a CT of 4 slices, its labels, a base model's weights and a checkpoint on it."""

    folder: Path
    ct: Path
    labels: Path
    series: Path
    base: Path
    checkpoint: Path


@pytest.fixture(scope="module", autouse=True)
def small_network():
    """The architecture vit_b with one block, and a few-shot recipe of seconds."""
    stages = (Stage(trains="decoder", batch_size=2, base_rate=1e-3, warmup_steps=2, planned_epochs=2, epochs=2),)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sam_module.VIT_SIZES, "vit_b", ONE_BLOCK)
        patch.setitem(presets.PRESETS, "few-shot", replace(PRESETS["few-shot"], sizes=SMALL.sizes, stages=stages))
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


def seeded_checkpoint(folder: Path, sam, base: Base) -> None:
    """A checkpoint whose mask tokens are random, so that all of its classes occur."""
    torch.nn.init.normal_(sam.mask_decoder.mask_tokens.weight, generator=torch.Generator().manual_seed(0))
    sizes = SMALL.sizes if base.architecture == "vit_b" else (256,)
    write_checkpoint(folder, add_lora(sam, LoraSettings()), CheckpointInfo(base, LABELS, Preprocessing(sizes=sizes)))


def run(capsys, *arguments) -> list[dict]:
    """The events of a command that succeeds with --json; nothing else may stand on stdout."""
    assert main([str(argument) for argument in (*arguments, "--json")]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def segment(files: Files, out: Path, *options) -> list:
    return ["segment", files.ct, out, "--model", files.checkpoint, "--base", files.base, "--device", "cpu", *options]


def finetune(files: Files, out: Path, *options) -> list:
    data = ["--images", files.folder / "images", "--labels", files.folder / "labels", "--validation", 0.25]
    return ["finetune", *data, "--base", files.base, "--out", out, "--device", "cpu", *options]


def evaluate(files: Files, *options) -> list:
    return ["evaluate", "--predictions", files.folder / "labels", "--references", files.folder / "labels", *options]


@pytest.mark.parametrize("ending", [".seg.nrrd", ".nii.gz", ".nrrd", ".mha"])
def test_a_ct_becomes_a_label_map_on_its_grid(files, tmp_path, capsys, ending):
    *progress, result = run(capsys, *segment(files, tmp_path / f"out{ending}"))
    assert [(event["event"], event["done"], event["total"]) for event in progress] == [("progress", k, 4) for k in (1, 2, 3, 4)]
    assert result == {"event": "result", "segmentation": str(tmp_path / f"out{ending}")}
    found = read_labelmap(tmp_path / f"out{ending}")
    assert same_grid(found, read_volume(files.ct))
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
    assert same_grid(found, read_volume(files.series))
    assert set(np.unique(found.voxels)) == {0, *LABELS.values}
    assert found.labels.names == LABELS.names


def test_lite_segments_in_a_process_of_its_own_with_a_clean_stdout(files, tmp_path, lite_weights):
    base, _ = find_base_model("lite")
    sam = build_sam("lite", len(LABELS))
    load_base_weights(sam, read_state(lite_weights), "lite")
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
    monkeypatch.setattr(Console, "progress", lambda self, event: signal.raise_signal(signal.SIGINT))
    assert main([str(argument) for argument in segment(files, tmp_path / "out.nii.gz")]) == 130
    assert capsys.readouterr().err == "samed: Cancelled.\n"
    assert list(tmp_path.iterdir()) == []


def test_folders_become_a_checkpoint_that_segments(files, tmp_path, capsys):
    *progress, result = run(capsys, *finetune(files, tmp_path / "new", "--classes", "liver,aorta"))
    assert {event["phase"] for event in progress} == {"reading", "encoding", "training"}
    assert result["checkpoint"] == str(tmp_path / "new")
    assert 0 <= result["validation_dice"] <= 1
    info = read_info(tmp_path / "new")
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
    monkeypatch.setitem(presets.PRESETS, "samed", replace(PRESETS["samed"], sizes=SMALL.sizes))
    options = ["--pairs", tmp_path / "pairs.csv", "--base", files.base, "--preset", preset, "--epochs", 1, "--validation", 0]
    run(capsys, "finetune", *options, "--out", tmp_path / "new")
    assert read_info(tmp_path / "new").trained_on["slices"] == slices


def test_minutes_end_the_training_after_an_epoch(files, tmp_path, capsys):
    *progress, _ = run(capsys, *finetune(files, tmp_path / "new", "--epochs", 50, "--minutes", 1e-9))
    assert {(event["epoch"], event["epochs"]) for event in progress if event["phase"] == "training"} == {(1, 50)}


def test_ctrl_c_keeps_the_best_checkpoint_and_resume_goes_on(files, tmp_path, capsys, monkeypatch):
    def interrupt(self, event):
        if event.get("epoch") == 2:
            signal.raise_signal(signal.SIGINT)

    arguments = finetune(files, tmp_path / "new", "--epochs", 3)
    with monkeypatch.context() as patch:
        patch.setattr(Console, "progress", interrupt)
        assert main([str(argument) for argument in arguments]) == 130
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert str(tmp_path / "new") in error
    assert "--resume" in error
    assert read_info(tmp_path / "new").metrics["epochs"] == 1
    *progress, result = run(capsys, *arguments, "--resume")
    assert {event["epoch"] for event in progress if event["phase"] == "training"} == {2, 3}
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


def changed(checkpoint: Path, folder: Path, **facts) -> Path:
    """A copy of a checkpoint that says something else of itself."""
    copy = Path(shutil.copytree(checkpoint, folder / "changed"))
    said = json.loads((copy / "samed.json").read_text())
    (copy / "samed.json").write_text(json.dumps({**said, **facts}))
    return copy


def other_weights(folder: Path) -> Path:
    torch.save({"image_encoder.pos_embed": torch.zeros(1, 4, 4, 768)}, folder / "other.pth")
    return folder / "other.pth"


def damaged_json(files: Files, folder: Path) -> Path:
    copy = Path(shutil.copytree(files.checkpoint, folder / "damaged"))
    (copy / "samed.json").write_text("{")
    return copy


def damaged_adapter(files: Files, folder: Path) -> Path:
    copy = Path(shutil.copytree(files.checkpoint, folder / "damaged"))
    (copy / "adapter_model.safetensors").write_bytes(b"cut off")
    return copy


def under_a_file(folder: Path) -> Path:
    (folder / "file").touch()
    return folder / "file" / "out.nii.gz"


def model(files: Files, folder: Path, checkpoint: Path, base: Path | None = None) -> list:
    """Segmenting with a model that is not right."""
    options = ["--model", checkpoint, "--base", base or files.base, "--device", "cpu"]
    return ["segment", files.ct, folder / "out.nii.gz", *options]


def data(files: Files, folder: Path, labels: LabelMap) -> list:
    """Fine-tuning on the CT with these labels."""
    write_labelmap(labels, folder / "bad.nrrd")
    (folder / "pairs.csv").write_text(f"image,labels\n{files.ct},bad.nrrd\n")
    return ["finetune", "--pairs", folder / "pairs.csv", "--base", files.base, "--out", folder / "new", "--device", "cpu"]


def scaled(files: Files) -> LabelMap:
    labels = read_labelmap(files.labels)
    return replace(labels, ijk_to_lps=labels.ijk_to_lps @ np.diag([1, 1, 2, 1]))


def unlabelled(files: Files) -> LabelMap:
    labels = read_labelmap(files.labels)
    return replace(labels, voxels=np.zeros_like(labels.voxels))


def scans(files: Files, folder: Path, image: str | None, label: str | None) -> list:
    """Fine-tuning on folders that hold these files."""
    for kind, source, name in (("images", files.ct, image), ("labels", files.labels, label)):
        (folder / kind).mkdir()
        if name:
            shutil.copy(source, folder / kind / name)
    data = ["--images", folder / "images", "--labels", folder / "labels"]
    return ["finetune", *data, "--base", files.base, "--out", folder / "new", "--device", "cpu"]


def predicted_value_9(files: Files, folder: Path) -> list:
    (folder / "predictions").mkdir()
    labels = read_labelmap(files.labels)
    labels.voxels[0, 0, 0] = 9
    write_labelmap(labels, folder / "predictions" / "one.nii.gz")
    return ["evaluate", "--predictions", folder / "predictions", "--references", files.folder / "labels"]


def no_predictions(files: Files, folder: Path) -> list:
    (folder / "empty").mkdir()
    return ["evaluate", "--predictions", folder / "empty", "--references", files.folder / "labels"]


def importing(files: Files, folder: Path, file: Path, *options) -> list:
    return ["models", "import", file, "--base", files.base, "--out", folder / "new", *options]


def no_original(files: Files, folder: Path) -> list:
    (folder / "text.pth").write_text("not weights")
    return importing(files, folder, folder / "text.pth")


REFUSED = {
    "another base": (lambda f, d: model(f, d, f.checkpoint, other_weights(d)), "other.pth: wrong base model"),
    "no such base": (lambda f, d: model(f, d, f.checkpoint, d / "none.pth"), "none.pth: no such weights file"),
    "damaged samed.json": (lambda f, d: model(f, d, damaged_json(f, d)), "samed.json: damaged"),
    "incomplete samed.json": (lambda f, d: model(f, d, changed(f.checkpoint, d, labels=None)), "samed.json: damaged"),
    "damaged adapter": (lambda f, d: model(f, d, damaged_adapter(f, d)), "damaged: the adapter cannot be loaded"),
    "newer format": (lambda f, d: model(f, d, changed(f.checkpoint, d, format_version=2)), "newer SAMed (format 2)"),
    "unknown label": (lambda f, d: segment(f, d / "out.nii.gz", "--labels", "liver,heart"), 'unknown label "heart"'),
    "slices outside": (lambda f, d: segment(f, d / "out.nii.gz", "--slices", "2:9"), "--slices 2:9"),
    "no slices": (lambda f, d: segment(f, d / "out.nii.gz", "--slices", "3:3"), "--slices"),
    "no device": (lambda f, d: segment(f, d / "out.nii.gz", "--device", "cuda:99"), "--device cuda:99"),
    "no batch": (lambda f, d: segment(f, d / "out.nii.gz", "--batch-size", 0), "--batch-size"),
    "under a file": (lambda f, d: segment(f, under_a_file(d)), "out.nii.gz"),
    "no picture": (lambda f, d: segment(f, d / "out.nii.gz", "--overview", d / "out.docx"), "out.docx"),
    "no folder": (lambda f, d: segment(f, d / "out.nii.gz", "--probabilities", d / "none" / "soft.nrrd"), "none"),
    "onto the ct": (lambda f, d: segment(f, f.ct), "one.nii.gz is named twice"),
    "no option": (lambda f, d: segment(f, d / "out.nii.gz", "--speed", "high"), "--speed"),
    "labels on another grid": (lambda f, d: data(f, d, scaled(f)), "bad.nrrd: its grid"),
    "no labels": (lambda f, d: data(f, d, unlabelled(f)), "the label maps are empty"),
    "no images": (lambda f, d: scans(f, d, None, "one.seg.nrrd"), "images holds no images"),
    "no label maps": (lambda f, d: scans(f, d, "one.nii.gz", None), "labels holds no images"),
    "no partner": (lambda f, d: scans(f, d, "one.nii.gz", "two.seg.nrrd"), "one.nii.gz"),
    "no table": (lambda f, d: ["finetune", "--pairs", d / "none.csv", "--base", f.base, "--out", d / "new"], "none.csv"),
    "no scans": (lambda f, d: ["finetune", "--base", f.base, "--out", d / "new"], "--images"),
    "training on no device": (lambda f, d: finetune(f, d / "new", "--device", "cuda:99"), "--device cuda:99"),
    "training no batch": (lambda f, d: finetune(f, d / "new", "--batch-size", 0), "--batch-size"),
    "training no epoch": (lambda f, d: finetune(f, d / "new", "--epochs", 0), "--epochs"),
    "training no time": (lambda f, d: finetune(f, d / "new", "--minutes", "nan"), "--minutes"),
    "all held out": (lambda f, d: finetune(f, d / "new", "--validation", 1), "--validation 1"),
    "training slices outside": (lambda f, d: finetune(f, d / "new", "--slices", "2:9"), "--slices"),
    "no others": (lambda f, d: finetune(f, d / "new", "--slices", "all", "--keep-others"), "--keep-others"),
    "unknown class": (lambda f, d: finetune(f, d / "new", "--classes", "heart"), 'unknown label "heart"'),
    "no orientation": (lambda f, d: finetune(f, d / "new", "--orientation", "XYZ"), 'unknown orientation "XYZ"'),
    "nothing to resume": (lambda f, d: finetune(f, d / "new", "--resume"), "new.training"),
    "there already": (lambda f, d: finetune(f, f.checkpoint), "checkpoint is there already"),
    "no checkpoint there": (lambda f, d: finetune(f, d), "is no checkpoint"),
    "unknown base": (lambda f, d: finetune(f, d / "new", "--base", "vit_x"), 'unknown base model "vit_x"'),
    "no segment anything": (lambda f, d: finetune(f, d / "new", "--base", f.ct), "one.nii.gz"),
    "unknown start": (lambda f, d: finetune(f, d / "new", "--from", "nonsense"), "nonsense: no such checkpoint"),
    "unknown value": (predicted_value_9, '"one": the prediction holds the value 9'),
    "no predictions": (no_predictions, "holds no label maps"),
    "no table folder": (lambda f, d: evaluate(f, "--csv", d / "none" / "scores.csv"), "none"),
    "no plot": (lambda f, d: evaluate(f, "--plot", d / "plot.docx"), "plot.docx"),
    "no tolerance": (lambda f, d: evaluate(f, "--tolerance", 0), "--tolerance"),
    "no info": (lambda f, d: ["models", "info", d], "not a SAMed checkpoint"),
    "no original": (no_original, "text.pth: not a weights file"),
    "missing original": (lambda f, d: importing(f, d, d / "none.pth"), "none.pth: no such weights file"),
    "base as original": (lambda f, d: importing(f, d, f.base), "base.pth: not a checkpoint of SAMed's authors"),
    "odd input size": (lambda f, d: importing(f, d, f.base, "--input-size", -1), "--input-size"),
    "import unknown orientation": (lambda f, d: importing(f, d, f.base, "--orientation", "XYZ"), "XYZ"),
    "export to nowhere": (lambda f, d: ["models", "export", f.checkpoint, d / "none" / "a.pth", "--base", f.base], "none"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused_in_one_line_and_leaves_nothing(case, files, tmp_path, capsys):
    def listing() -> dict[Path, int]:
        return {path: path.stat().st_size for folder in (tmp_path, files.folder) for path in folder.rglob("*")}

    make, said = REFUSED[case]
    arguments = [str(argument) for argument in make(files, tmp_path)]
    before = listing()
    assert main([*arguments, "--json"]) == 2
    printed = capsys.readouterr()
    assert said in printed.err
    assert printed.err.count("\n") == 1
    assert '"result"' not in printed.out
    assert listing() == before


def test_base_weights_that_were_not_fetched_are_asked_for(files, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("SAMED_CACHE", str(tmp_path / "cache"))
    assert not catalogue.find_base("lite").path.exists()
    arguments = finetune(files, tmp_path / "new", "--base", "lite")
    assert main([str(argument) for argument in arguments]) == 2
    assert 'run "samed models fetch lite"' in capsys.readouterr().err
