"""Bad input to every command: one clear line, exit code 2, and nothing left behind."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from cli_files import Files, evaluate, finetune, segment

from SAMedCore.checkpoint import catalogue
from SAMedCore.cli import main
from SAMedCore.errors import InputError
from SAMedCore.files.read import read_labelmap
from SAMedCore.files.write import write_labelmap
from SAMedCore.image.volume import LabelMap
from SAMedCore.segment import load_model

pytestmark = [
    pytest.mark.usefixtures("small_network"),
    pytest.mark.filterwarnings("ignore:.*scipy.ndimage:DeprecationWarning"),
]


NO_DEVICE = 'the device "cuda:99" is not usable here: choose auto or cpu (--device NAME).'


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


def completing(files: Files, folder: Path, annotated: list[int], out: Path | None = None, *options) -> list:
    """Completing the CT from these annotated slices."""
    labels = read_labelmap(files.labels)
    others = [k for k in range(len(labels.voxels)) if k not in annotated]
    labels.voxels[others] = 0
    write_labelmap(labels, folder / "some.nrrd")
    base = ["--base", files.base, "--device", "cpu", "--steps", 2]
    return ["complete", files.ct, folder / "some.nrrd", out or folder / "out.nii.gz", *base, *options]


def segmenting(files: Files, folder: Path) -> list:
    """With a checkpoint on weights of one's own, which are not named."""
    return ["segment", files.ct, folder / "out.nii.gz", "--model", files.checkpoint]


