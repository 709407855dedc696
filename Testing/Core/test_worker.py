"""What the worker answers, and that nothing disturbs its messages.

The tests share one worker with a small network that prints and warns all the time; nobody reads its stderr.
"""

import json
import os
import stat
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cli_files import LABELS, Files
from scipy.spatial.transform import Rotation
from worker_process import PATIENCE_S, only_inputs, segmented, written

from SAMedCore import __version__
from SAMedCore.checkpoint.original import export_original
from SAMedCore.complete.scan import complete
from SAMedCore.image.orientation import reorient
from SAMedCore.image.volume import LabelMap, Volume
from SAMedCore.options import CompleteOptions, FinetuneOptions, ModelOptions, RankOptions, SegmentOptions
from SAMedCore.segment import load_model
from SAMedCore.service.carried import VoxelFile
from SAMedCore.service.events import Error, Progress, Result, Slices, Started
from SAMedCore.service.messages import (
    AnnotatedScan,
    CloseVolume,
    Complete,
    Describe,
    Fetch,
    Finetune,
    Import,
    OpenVolume,
    RankSlices,
    Segment,
    Shutdown,
)
from SAMedCore.service.wire import LONGEST_LINE, encode

pytestmark = pytest.mark.skipif(os.name == "nt", reason="process groups")


@pytest.fixture(scope="module")
def expected(files, volume) -> np.ndarray:
    """The labels by the library itself, in orientation LPS."""
    segmented = load_model(files.checkpoint, "cpu", base_weights=files.base).segment(volume)
    return reorient(segmented, "LPS").voxels


def turned(volume: Volume, degrees: float) -> Volume:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", (degrees, -degrees, degrees / 2), degrees=True).as_matrix()
    return replace(volume, ijk_to_lps=matrix @ volume.ijk_to_lps)


def test_the_worker_tells_its_process_and_then_its_devices(worker_alone):
    started, number = worker_alone.next()
    assert (started, number) == (Started(worker_alone.pid), 0)
    assert os.getpgid(worker_alone.pid) == worker_alone.pid
    ready, _ = worker_alone.next()
    assert (ready.pid, ready.version, ready.devices[-1].name) == (worker_alone.pid, __version__, "cpu")
    assert ready.devices[-1].description == "CPU, 2 threads"
    worker_alone.send(Shutdown())
    assert worker_alone.process.wait(timeout=PATIENCE_S) == 0
    worker_alone.wait_until_gone()
    assert not worker_alone.folder.exists()


@pytest.mark.parametrize(
    ("code", "degrees"), [("LPS", 0), ("RAS", 7), ("LPI", 0), ("SLP", 0), ("PIR", -12)], ids=lambda value: str(value)
)
def test_segmentations_equal_the_librarys_and_slices_are_there_when_they_are_told(
    worker, ask_segment, volume, expected, code, degrees
):
    oriented = reorient(volume, code)
    stored = turned(oriented, degrees)
    wanted = reorient(LabelMap(expected, reorient(volume, "LPS").ijk_to_lps, LABELS), code).voxels
    handle = worker.open(stored)
    number = worker.send(ask_segment(handle))
    told = np.zeros(wanted.shape, int)
    while not isinstance(event := worker.next()[0], Result):
        assert isinstance(event, Progress | Slices), event
        if isinstance(event, Slices):
            box = tuple(slice(*each) for each in event.box)
            assert np.array_equal(np.load(event.labelmap, mmap_mode="r")[box], wanted[box])
            told[box] += 1
    path = Path(event.values["labelmap"]["path"])
    assert path.name == f"labelmap-{number}.npy"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert np.array_equal(event.values["labelmap"]["ijk_to_lps"], stored.ijk_to_lps)
    assert event.values["labelmap"]["labels"] == LABELS.to_json()
    assert np.array_equal(segmented([event]), wanted)
    assert (told == 1).all()
    worker.close(handle)


def test_chosen_slices_and_labels_alone_are_segmented(worker, ask_segment, expected):
    events = worker.ask(ask_segment(slices=(1, 2), labels=("Liver",)))
    wanted = np.where(expected == LABELS.subset(["liver"]).values[0], expected, 0)
    wanted[[0, 3]] = 0
    axial = {event.box[0] for event in events if isinstance(event, Slices)}
    assert {k for box in axial for k in range(*box)} == {1, 2}
    result = events[-1].values["labelmap"]
    assert [label["name"] for label in result["labels"]] == ["liver"]
    voxels = LabelMap(segmented(events), np.array(result["ijk_to_lps"]), LABELS)
    assert np.array_equal(reorient(voxels, "LPS").voxels, wanted)


