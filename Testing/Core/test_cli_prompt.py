"""`samed prompt` from end to end: LiteMedSAM on a crop of the sample CT, boxes and points in files."""

import json
import signal
from pathlib import Path

import numpy as np
import pytest
from cli_files import Files, run

from SAMedCore.cli import main
from SAMedCore.cli.console import Console
from SAMedCore.evaluate.measures import dice
from SAMedCore.files.read import read_labelmap, read_volume
from SAMedCore.image.grid import same_grid
from SAMedCore.image.orientation import reorient

pytestmark = pytest.mark.usefixtures("lite_weights")


def drawn_box(files: Files, name: str, k: int) -> list:
    """Two corners of a structure's own box on a slice of the crop, from the feet."""
    labels = reorient(read_labelmap(files.labels), "LPS")
    value = next(label.value for label in labels.labels if label.name == name)
    rows, columns = np.nonzero(labels.voxels[k] == value)
    return labels.grid.points_at([[columns.min() - 0.5, rows.min() - 0.5, k], [columns.max() + 0.5, rows.max() + 0.5, k]])


@pytest.fixture
def boxes(files, tmp_path) -> Path:
    """Right kidney and aorta, a box each on slice 1."""
    path = tmp_path / "boxes.json"
    structures = [{"name": name, "prompts": [{"box": drawn_box(files, name, 1)}]} for name in ("right kidney", "aorta")]
    path.write_text(json.dumps({"structures": structures}))
    return path


def prompt(files: Files, prompts: Path, out: Path, *options) -> list:
    return ["prompt", files.ct, prompts, out, "--device", "cpu", *options]


def test_boxes_on_one_slice_become_structures_on_all(files, boxes, tmp_path, capsys):
    picture = tmp_path / "overview.png"
    *progress, result = run(capsys, *prompt(files, boxes, tmp_path / "out.seg.nrrd", "--overview", picture))
    assert {event["phase"] for event in progress} == {"propagating"}
    found, truth = read_labelmap(tmp_path / "out.seg.nrrd"), read_labelmap(files.labels)
    assert same_grid(found.grid, read_volume(files.ct).grid)
    assert found.labels.names == ("right kidney", "aorta")
    for label in found.labels:
        true_value = next(each.value for each in truth.labels if each.name == label.name)
        assert dice(found.voxels == label.value, truth.voxels == true_value) > 0.85
    assert picture.read_bytes().startswith(b"\x89PNG")

    assert result["segmentation"] == str(tmp_path / "out.seg.nrrd")
    upright = reorient(found, "LPS").voxels
    for value, structure in enumerate(result["structures"], 1):
        assert structure["drawn"] == np.flatnonzero((upright == value).any(axis=(1, 2))).tolist()
        assert all(0 <= sure <= 1 for sure in structure["confidence"])
        sure = dict(zip(structure["drawn"], structure["confidence"], strict=True))
        assert structure["look_at"] == sorted(sure, key=sure.get)[:3]


def test_people_read_which_slices_were_drawn_and_where_to_look(files, boxes, tmp_path, capsys):
    arguments = prompt(files, boxes, tmp_path / "out.nii.gz", "--slices", "1:3")
    assert main([str(argument) for argument in arguments]) == 0
    kidney, aorta, last = capsys.readouterr().out.splitlines()
    assert aorta.startswith("aorta: 2 slices from 1 to 2; look at ")
    assert kidney.startswith("right kidney: 2 slices from 1 to 2; look at ")
    assert last == f"Segmentation: {tmp_path / 'out.nii.gz'}"
    found = reorient(read_labelmap(tmp_path / "out.nii.gz"), "LPS").voxels
    assert np.flatnonzero(found.any(axis=(1, 2))).tolist() == [1, 2]


def test_boxes_correct_a_checkpoints_answer_and_its_other_structures_stay(files, boxes, tmp_path, capsys):
    truth = read_labelmap(files.labels)
    *_, result = run(capsys, *prompt(files, boxes, tmp_path / "out.seg.nrrd", "--answer", files.labels))
    found = read_labelmap(tmp_path / "out.seg.nrrd")
    assert [structure["name"] for structure in result["structures"]] == ["right kidney", "aorta"]
    assert set(found.labels.names) == set(truth.labels.names)
    value = {label.name: label.value for label in found.labels}
    liver = next(label.value for label in truth.labels if label.name == "liver")
    kidney = next(label.value for label in truth.labels if label.name == "right kidney")
    stays = (found.voxels == value["liver"]) | np.isin(found.voxels, [value["right kidney"], value["aorta"]])
    assert stays[truth.voxels == liver].all()
    assert dice(found.voxels == value["right kidney"], truth.voxels == kidney) > 0.85