REFUSED = {
    "base not named": (segmenting, "none of the catalogue's: name the weights file that it was made on (--base FILE)."),
    "another base": (lambda f, d: model(f, d, f.checkpoint, other_weights(d)), "name the right weights (--base FILE)."),
    "no such base": (lambda f, d: model(f, d, f.checkpoint, d / "none.pth"), "none.pth: no such weights file"),
    "damaged samed.json": (lambda f, d: model(f, d, damaged_json(f, d)), "samed.json: damaged"),
    "incomplete samed.json": (lambda f, d: model(f, d, changed(f.checkpoint, d, labels=None)), "samed.json: damaged"),
    "damaged adapter": (lambda f, d: model(f, d, damaged_adapter(f, d)), "adapter_model.safetensors: not a weights file"),
    "newer format": (lambda f, d: model(f, d, changed(f.checkpoint, d, format_version=3)), "newer SAMed (format 3)"),
    "unknown label": (lambda f, d: segment(f, d / "out.nii.gz", "--labels", "liver,heart"), 'unknown label "heart"'),
    "slices outside": (
        lambda f, d: segment(f, d / "out.nii.gz", "--slices", "2:9"),
        "slices 2:9: the volume has the slices 0:4",
    ),
    "no slices": (lambda f, d: segment(f, d / "out.nii.gz", "--slices", "3:3"), "--slices"),
    "no device": (
        lambda f, d: segment(f, d / "out.nii.gz", "--device", "cuda:99"),
        NO_DEVICE,
    ),
    "no batch": (lambda f, d: segment(f, d / "out.nii.gz", "--batch-size", 0), "--batch-size"),
    "under a file": (lambda f, d: segment(f, under_a_file(d)), "out.nii.gz"),
    "no picture": (lambda f, d: segment(f, d / "out.nii.gz", "--overview", d / "out.docx"), "out.docx"),
    "no volume file": (lambda f, d: segment(f, d / "out.nii.gz", "--uncertainty", d / "unsure.png"), "unsure.png"),
    "no folder": (lambda f, d: segment(f, d / "out.nii.gz", "--probabilities", d / "none" / "soft.nrrd"), "none"),
    "onto the ct": (lambda f, d: segment(f, f.ct), "one.nii.gz is named twice"),
    "no option": (lambda f, d: segment(f, d / "out.nii.gz", "--speed", "high"), "--speed"),
    "labels on another grid": (lambda f, d: data(f, d, scaled(f)), "bad.nrrd: its grid"),
    "no labels": (lambda f, d: data(f, d, unlabelled(f)), "the label maps are empty"),
    "no images": (lambda f, d: scans(f, d, None, "one.seg.nrrd"), 'images" holds no images'),
    "no label maps": (lambda f, d: scans(f, d, "one.nii.gz", None), 'labels" holds no label maps'),
    "no partner": (lambda f, d: scans(f, d, "one.nii.gz", "two.seg.nrrd"), "one.nii.gz"),
    "no table": (lambda f, d: ["finetune", "--pairs", d / "none.csv", "--base", f.base, "--out", d / "new"], "none.csv"),
    "no scans": (lambda f, d: ["finetune", "--base", f.base, "--out", d / "new"], "--images"),
    "training on no device": (
        lambda f, d: finetune(f, d / "new", "--device", "cuda:99"),
        NO_DEVICE,
    ),
    "training no batch": (lambda f, d: finetune(f, d / "new", "--batch-size", 0), "--batch-size"),
    "training no epoch": (lambda f, d: finetune(f, d / "new", "--epochs", 0), "--epochs"),
    "training no time": (lambda f, d: finetune(f, d / "new", "--minutes", "nan"), "--minutes"),
    "all held out": (lambda f, d: finetune(f, d / "new", "--validation", 1), "1.0 is no fraction to hold out"),
    "training slices outside": (lambda f, d: finetune(f, d / "new", "--slices", "2:9"), "scan 1 has the slices 0 to 3"),
    "no others": (lambda f, d: finetune(f, d / "new", "--slices", "all", "--keep-others"), "there are no others to keep"),
    "unknown class": (lambda f, d: finetune(f, d / "new", "--classes", "heart"), 'unknown label "heart"'),
    "no orientation": (lambda f, d: finetune(f, d / "new", "--orientation", "XYZ"), 'unknown orientation "XYZ"'),
    "nothing to resume": (lambda f, d: finetune(f, d / "new", "--resume"), "new.training"),
    "there already": (lambda f, d: finetune(f, f.checkpoint), "checkpoint is there already"),
    "no checkpoint there": (lambda f, d: finetune(f, d), "is no checkpoint"),
    "unknown base": (lambda f, d: finetune(f, d / "new", "--base", "vit_x"), 'unknown base model "vit_x"'),
    "no segment anything": (lambda f, d: finetune(f, d / "new", "--base", f.ct), "one.nii.gz"),
    "unknown start": (lambda f, d: finetune(f, d / "new", "--from", "nonsense"), "nonsense: no such checkpoint"),
    "one annotated slice": (lambda f, d: completing(f, d, [1]), "only slice 1 is annotated"),
    "no annotated slice": (lambda f, d: completing(f, d, []), "no annotated slice holds a label"),
    "nothing to complete": (lambda f, d: completing(f, d, [0, 1, 2, 3]), "nothing to complete"),
    "annotated outside": (lambda f, d: completing(f, d, [0, 2], None, "--annotated-slices", "0:9:4"), "slice 4 is outside"),
    "onto the labels": (lambda f, d: completing(f, d, [0, 2], d / "some.nrrd"), "some.nrrd is named twice"),
    "completing in no step": (lambda f, d: completing(f, d, [0, 2], None, "--steps", 0), "--steps"),
    "completing on no base": (lambda f, d: completing(f, d, [0, 1, 3], None, "--base", "vit_x"), 'base model "vit_x"'),
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
    *progress, event = map(json.loads, printed.out.splitlines())
    assert {each["event"] for each in progress} <= {"progress"}
    assert event == {"event": "error", "kind": "input", "message": printed.err.removeprefix("samed: ").rstrip("\n")}
    assert listing() == before


def test_base_weights_that_were_not_fetched_are_asked_for(files, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("SAMED_CACHE", str(tmp_path / "cache"))
    assert not catalogue.find_base("lite").path.exists()
    arguments = finetune(files, tmp_path / "new", "--base", "lite")
    assert main([str(argument) for argument in arguments]) == 2
    assert 'run "samed models fetch lite"' in capsys.readouterr().err


def test_the_library_asks_for_the_base_weights_without_naming_an_option(files):
    with pytest.raises(InputError, match='made on the base model "base"') as refusal:
        load_model(files.checkpoint, "cpu")
    assert "--" not in str(refusal.value)