def test_the_model_is_loaded_once_and_again_when_its_files_change(worker, ask_segment, files):
    def phases():
        events = worker.ask(ask_segment(slices=(0,)))
        segmented(events)
        return [event.phase for event in events if isinstance(event, Progress)]

    phases()
    assert "loading" not in phases()
    os.utime(files.checkpoint / "samed.json")
    assert "loading" in phases()


def mapped(worker) -> list[str]:
    """The names of the private files that the worker has mapped."""
    lines = Path(f"/proc/{worker.pid}/maps").read_text().splitlines()
    return sorted({Path(line.split(None, 5)[5]).name for line in lines if str(worker.folder) in line})


def test_the_labels_are_unmapped_when_the_answer_comes_and_the_volume_when_it_is_closed(worker, ask_segment, volume):
    handle = worker.open(volume)
    opened = mapped(worker)
    assert f"{handle}.npy" in opened
    for request in (ask_segment(handle, labels=("heart",)), ask_segment(handle, slices=(0,))):
        events = worker.ask(request)
        assert mapped(worker) == opened
    segmented(events)
    worker.close(handle)
    assert f"{handle}.npy" not in mapped(worker)


def test_what_is_printed_reaches_the_log_alone(worker, ask_segment):
    segmented(worker.ask(ask_segment(slices=(0,))))
    assert worker.log.count('{"type": "Result", "number": 1}') >= 3
    assert len(worker.log) > 2 * 65536


def test_lines_may_come_in_pieces_and_senseless_ones_disturb_nothing(worker):
    request = encode(Describe("abdomen-demo"), 1001)
    for piece in (request[:1], request[1:40], request[40:]):
        worker.write(piece)
        time.sleep(0.05)
    assert worker.next()[1] == 1001
    worker.write(b"x" * (LONGEST_LINE + 10) + b"\n")
    worker.write(b"\xff no message\n" + encode(Describe("abdomen-demo"), 1002))
    complaint, number = worker.next()
    assert (complaint.kind, number) == ("failed", 0)
    assert "no message" in worker.log
    assert worker.next()[1] == 1002


def test_a_completion_is_the_librarys(worker, ask_complete, volume, labelmap):
    events = worker.ask(ask_complete(0, 3))
    wanted = complete(volume, labelmap, CompleteOptions((0, 3)))
    values = events[-1].values
    assert (values["method"], values["estimates"]) == ("carrying", {})
    assert (values["annotated"], values["completed"]) == ([0, 3], [1, 2])
    assert values["summary"] == wanted.summary()
    assert np.array_equal(segmented(events), wanted.labelmap.voxels)


def test_the_least_certain_slices_come_first(worker, handle, small_model):
    result = worker.ask(RankSlices(handle, small_model, RankOptions((2,))))[-1]
    rows = result.values["slices"]
    assert sorted(row["slice"] for row in rows) == [0, 1, 3]
    doubts = [row["uncertainty"] for row in rows]
    assert doubts == sorted(doubts, reverse=True)


def test_an_original_file_is_described_and_imported(worker, files, tmp_path):
    original = tmp_path / "original.pth"
    export_original(files.checkpoint, original, files.base)
    described = worker.ask(Describe(str(original)))[-1]
    assert described.values == {"original": {"classes": 3, "lora_rank": 4, "lora_in_decoder": False}}
    result = worker.ask(Import(str(original), str(files.base), str(tmp_path / "imported"), "RPS"))[-1]
    assert result.values == {"checkpoint": str(tmp_path / "imported")}
    info = worker.ask(Describe(str(tmp_path / "imported")))[-1].values["info"]
    assert info["preprocessing"]["orientation"] == "RPS"


def test_weights_that_are_here_are_not_fetched_again(worker, lite_weights):
    assert worker.ask(Fetch("lite"))[-1] == Result({"path": str(lite_weights)})


