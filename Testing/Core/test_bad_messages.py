"""Messages that no panel sends: every line is a request or an error, and the worker lives on and answers the next one."""

import copy
import json
import os
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_wire import EVENTS, LABELS, MATRIX, REQUESTS
from worker_process import WorkerProcess, written

from SAMedCore.errors import InputError
from SAMedCore.image.prompts import Limits, SlicePrompt, StructurePrompts
from SAMedCore.image.texts import in_one_line
from SAMedCore.options import CompleteOptions, FinetuneOptions, ModelOptions, RankOptions, SegmentOptions
from SAMedCore.remote.frames import LONGEST_FRAME, BrokenStream, Frames, Kind, framed
from SAMedCore.service.carried import LabelFile, VoxelFile
from SAMedCore.service.events import Error, Result
from SAMedCore.service.messages import (
    AnnotatedScan,
    Complete,
    Describe,
    EncodeAhead,
    Fetch,
    Finetune,
    Import,
    KeptStructure,
    OpenVolume,
    Prompt,
    PromptVolume,
    Propagate,
    RankSlices,
    Segment,
    SegmentCohort,
)
from SAMedCore.service.server import Server
from SAMedCore.service.wire import LONGEST_LINE, Lines, ProtocolError, Refused, decode_event, decode_request, encode

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True)
    | st.text(max_size=5)
    | st.just("\ud800")
    | st.just("a\0"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)
ROWS = [json.loads(encode(message, 3)) for message in [*REQUESTS, *EVENTS]]


@st.composite
def damaged(draw) -> bytes:
    """A message, one of whose values is another, missing, or there twice."""
    row = copy.deepcopy(draw(st.sampled_from(ROWS)))
    place = row
    while True:
        keys = list(place) if isinstance(place, dict) else range(len(place))
        key = draw(st.sampled_from(list(keys)))
        inner = place[key]
        if not inner or not isinstance(inner, dict | list) or draw(st.booleans()):
            break
        place = inner
    match draw(st.sampled_from(["another", "missing", "more"])):
        case "another":
            place[key] = draw(JSON)
        case "missing":
            del place[key]
        case "more" if isinstance(place, dict):
            place[draw(st.text(max_size=4))] = draw(JSON)
        case "more":
            place.append(draw(JSON))
    return json.dumps(row).encode()


