"""Fuzz what the worker and the connection to another computer are sent: lines, requests, events and frames."""

import contextlib

import atheris
from fuzzing import fuzz

with atheris.instrument_imports(include=["SAMedCore"]):
    from SAMedCore.image.prompts import Limits, SlicePrompt, StructurePrompts
    from SAMedCore.options import FinetuneOptions, ModelOptions, SegmentOptions
    from SAMedCore.remote.frames import BrokenStream, Frames, Greeting, Kind, framed, greeting
    from SAMedCore.service.carried import LabelFile, VoxelFile
    from SAMedCore.service.events import Device, Error, Ready, Result
    from SAMedCore.service.messages import AnnotatedScan, Finetune, OpenVolume, PromptVolume, Segment
    from SAMedCore.service.wire import Lines, ProtocolError, Refused, decode_event, decode_request, encode

MATRIX = ((0.7, 0.0, 0.0, -10.0), (0.0, 0.7, 0.0, 20.0), (0.0, 0.0, 3.0, 0.0), (0.0, 0.0, 0.0, 1.0))
LABELS = LabelFile("labels.npy", MATRIX, [{"value": 1, "name": "liver"}])
PROMPT = StructurePrompts("liver", (SlicePrompt(points_in=((1.0, 2.0, 3.0),)),), Limits((0, 9)))
MESSAGES = [
    OpenVolume("ct", VoxelFile("ct.npy", MATRIX), "CT"),
    Segment("ct", ModelOptions("m", device="ssh://me@there:22/cuda:1"), SegmentOptions(("liver",), (3, 4), 2)),
    PromptVolume("ct", (PROMPT,), answer=LABELS),
    Finetune((AnnotatedScan("ct", LABELS, (1, 2)),), FinetuneOptions("out", base="lite", slices=(1,), minutes=0.5)),
    Ready(1, "0.1", (Device("cpu", "CPU, 8 threads"),)),
    Result({"slices": [{"slice": 3, "uncertainty": 0.5}]}),
    Error("no", "input"),
]


def try_one(data: bytes) -> None:
    lines = Lines()
    for line in lines.feed(data) + lines.feed(data[:7] + b"\n"):
        with contextlib.suppress(ProtocolError, Refused):
            message, number = decode_request(line)
            assert decode_request(encode(message, number)) == (message, number)
        with contextlib.suppress(ProtocolError, Refused):
            decode_event(line)
    with contextlib.suppress(BrokenStream):
        for frame in Frames().feed(data):
            if frame.kind is Kind.CALL:
                _ = frame.call
    with contextlib.suppress(BrokenStream):
        Greeting().feed(data)


if __name__ == "__main__":
    frames = framed(Kind.CALL, 1, b'{"op": "file", "size": 3}') + framed(Kind.DATA, 1, b"abc")
    fuzz("wire", [*(encode(each, 3) for each in MESSAGES), frames, greeting({"protocol": 5})], try_one)