def test_files_and_folders_are_taken_together_and_their_own_limits_hold_too(files, boxes, tmp_path, capsys):
    markups = tmp_path / "markups"
    markups.mkdir()
    schema = "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/Schema/"
    left, posterior, superior = np.mean(drawn_box(files, "liver", 2), axis=0)
    point = {"position": [-left, -posterior, superior]}
    markup = {"type": "Fiducial", "coordinateSystem": "RAS", "controlPoints": [point]}
    content = {"@schema": f"{schema}markups-schema-v1.0.3.json#", "markups": [markup]}
    (markups / "liver.mrk.json").write_text(json.dumps(content))
    given = json.loads(boxes.read_text())
    given["structures"][0]["limits"] = {"slices": [0, 1]}
    boxes.write_text(json.dumps(given))
    arguments = ["prompt", files.ct, boxes, markups, tmp_path / "out.seg.nrrd", "--device", "cpu", "--slices", "1:4"]
    *_, result = run(capsys, *arguments)
    drawn = {structure["name"]: structure["drawn"] for structure in result["structures"]}
    assert list(drawn) == ["right kidney", "aorta", "liver"]
    assert drawn["right kidney"] == [1]
    assert 2 in drawn["liver"]


def test_a_dicom_segmentation_says_that_a_person_had_a_part_in_it(files, tmp_path, capsys):
    grid = read_volume(files.series).grid
    (tmp_path / "boxes.json").write_text(
        json.dumps({"structures": [{"name": "liver", "prompts": [{"box": grid.points_at([[20, 30, 1], [50, 60, 1]])}]}]})
    )
    arguments = ["prompt", files.series, tmp_path / "boxes.json", tmp_path / "out.dcm", "--device", "cpu"]
    run(capsys, *arguments)
    found = read_labelmap(tmp_path / "out.dcm")
    assert found.person_drew
    assert found.labels.names == ("liver",)


def test_ctrl_c_leaves_nothing(files, boxes, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(Console, "_show", lambda self, event: signal.raise_signal(signal.SIGINT))
    assert main([str(argument) for argument in prompt(files, boxes, tmp_path / "out.nii.gz")]) == 130
    assert capsys.readouterr().err == "samed: Cancelled.\n"
    assert list(tmp_path.iterdir()) == [boxes]


REFUSED = {
    "onto the ct": (lambda f, b, d: ["prompt", f.ct, b, f.ct], "one.nii.gz is named twice"),
    "the same file twice": (lambda f, b, d: ["prompt", f.ct, b, b, d / "out.nii.gz"], "boxes.json is named twice"),
    "no out": (lambda f, b, d: ["prompt", f.ct, b], "required: OUT"),
    "prompts as out": (lambda f, b, d: ["prompt", f.ct, b, d / "more.mrk.json"], "more.mrk.json"),
    "the answer as out": (lambda f, b, d: prompt(f, b, d / "out.nii.gz", "--answer", d / "out.nii.gz"), "is named twice"),
    "a scan for the answer": (lambda f, b, d: prompt(f, b, d / "out.nii.gz", "--answer", f.ct), "one.nii.gz is named twice"),
    "no prompts": (
        lambda f, b, d: prompt(f, d / "none.json", d / "out.nii.gz"),
        'none.json": it is not there: check the path.',
    ),
    "a scan for prompts": (lambda f, b, d: prompt(f, f.labels, d / "out.nii.gz"), "it is empty, cut off or no JSON"),
    "slices outside": (lambda f, b, d: prompt(f, b, d / "out.nii.gz", "--slices", "2:9"), "the volume has the slices 0:4"),
    "every other slice": (lambda f, b, d: prompt(f, b, d / "out.nii.gz", "--slices", "0:4:2"), "has gaps or begins below 0"),
    "odd intensities": (lambda f, b, d: prompt(f, b, d / "out.nii.gz", "--intensities", "mr"), "--intensities"),
    "no device": (lambda f, b, d: [*prompt(f, b, d / "out.nii.gz")[:-1], "cuda:99"], "--device NAME"),
    "no picture": (lambda f, b, d: prompt(f, b, d / "out.nii.gz", "--overview", d / "out.docx"), "out.docx"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused_in_one_line_and_leaves_nothing(case, files, boxes, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make, said = REFUSED[case]
    assert main([str(argument).replace(f"{tmp_path}/none", "none") for argument in make(files, boxes, tmp_path)]) == 2
    printed = capsys.readouterr()
    assert said in printed.err
    assert printed.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == [boxes]
