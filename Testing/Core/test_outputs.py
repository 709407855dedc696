"""No output takes the place of an input or of another output, under whatever name it is given."""

import os
import shutil
from pathlib import Path

import pytest
from cli_files import Files, finetune, segment
from refused import refused

from SAMedCore.cli import main
from SAMedCore.cohort.scans import scans_of
from SAMedCore.errors import InputError
from SAMedCore.files.outputs import check_outputs
from SAMedCore.files.write import check_labelmap_output

pytestmark = pytest.mark.usefixtures("small_network")


def linked(folder: Path, target: Path, how) -> Path:
    name = folder / f"link-{target.name}"
    how(target, name)
    return name


def a_slice(series: Path) -> Path:
    return sorted(series.iterdir())[1]


def own_series(f: Files, d: Path) -> Path:
    return Path(shutil.copytree(f.series, d / "series"))


def from_series(f: Files, series: Path, out: Path, *options) -> list:
    return ["segment", series, out, "--model", f.checkpoint, "--base", f.base, "--device", "cpu", *options]


def slice_as_out(f: Files, d: Path) -> list:
    series = own_series(f, d)
    return from_series(f, series, a_slice(series))


def linked_slice_as_out(f: Files, d: Path) -> list:
    series = own_series(f, d)
    return from_series(f, series, linked(d, a_slice(series), lambda target, name: name.symlink_to(target)))


def completing(f: Files, d: Path, out: Path) -> list:
    return ["complete", f.ct, f.labels, out, "--base", f.base, "--device", "cpu"]


def prompts(d: Path) -> Path:
    (d / "prompts.json").write_text("{}")
    return d / "prompts.json"


def prompting(f: Files, d: Path, out: Path, *options) -> list:
    return ["prompt", f.ct, prompts(d), out, "--base", f.base, "--device", "cpu", *options]


def evaluating(f: Files, d: Path, **outputs: str) -> list:
    shutil.copytree(f.folder / "labels", d / "predictions")
    shutil.copytree(f.folder / "labels", d / "references")
    folders = ["--predictions", d / "predictions", "--references", d / "references"]
    return ["evaluate", *folders, *(part for name, path in outputs.items() for part in (f"--{name}", d / path))]


def linked_reference(f: Files, d: Path) -> list:
    command = evaluating(f, d, csv="scores.csv")
    os.link(d / "references" / "one.seg.nrrd", d / "scores.csv")
    return command


def within(f: Files, d: Path) -> list:
    """Importing over the checkpoint in whose folder the file lies."""
    copy = Path(shutil.copytree(f.checkpoint, d / "checkpoint"))
    shutil.copy(f.base, copy / "authors.pth")
    return ["models", "import", copy / "authors.pth", "--base", f.base, "--out", copy]


def exported(f: Files, d: Path, name: str) -> list:
    copy = Path(shutil.copytree(f.checkpoint, d / "checkpoint"))
    shutil.copy(f.base, d / "base.pth")
    return ["models", "export", copy, d / name, "--base", d / "base.pth"]


def many(f: Files, d: Path, table: str, out: str, *options) -> list:
    shutil.copytree(f.folder / "images", d / "images")
    (d / "scans.csv").write_text(table)
    return ["segment", d / "scans.csv", d / out, "--model", f.checkpoint, "--base", f.base, "--device", "cpu", *options]


def series_as_out(f: Files, d: Path) -> list:
    series = shutil.copytree(f.series, d / "scans" / "one")
    return ["segment", d / "scans", series, "--model", f.checkpoint, "--base", f.base, "--device", "cpu"]