def bad_requests(files: Files, ct: str, labels, folder: Path) -> dict[str, tuple]:
    """What a user may get wrong, and a word of the sentence that says so."""
    model = ModelOptions(str(files.checkpoint), str(files.base), "cpu")
    segment, file = Segment(ct, model), VoxelFile("nowhere.npy", tuple(map(tuple, np.eye(4).tolist())))
    scan = AnnotatedScan(ct, labels, (0, 1))
    options = FinetuneOptions(str(folder / "out"), base=str(files.base), device="cpu")
    finetune = Finetune((scan,), options)
    (folder / "no.npy").write_text("no voxels")
    np.save(folder / "some.npy", np.zeros((2, 2, 2), np.int16))
    flat = ((1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0))
    return {
        "no such model": (replace(segment, model=replace(model, checkpoint="nowhere")), "no such checkpoint"),
        "no such base": (replace(segment, model=replace(model, base="nowhere.pth")), "no such weights file"),
        "no base named": (replace(segment, model=replace(model, base=None)), "name the weights file that it was made on."),
        "the wrong base": (replace(segment, model=replace(model, checkpoint="abdomen-demo")), "wrong base model"),
        "no such label": (replace(segment, options=SegmentOptions(labels=("heart",))), 'unknown label "heart"'),
        "no such slice": (replace(segment, options=SegmentOptions(slices=(3, 4))), "0:4"),
        "no slices": (replace(segment, options=SegmentOptions(slices=())), "0:4"),
        "no such device": (replace(segment, model=replace(model, device="cuda:99")), "cuda:99"),
        "no such volume to segment": (replace(segment, volume="gone"), '"gone"'),
        "no such volume to rank": (RankSlices("gone", model), "send it again"),
        "no such volume to complete": (Complete("gone", labels), "send it again"),
        "no such volume to learn from": (replace(finetune, scans=(replace(scan, volume="gone"),)), "send it again"),
        "no such volume to close": (CloseVolume("gone"), "send it again"),
        "a handle that is taken": (OpenVolume(ct, replace(file, path=str(folder / "some.npy"))), "close that first"),
        "no voxels": (OpenVolume("new", replace(file, path=str(folder / "no.npy"))), "cannot be read"),
        "no file": (OpenVolume("new", file), "nowhere.npy"),
        "no space": (OpenVolume("new", VoxelFile(str(folder / "some.npy"), flat)), "matrix"),
        "one annotated slice": (Complete(ct, labels, CompleteOptions((1,), str(files.base), "cpu")), "only slice 1"),
        "a place that is taken": (replace(finetune, options=replace(options, out=str(folder))), "is no checkpoint"),
        "no scans": (replace(finetune, scans=()), "no scan"),
        "no annotation": (replace(finetune, scans=(replace(scan, slices=()),)), "scan 1 has no annotated slice"),
        "another grid": (replace(finetune, scans=(replace(scan, labels=replace(labels, ijk_to_lps=flat)),)), "matrix"),
        "nothing to rank": (RankSlices(ct, model, RankOptions((0, 1, 2, 3))), "none to rank"),
        "no original": (Describe(str(files.base)), "not a checkpoint of SAMed's authors"),
        "no such base to fetch": (Fetch("vit_x"), "unknown base model"),
    }


def test_bad_input_is_named_in_one_sentence(worker, files, handle, labelmap, tmp_path):
    labels = written(worker.folder, "labels", labelmap)
    for case, (request, said) in bad_requests(files, handle, labels, tmp_path).items():
        answer = worker.ask(request)[-1]
        assert isinstance(answer, Error), case
        assert answer.kind == "input", (case, answer)
        assert said in answer.message, (case, answer)
        assert "\n" not in answer.message
        assert "--" not in answer.message
    assert only_inputs(worker)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("base", None, "nothing to start from"),
        ("epochs", 0, "0 epochs"),
        ("minutes", 0.0, "0 minutes"),
        ("preset", "best", "unknown preset"),
        ("device", "abacus", 'unknown device "abacus"'),
    ],
)
def test_a_value_that_the_options_refuse_is_answered_under_the_requests_number(
    worker, ask_finetune, tmp_path, name, value, said
):
    row = json.loads(encode(ask_finetune(tmp_path / "mine"), 4000))
    row["options"][name] = value
    worker.write(json.dumps(row).encode() + b"\n")
    answer, number = worker.next()
    assert number == 4000
    assert answer.kind == "input"
    assert said in answer.message