@given(damaged() | st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
@settings(max_examples=400, deadline=None)
def test_every_line_is_a_message_or_none(line):
    for decode in (decode_request, decode_event):
        try:
            message, number = decode(line)
        except (ProtocolError, Refused):
            continue
        assert decode(encode(message, number)) == (message, number)


@given(st.lists(damaged() | st.binary(max_size=60).filter(lambda line: b"\n" not in line), min_size=1, max_size=5))
@settings(max_examples=60, deadline=None)
def test_the_server_answers_each_bad_line_with_one_error_that_can_be_read(tmp_path_factory, lines):
    said = []

    class Listening(Server):
        def send(self, event, number=0):
            said.append(encode(event, number))

        def _leave(self):
            """A `Shutdown` came through."""

    descriptor = os.open(os.devnull, os.O_RDWR)
    server = Listening(descriptor, descriptor, tmp_path_factory.getbasetemp())
    for line in lines:
        said.clear()
        server._hear(line)
        events = [decode_event(each)[0] for each in said]
        try:
            decode_request(line)
        except (ProtocolError, Refused):
            assert [type(event) for event in events] == [Error]
            assert events[0].message.isprintable()
    os.close(descriptor)


def test_a_sentence_about_a_value_without_end_is_short_enough_to_be_heard(tmp_path):
    row = json.loads(encode(Segment("ct", ModelOptions("m")), 7))
    row["model"]["device"] = "a" * (LONGEST_LINE - 1000)
    with pytest.raises(Refused) as refused:
        decode_request(json.dumps(row).encode())
    assert len(encode(Error(in_one_line(str(refused.value)), "input"))) < 4096


def test_what_would_be_skipped_is_not_sent():
    structures = (StructurePrompts("a" * LONGEST_LINE, (SlicePrompt(points_in=((1.0, 2.0, 3.0),)),)),)
    with pytest.raises(InputError, match="larger than 4 MB: ask for less at a time"):
        encode(PromptVolume("ct", structures))


def test_a_gigabyte_without_a_line_break_takes_no_memory():
    lines, piece = Lines(), bytes(2**20)
    for _ in range(1024):
        assert lines.feed(piece) == []
        assert len(lines._rest) <= LONGEST_LINE
    assert lines.feed(b"\n{}\n") == [b"{}"]


def test_frames_that_promise_more_than_comes_take_no_memory():
    frames = Frames()
    assert frames.feed(framed(Kind.DATA, 1, b"abc")[:-1]) == []
    with pytest.raises(BrokenStream):
        Frames().feed(b"SF\x03" + (1).to_bytes(4, "big") + (LONGEST_FRAME + 1).to_bytes(4, "big"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """With what is no voxel file."""
    folder = tmp_path_factory.mktemp("bad")
    os.mkfifo(folder / "pipe.npy")
    (folder / "loop.npy").symlink_to("loop.npy")
    (folder / "zeros.npy").symlink_to("/dev/zero")
    (folder / "text.npy").write_text("no voxels")
    np.save(folder / "objects.npy", np.array([{}, None]), allow_pickle=True)
    np.save(folder / "flat.npy", np.zeros((3, 4)))
    (folder / "cut.npy").write_bytes((folder / "flat.npy").read_bytes()[:-9])
    return folder


NOT_OPENED = {
    "a pipe": "pipe.npy",
    "a link to itself": "loop.npy",
    "zeros without end": "zeros.npy",
    "text": "text.npy",
    "a pickle": "objects.npy",
    "two dimensions": "flat.npy",
    "cut off": "cut.npy",
    "nothing": "none.npy",
    "a name that is too long": "a" * 300,
    "a folder": "",
}


@pytest.mark.parametrize("name", NOT_OPENED.values(), ids=NOT_OPENED)
def test_what_is_no_volume_is_not_opened(worker, folder, name):
    (error,) = worker.ask(OpenVolume("bad", VoxelFile(str(folder / name), MATRIX)))
    assert isinstance(error, Error)
    assert error.message.isprintable()


def asked(worker: WorkerProcess, handle: str, model: ModelOptions, labels: LabelFile) -> dict:
    """Requests of the right kinds that ask for what there is not."""
    point = SlicePrompt(points_in=((0.0, 0.0, 0.0),))
    far = SlicePrompt(points_in=((1e9, -1e9, 1e9),))
    return {
        "no such volume": Segment("none", model),
        "no such slice": Segment(handle, model, SegmentOptions(slices=(0, 99_999))),
        "no such label": Segment(handle, model, SegmentOptions(("heart\x1b[31m",))),
        "no such checkpoint": Segment(handle, ModelOptions("none")),
        "a checkpoint with a long name": Segment(handle, ModelOptions("a" * 5000)),
        "a checkpoint that is a link to itself": Segment(handle, ModelOptions(str(worker.folder / "loop"))),
        "no such device": Segment(handle, ModelOptions(model.checkpoint, model.base, "cuda:99")),
        "a description of nothing": Describe(""),
        "a description of a folder": Describe("/"),
        "a description of a device": Describe("/dev/zero"),
        "an import of nothing": Import("none.pth", "vit_b", str(worker.folder / "new"), "RPS"),
        "an import in no orientation": Import("none.pth", "vit_b", str(worker.folder / "new"), ""),
        "a fetch of nothing": Fetch(""),
        "a fetch of a path": Fetch("../../etc/passwd"),
        "a cohort of nothing": SegmentCohort("/none", str(worker.folder / "out"), model),
        "a prompt beyond the earth": Prompt(handle, far),
        "a prompt on a long base": PromptVolume(handle, (StructurePrompts("a", (far,)),)),
        "no structure": PromptVolume(handle, ()),
        "limits elsewhere": PromptVolume(handle, (StructurePrompts("a", (point,), Limits((900, 999))),)),
        "a label that is none": Propagate(handle, labels, (KeptStructure(77, (1,)),)),
        "a kept slice that is none": Propagate(handle, labels, (KeptStructure(1, (-5, 10**12)),)),
        "a slice ahead that is none": EncodeAhead(handle, -7),
        "labels elsewhere": Complete(handle, LABELS),
        "an annotated slice that is none": Complete(handle, labels, CompleteOptions((0, 99_999))),
        "labels that are none": Complete(handle, LabelFile(labels.path, labels.ijk_to_lps, [{"value": "x", "name": []}])),
        "no scan": Finetune((), FinetuneOptions(str(worker.folder / "new"), base="lite")),
        "a scan with slices that are none": Finetune(
            (AnnotatedScan(handle, labels, (10**9,)),), FinetuneOptions(str(worker.folder / "new"), base="lite")
        ),
        "a ranking of nothing": RankSlices("none", model),
        "a ranking of what is not there": RankSlices(handle, ModelOptions("none"), RankOptions((99_999,))),
    }


CASES = list(asked(type("Nowhere", (), {"folder": Path()}), "", ModelOptions("m"), LABELS))


@pytest.mark.parametrize("case", CASES)
def test_what_there_is_not_is_said_to_be_bad_input(worker, handle, small_model, labelmap, case):
    if not (worker.folder / "loop").is_symlink():
        (worker.folder / "loop").symlink_to("loop")
    labels = written(worker.folder, "labels", labelmap)
    *_, answer = worker.ask(asked(worker, handle, small_model, labels)[case])
    assert isinstance(answer, Error), asdict(answer)
    assert answer.kind == "input", answer.message
    assert answer.message.isprintable()
    assert len(answer.message) < 2100
    assert not (worker.folder / "new").exists()


def test_after_all_that_the_worker_still_answers(worker, handle, files):
    worker.write(b"\xff\xfe nonsense\n{}\n" + b"x" * (LONGEST_LINE + 9) + b"\n")
    assert [worker.next()[0].kind for _ in range(2)] == ["failed", "failed"]
    *_, answer = worker.ask(Describe(str(files.checkpoint)))
    assert isinstance(answer, Result)
