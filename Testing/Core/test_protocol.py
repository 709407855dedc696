"""Messages survive the pipe, however it cuts them, and what is no message is told apart from one."""

import json
import typing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from SAMedCore.service import messages
from SAMedCore.service.messages import (
    LONGEST_LINE,
    AnnotatedScan,
    Cancel,
    Complete,
    Describe,
    Device,
    Error,
    Fetch,
    Finetune,
    Import,
    LabelFile,
    Lines,
    Metrics,
    Progress,
    ProtocolError,
    RankSlices,
    Ready,
    Result,
    Segment,
    Shutdown,
    Slices,
    Started,
    VoxelFile,
    decode_event,
    decode_request,
    encode,
)

MATRIX = ((0.7, 0.0, 0.0, -10.25), (0.0, 0.7, 0.0, 20.0), (0.0, 0.0, 3.0, -1e-17), (0.0, 0.0, 0.0, 1.0))
VOLUME = VoxelFile("/tmp/privé/CT 1.npy", MATRIX)
LABELS = LabelFile("/tmp/privé/labels.npy", MATRIX, [{"value": 1, "name": "Milz", "type": ["SCT", "78961009", "Spleen"]}])
REQUESTS = [
    Describe("abdomen-demo"),
    Import("epoch_159.pth", "vit_b", "out", "RPS"),
    Fetch("lite"),
    Segment(VOLUME, "modèle", labels=("liver",), slices=(3, 4)),
    Segment(VOLUME, "abdomen-demo"),
    Complete(VOLUME, LABELS, annotated_slices=(1, 7)),
    Finetune((AnnotatedScan(VOLUME, LABELS, (1, 2)),), "out", base="lite", minutes=0.5, classes=("liver", "spleen")),
    RankSlices(VOLUME, "abdomen-demo", annotated=(5,)),
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
    Result({"slices": [{"slice": 3, "uncertainty": 0.5, "centre_lps": [1.0, 2.0, 3.0]}]}),
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
    assert {type(message) for message in EVENTS} == set(typing.get_args(messages.Event))


def test_whole_numbers_pass_for_measures_and_what_is_left_out_has_its_default():
    line = b'{"type": "Segment", "number": 1, "volume": {"path": "a", "ijk_to_lps": [[1]]}, "model": "m"}'
    request, _ = decode_request(line)
    assert request == Segment(VoxelFile("a", ((1.0,),)), "m")
    assert isinstance(request.volume.ijk_to_lps[0][0], float)


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
        b'{"type": "RankSlices", "number": 1, "volume": {"path": "a", "ijk_to_lps": []}, "model": "m", "annotated": [1.5]}',
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