TWICE = "is named twice: inputs and outputs need a file of their own each"
OF_SCANS = "belongs to the scans: choose another folder"
CASES = [
    pytest.param(lambda f, d: segment(f, f.ct), f"one.nii.gz {TWICE}", id="segment: the scan"),
    pytest.param(slice_as_out, "is a slice of the scan in .*series", id="segment: a slice of the series"),
    pytest.param(linked_slice_as_out, "is a slice of the scan in .*series", id="segment: a link to a slice"),
    pytest.param(
        lambda f, d: segment(f, linked(d, f.ct, lambda target, name: name.symlink_to(target))), TWICE, id="segment: a link"
    ),
    pytest.param(lambda f, d: segment(f, linked(d, f.ct, os.link)), TWICE, id="segment: a hard link"),
    pytest.param(
        lambda f, d: segment(f, d / "out.nrrd", "--probabilities", d / "out.nrrd"),
        f"out.nrrd {TWICE}",
        id="segment: two outputs",
    ),
    pytest.param(
        lambda f, d: segment(f, d / "o.nii.gz", "--probabilities", d / "a.nrrd", "--uncertainty", d / "A.nrrd"),
        f"A.nrrd {TWICE}",
        id="segment: two outputs in upper and lower case",
    ),
    pytest.param(
        lambda f, d: segment(f, d / "out.nrrd", "--uncertainty", f"{d}/../{d.name}/out.nrrd"), TWICE, id="segment: a detour"
    ),
    pytest.param(lambda f, d: completing(f, d, f.labels), f"one.seg.nrrd {TWICE}", id="complete: the labels"),
    pytest.param(lambda f, d: completing(f, d, f.ct), f"one.nii.gz {TWICE}", id="complete: the scan"),
    pytest.param(lambda f, d: prompting(f, d, f.ct), f"one.nii.gz {TWICE}", id="prompt: the scan"),
    pytest.param(
        lambda f, d: prompting(f, d, f.labels, "--answer", f.labels), f"one.seg.nrrd {TWICE}", id="prompt: the answer"
    ),
    pytest.param(
        lambda f, d: evaluating(f, d, csv="references/one.seg.nrrd"), f"one.seg.nrrd {TWICE}", id="evaluate: a reference"
    ),
    pytest.param(
        lambda f, d: evaluating(f, d, csv="predictions/one.seg.nrrd"), f"one.seg.nrrd {TWICE}", id="evaluate: a prediction"
    ),
    pytest.param(linked_reference, f"scores.csv {TWICE}", id="evaluate: a hard link to a reference"),
    pytest.param(lambda f, d: evaluating(f, d, csv="a.png", plot="a.png"), f"a.png {TWICE}", id="evaluate: table and picture"),
    pytest.param(lambda f, d: finetune(f, f.checkpoint), "is there already", id="finetune: a checkpoint"),
    pytest.param(lambda f, d: finetune(f, f.base), "is no checkpoint", id="finetune: the base"),
    pytest.param(lambda f, d: finetune(f, f.folder / "images"), "is no checkpoint", id="finetune: the scans"),
    pytest.param(within, 'authors.pth" lies in the folder .*, which would be replaced', id="import: around the file"),
    pytest.param(
        lambda f, d: ["models", "import", f.base, "--base", f.base, "--out", f.base], "is no checkpoint", id="import: the file"
    ),
    pytest.param(lambda f, d: exported(f, d, "base.pth"), f"base.pth {TWICE}", id="export: the base"),
    pytest.param(
        lambda f, d: exported(f, d, "checkpoint/adapter_model.safetensors"), TWICE, id="export: a file of the checkpoint"
    ),
    pytest.param(
        lambda f, d: many(f, d, "image\nimages/one.nii.gz\n", "images", "--ending", ".nii.gz"), OF_SCANS, id="cohort: the scans"
    ),
    pytest.param(series_as_out, OF_SCANS, id="cohort: a series of the scans"),
    pytest.param(
        lambda f, d: ["segment", f.folder / "images", f.folder / "images", "--model", f.checkpoint, "--base", f.base],
        "holds the scans: choose another folder",
        id="cohort: the folder of the scans",
    ),
    pytest.param(
        lambda f, d: ["synapse", f.folder, f.folder / "images"], "is not the downloaded dataset", id="synapse: no download"
    ),
]


@pytest.mark.parametrize(("make", "said"), CASES)
def test_an_output_that_is_an_input_is_refused_before_the_work(make, said, files, tmp_path, capfd):
    arguments = make(files, tmp_path)
    kept = {path: path.stat().st_mtime_ns for path in files.folder.rglob("*") if path.is_file()}
    assert_matches(said, refused(capfd, tmp_path, *arguments))
    assert {path: path.stat().st_mtime_ns for path in files.folder.rglob("*") if path.is_file()} == kept


def assert_matches(pattern: str, sentence: str) -> None:
    with pytest.raises(InputError, match=pattern):
        raise InputError(sentence)


def test_what_lies_in_a_dataset_is_not_replaced_by_a_cohort_either(files, tmp_path):
    (tmp_path / "imagesTr").mkdir()
    (tmp_path / "labelsTr").mkdir()
    shutil.copy(files.ct, tmp_path / "imagesTr" / "one_0000.nii.gz")
    shutil.copy(files.ct, tmp_path / "labelsTr" / "one.nii.gz")
    row = '{"channel_names": {"0": "CT"}, "labels": {"background": 0, "liver": 1}, "numTraining": 1, "file_ending": ".nii.gz"}'
    (tmp_path / "dataset.json").write_text(row)
    with pytest.raises(InputError, match=OF_SCANS):
        scans_of(tmp_path, tmp_path / "labelsTr", ".nii.gz")


def test_a_file_beside_the_slices_is_no_slice_and_may_be_written_again(files, tmp_path):
    series = own_series(files, tmp_path)
    for name in ("out.seg.nrrd", "overview.png"):
        out = series / name
        for content in (None, b"an earlier one"):
            if content:
                out.write_bytes(content)
            check_outputs([out], [series])
            check_outputs([series.parent / "else.nrrd", out], [series])
    check_labelmap_output(series / "out.seg.nrrd")


def test_upper_and_lower_case_are_two_files_where_the_system_says_so(tmp_path):
    (tmp_path / "CT.nii.gz").touch()
    if (tmp_path / "ct.nii.gz").exists():
        with pytest.raises(InputError, match=TWICE):
            check_outputs([tmp_path / "ct.nii.gz"], [tmp_path / "CT.nii.gz"])
    else:
        check_outputs([tmp_path / "ct.nii.gz"], [tmp_path / "CT.nii.gz"])


def test_a_segmentation_in_the_series_own_folder_may_be_made_again(files, tmp_path, capfd):
    series = own_series(files, tmp_path)
    for _ in range(2):
        arguments = from_series(files, series, series / "out.seg.nrrd", "--slices", "0:1")
        assert main([str(each) for each in arguments]) == 0, capfd.readouterr().err
