"""A scan that a model sees as what it is not is pointed out once a job: on the command line, as JSON and by the worker."""

import json
import os

import numpy as np
import pytest
from cli_files import run, segment
from worker_process import only_inputs, segmented, written
from written_series import write_series

from SAMedCore.cli import main
from SAMedCore.files.read import read_labelmap, read_volume
from SAMedCore.files.write import write_labelmap
from SAMedCore.image.orientation import reorient
from SAMedCore.image.prompts import SlicePrompt
from SAMedCore.image.volume import LabelMap
from SAMedCore.options import CompleteOptions, FinetuneOptions, ModelOptions, PromptOptions, RankOptions, SegmentOptions
from SAMedCore.service.events import Notice, Result
from SAMedCore.service.messages import AnnotatedScan, Complete, Finetune, Prompt, RankSlices, Segment

AS_ASKED = "this scan is of the modality MR, but values are taken as HU, as was asked for: what is drawn may be wrong."
BY_CHECKPOINT = "this scan is of the modality MR, but the checkpoint was made for CT and reads values as HU"
TRAINING = "scan 1 is of the modality MR, but values are taken as HU, as was asked for."


@pytest.fixture(scope="module")
def mr_series(files, tmp_path_factory):
    """The slices of the CT, said by DICOM to be MR."""
    slices = reorient(read_volume(files.ct), "LPS").voxels
    folder = tmp_path_factory.mktemp("dicom") / "mr"
    return write_series(folder, (slices + 1024).clip(0, 4000).astype(np.int16), modality="MR")


@pytest.fixture(scope="module")
def mr(mr_series):
    return read_volume(mr_series)


@pytest.fixture(scope="module")
def mr_labels(files, mr, tmp_path_factory):
    drawn = reorient(read_labelmap(files.labels), "LPS")
    path = tmp_path_factory.mktemp("labels") / "mr.seg.nrrd"
    write_labelmap(LabelMap(drawn.voxels, mr.ijk_to_lps, drawn.labels), path)
    return path


@pytest.fixture(scope="module")
def scan(mr_series, mr_labels):
    """Both files."""
    return mr_series, mr_labels


def box(volume) -> SlicePrompt:
    """Round what lies in the middle of the lowest slice."""
    first, last = (tuple((volume.ijk_to_lps @ [i, j, 0, 1])[:3].tolist()) for i, j in ((30, 30), (70, 60)))
    return SlicePrompt((first, last))


def prompts_file(folder, volume):
    """A file with a box on the lowest slice."""
    corners = [list(corner) for corner in box(volume).box]
    file = folder / "prompts.json"
    file.write_text(json.dumps({"structures": [{"name": "one", "prompts": [{"box": corners}]}]}))
    return file


def test_segmenting_says_so_on_stderr_and_as_an_event(files, mr_series, tmp_path, capsys):
    arguments = segment(files, tmp_path / "out.nii.gz")
    arguments[1] = mr_series
    assert main([str(argument) for argument in arguments]) == 0
    shown = capsys.readouterr()
    assert shown.err.count(f"samed: {BY_CHECKPOINT}") == 1
    assert BY_CHECKPOINT not in shown.out
    notices = [event["message"] for event in run(capsys, *arguments) if event["event"] == "notice"]
    assert [notice.startswith(BY_CHECKPOINT) for notice in notices] == [True]


def test_a_ct_is_segmented_without_a_word(files, tmp_path, capsys):
    assert not [event for event in run(capsys, *segment(files, tmp_path / "out.nii.gz")) if event["event"] == "notice"]


@pytest.mark.parametrize(("intensities", "expected"), [("auto", []), ("other", []), ("ct", [AS_ASKED])])
@pytest.mark.usefixtures("lite_weights")
def test_prompting_does_as_asked_and_says_so(mr_series, tmp_path, capsys, intensities, expected):
    prompts = prompts_file(tmp_path, read_volume(mr_series))
    options = ["--device", "cpu", "--intensities", intensities]
    events = run(capsys, "prompt", mr_series, prompts, tmp_path / "drawn.nii.gz", *options)
    assert [event["message"] for event in events if event["event"] == "notice"] == expected


@pytest.mark.parametrize(("intensities", "expected"), [("auto", []), ("ct", [AS_ASKED])])
def test_completing_does_as_asked_and_says_so(files, scan, tmp_path, capsys, intensities, expected):
    options = ["--base", files.base, "--annotated-slices", "0:4:3", "--steps", 1, "--intensities", intensities]
    events = run(capsys, "complete", *scan, tmp_path / "completed.nii.gz", "--device", "cpu", *options)
    assert [event["message"] for event in events if event["event"] == "notice"] == expected


@pytest.mark.parametrize(("intensities", "expected"), [("auto", []), ("ct", [TRAINING])])
def test_training_does_as_asked_and_says_so(files, scan, tmp_path, capsys, intensities, expected):
    (tmp_path / "pairs.csv").write_text("image,labels\n{},{}\n".format(*scan))
    base = ["--base", files.base, "--device", "cpu", "--validation", 0, "--epochs", 1, "--intensities", intensities]
    events = run(capsys, "finetune", "--pairs", tmp_path / "pairs.csv", "--out", tmp_path / "new", *base)
    # a training has more to say: what was chosen for the machine, and that nothing is held out
    about_scans = [event["message"] for event in events if event["event"] == "notice" and event["message"].startswith("scan")]
    assert about_scans == expected
    preprocessing = run(capsys, "models", "info", tmp_path / "new")[-1]["preprocessing"]
    assert ("percentiles" in preprocessing) == (intensities == "auto")


@pytest.mark.skipif(os.name == "nt", reason="process groups")
def test_the_worker_knows_the_modality_and_says_it_once_a_request(worker, files, mr, mr_labels, tmp_path):
    handle = worker.open(mr)
    labels = written(worker.folder, "labels", read_labelmap(mr_labels))
    model, start = ModelOptions(str(files.checkpoint), str(files.base), "cpu"), {"base": str(files.base), "device": "cpu"}
    training = FinetuneOptions(str(tmp_path / "new"), validation=0, epochs=1, resume=None, intensities="ct", **start)
    requests = [
        (Segment(handle, model, SegmentOptions()), BY_CHECKPOINT),
        (RankSlices(handle, model, RankOptions()), BY_CHECKPOINT),
        (Complete(handle, labels, CompleteOptions((0, 3), steps=1, intensities="ct", **start)), AS_ASKED),
        (Prompt(handle, box(mr), PromptOptions(intensities="ct", **start)), AS_ASKED),
        (Finetune((AnnotatedScan(handle, labels, (0, 3)),), training), TRAINING),
    ]
    for request, expected in requests:
        events = worker.ask(request)
        assert isinstance(events[-1], Result), events[-1]
        assert [event.message.startswith(expected) for event in events if isinstance(event, Notice)].count(True) == 1
        if "labelmap" in events[-1].values:
            segmented(events)
    worker.close(handle)
    assert only_inputs(worker)
