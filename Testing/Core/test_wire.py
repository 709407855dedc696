"""Messages survive the pipe, however it cuts them, and what is no message is told apart from one."""

import json
import typing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from SAMedCore.errors import InputError
from SAMedCore.image.prompts import Limits, SlicePrompt, StructurePrompts
from SAMedCore.options import (
    CohortOptions,
    CompleteOptions,
    FinetuneOptions,
    ModelOptions,
    PromptOptions,
    RankOptions,
    SegmentOptions,
)
from SAMedCore.service import events, messages
from SAMedCore.service.carried import LabelFile, VoxelFile
from SAMedCore.service.events import Device, Error, Metrics, Notice, Progress, Ready, Result, Slices, Started
from SAMedCore.service.messages import (
    AnnotatedScan,
    Cancel,
    CloseVolume,
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
    Shutdown,
    handles,
)
from SAMedCore.service.wire import LONGEST_LINE, Lines, ProtocolError, Refused, decode_event, decode_request, encode

MATRIX = ((0.7, 0.0, 0.0, -10.25), (0.0, 0.7, 0.0, 20.0), (0.0, 0.0, 3.0, -1e-17), (0.0, 0.0, 0.0, 1.0))
LABELS = LabelFile("/tmp/privé/labels.npy", MATRIX, [{"value": 1, "name": "Milz", "type": ["SCT", "78961009", "Spleen"]}])
SCANS = (AnnotatedScan("ct 1", LABELS, (1, 2)), AnnotatedScan("ct 2", LABELS, (0,)))
LEARNT = {
    "all": FinetuneOptions("out", base="lite"),
    "annotated": FinetuneOptions("out", checkpoint="mine", base="b.pth", slices="annotated", keep_others=True, resume=None),
    "some": FinetuneOptions(
        "out",
        base="lite",
        preset="samed_h",
        classes=("liver", "spleen"),
        epochs=3,
        minutes=0.5,
        batch_size=2,
        validation=0.0,
        slices=(1, 5),
        orientation="RPS",
        half=True,
        resume=True,
        device="cuda:1",
    ),
}
REQUESTS = [
    OpenVolume("ct 1", VoxelFile("/tmp/privé/CT 1.npy", MATRIX), "MR"),
    CloseVolume("ct 1"),
    Describe("abdomen-demo"),
    Import("epoch_159.pth", "vit_b", "out", "RPS"),
    Fetch("lite"),
    Segment("ct 1", ModelOptions("modèle", "base.pth", "cuda:0", "bf16"), SegmentOptions(("liver",), (3, 4), 2, True, True)),
    Segment("ct 1", ModelOptions("abdomen-demo")),
    Segment("ct 1", ModelOptions("abdomen-demo", device="ssh://me@gpu:2222/cuda:1?python=/opt/bin/python")),
    SegmentCohort("/scans", "/out", ModelOptions("m"), SegmentOptions(("liver",)), CohortOptions(2, "head:6379", 0, ".nii.gz")),
    SegmentCohort("/scans", "/out", ModelOptions("m")),
    EncodeAhead("ct 1", 30),
    Prompt("ct 1", SlicePrompt(points_in=((1.0, 2.0, 3.0),))),
    Prompt(
        "ct 1",
        SlicePrompt(((0.5, -1.0, 3.0), (9.0, 8.0, 3.0)), ((1.0, 2.0, 3.0),), ((4.0, 5.0, 3.0), (6.0, 7.0, 3.0))),
        PromptOptions("vit_b", "cuda:1", "other"),
        LABELS,
    ),
    Propagate(
        "ct 1",
        LABELS,
        (
            KeptStructure(1, (3, 9)),
            KeptStructure(3, (), rough=(5, 6)),
            KeptStructure(2, (4,), (4,), Limits((0, 9), ((-1.0, -2.0, -3.0), (1.0, 2.0, 3.0)))),
        ),
    ),
    PromptVolume("ct 1", (StructurePrompts("liver", (SlicePrompt(points_in=((1.0, 2.0, 3.0),)),), Limits((0, 9))),)),
    PromptVolume("ct 1", (StructurePrompts("a", (SlicePrompt(points_in=((1.0, 2.0, 3.0),)),)),), PromptOptions(), LABELS),
    Complete("ct 1", LABELS),
    Complete("ct 1", LABELS, CompleteOptions((1, 7), "lite", "cpu", 10, 3)),
    *(Finetune(SCANS, options) for options in LEARNT.values()),
    RankSlices("ct 1", ModelOptions("abdomen-demo"), RankOptions((5,))),
    Cancel(),
    Shutdown(),
]
EVENTS = [
    Started(4711),
    Ready(4711, "0.1.0", (Device("cuda:0", "CUDA: NVIDIA H100, 80 GB"), Device("cpu", "CPU, 8 threads"))),
    Progress("segmenting", 3, 100),
    Slices("/tmp/out.npy", ((0, 4), (0, 512), (0, 512))),
    Metrics(10, 480, 1, 30, 0.25),
    Metrics(480, 480, 30, 30, 0.125, 0.875),
    Notice("Without a GPU, the decoder alone is trained."),
    Result({"slices": [{"slice": 3, "uncertainty": 0.5}]}),
    Error('"x.npy" cannot be read: try again.', "input"),
]


@pytest.mark.parametrize(("messages", "decode"), [(REQUESTS, decode_request), (EVENTS, decode_event)])
def test_every_message_comes_back_as_it_was_sent(messages, decode):
    for number, message in enumerate(messages):
        line = encode(message, number)
        assert line.endswith(b"\n")
        assert line.isascii()
        assert line.count(b"\n") == 1
        assert decode(line) == (message, number)


def test_every_kind_of_message_is_tried_here():
    assert {type(message) for message in REQUESTS} == set(typing.get_args(messages.Request))
    assert {type(message) for message in EVENTS} == set(typing.get_args(events.Event))


def test_a_request_names_the_volumes_that_it_works_with():
    one = dict.fromkeys((EncodeAhead, Segment, Prompt, Propagate, PromptVolume, Complete, RankSlices), ("ct 1",))
    expected = {**one, Finetune: ("ct 1", "ct 2")}
    for request in REQUESTS:
        assert handles(request) == expected.get(type(request), ())


def test_whole_numbers_pass_for_measures_and_what_is_left_out_has_its_default():
    line = b'{"type": "OpenVolume", "number": 1, "handle": "ct", "volume": {"path": "a", "ijk_to_lps": [[1]]}}'
    request, _ = decode_request(line)
    assert request == OpenVolume("ct", VoxelFile("a", ((1.0,),)))
    assert isinstance(request.volume.ijk_to_lps[0][0], float)
    line = b'{"type": "Segment", "number": 1, "volume": "ct", "model": {"checkpoint": "m"}}'
    assert decode_request(line)[0] == Segment("ct", ModelOptions("m"))


@pytest.mark.parametrize(("resume", "slices"), [(True, "all"), (False, [3]), (None, None)])
def test_a_value_of_several_kinds_comes_as_the_kind_that_it_is(resume, slices):
    options = {"out": "o", "base": "lite", "resume": resume, "slices": slices}
    row = {"type": "Finetune", "number": 1, "scans": [], "options": options}
    found = decode_request(json.dumps(row).encode())[0].options
    assert found.resume is resume
    assert found.slices == (tuple(slices) if isinstance(slices, list) else slices)


def test_a_value_that_the_options_refuse_is_told_with_the_requests_number():
    row = json.loads(encode(Segment("ct", ModelOptions("m")), 7))
    row["options"]["batch_size"] = 0
    with pytest.raises(Refused, match="0 slices at a time") as refused:
        decode_request(json.dumps(row).encode())
    assert refused.value.number == 7
    assert isinstance(refused.value.__cause__, InputError)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"Traceback (most recent call last):",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b"\xff\xfe",
        b'{"type": "Segment", "number": 1}',
        b'{"type": "Fetch", "name": "lite"}',
        b'{"type": "Fetch", "number": "1", "name": "lite"}',
        b'{"type": "Fetch", "number": true, "name": "lite"}',
        b'{"type": "Fetch", "number": 1, "name": 3}',
        b'{"type": "Fetch", "number": 1, "name": "lite", "force": true}',
        b'{"type": "Ready", "number": 0, "pid": 1, "version": "1", "devices": []}',
        b'{"type": "Complete", "number": 1, "volume": "a", "labels": "b"}',
        b'{"type": "Segment", "number": 1, "volume": "a", "model": "m"}',
        b'{"type": "Segment", "number": 1, "volume": "a", "model": {"checkpoint": "m", "speed": 9}}',
        b'{"type": "RankSlices", "number": 1, "volume": "a", "model": {"checkpoint": "m"}, "options": {"annotated": [1.5]}}',
        b'{"type": "Finetune", "number": 1, "scans": [], "options": {"out": "o", "base": "b", "resume": 1}}',
        b'{"type": "Finetune", "number": 1, "scans": [], "options": {"out": "o", "base": "b", "slices": [true]}}',
    ],
)
def test_what_is_no_request_is_refused(line):
    with pytest.raises(ProtocolError):
        decode_request(line)


def test_an_error_of_an_unknown_kind_is_no_event():
    row = json.loads(encode(Error("no", "failed")))
    with pytest.raises(ProtocolError):
        decode_event(json.dumps({**row, "kind": "fatal"}).encode())


def test_numbers_that_json_does_not_know_are_not_sent():
    with pytest.raises(ValueError, match="JSON"):
        encode(Result({"uncertainty": float("nan")}))


@given(st.lists(st.binary(max_size=30)), st.lists(st.integers(1, 20)))
def test_lines_come_out_whole_however_they_are_cut(texts, cuts):
    expected = [text.replace(b"\n", b"") for text in texts]
    stream = b"".join(text + b"\n" for text in expected)
    lines, found, start = Lines(), [], 0
    for length in cuts:
        found += lines.feed(stream[start : start + length])
        start += length
    assert found + lines.feed(stream[start:]) == [text for text in expected if text]


def test_a_line_longer_than_any_message_is_skipped_and_its_memory_given_back():
    lines, half = Lines(), b"x" * (LONGEST_LINE // 2 + 1)
    assert lines.feed(b"one\n" + half) == [b"one"]
    assert lines.feed(half) == []
    assert len(lines._rest) == 0
    assert lines.feed(b"still the same line\ntwo\n") == [b"two"]


def test_the_longest_line_that_is_allowed_comes_through():
    longest = b"x" * LONGEST_LINE
    assert Lines().feed(longest + b"\n") == [longest]
    assert Lines().feed(longest + b"x\n") == []
