"""While nobody asks for anything slices are encoded for prompting, from the one that is shown outwards."""

import os
from types import SimpleNamespace

import pytest
import torch
from worker_process import PATIENCE_S, segmented

from SAMedCore.errors import BaseNotFetched, InputError
from SAMedCore.image.prompts import SlicePrompt
from SAMedCore.image.slices import axial_count
from SAMedCore.options import PromptOptions
from SAMedCore.service.ahead import encode_one, outwards
from SAMedCore.service.embeddings import Bounds, Embeddings
from SAMedCore.service.events import Error, Progress, Ready, Result
from SAMedCore.service.job import Job
from SAMedCore.service.messages import CloseVolume, Describe, EncodeAhead, Prompt

POINT = SlicePrompt(points_in=((0.0, 0.0, 4.0),))
"""On slice 4 of the volume below."""

SLICE_BYTES = 2 * 256 * 4 * 4


class Session:
    """Stands for a `PromptSession` whose slices are 1 mm thick; between two layers it does what `meanwhile` says."""

    def __init__(self, count: int, embeddings) -> None:
        self.count = count
        self.embeddings = embeddings
        self.model = SimpleNamespace(sam=SimpleNamespace(embedding_size=4, device=torch.device("cpu")))
        self.encoded: list[int] = []
        self.meanwhile = lambda: None

    def slice_of(self, prompt: SlicePrompt) -> int:
        k = round(prompt.points[0][2])
        if k >= self.count:
            raise InputError("outside")
        return k

    def is_encoded(self, k: int) -> bool:
        return self.embeddings.get(("LPS", k)) is not None

    def encode(self, k: int, work) -> None:
        for _layer in range(3):
            work.stop_if_cancelled()
            self.meanwhile()
        self.encoded.append(k)
        self.embeddings["LPS", k] = torch.zeros(1, 256, 4, 4, dtype=torch.float16)


class Idle:
    """A worker that encodes ahead, without the worker."""

    def __init__(self, count: int, start: int, room: int = 100) -> None:
        self.prompt_embeddings = Embeddings(Bounds(cpu=room * SLICE_BYTES, gpu=0))
        self.one = Session(count, self.prompt_embeddings.of("ct"))
        self.waiting: list[Job] = []
        self.show(start)
        self.error: Exception | None = None
        self.releases = 0

    def session(self, handle, volume, options, work):
        if self.error is not None:
            raise self.error
        return self.one

    def release(self) -> None:
        self.releases += 1

    def named(self, handle) -> None:
        """Stands for `Volumes`, too."""

    def show(self, k: int) -> None:
        self.job = Job(EncodeAhead("ct", k), 0, None, print, first_waiting=lambda: next(iter(self.waiting), None))

    def encode_one(self) -> bool:
        return encode_one(self.job, self, self)

    def run(self) -> list[int]:
        while self.encode_one():
            pass
        return self.one.encoded

    def ask(self, request) -> None:
        self.waiting.append(Job(request, 1, None, print))


@pytest.mark.parametrize(
    ("start", "expected"), [(2, [2, 3, 1, 4, 0]), (0, [0, 1, 2, 3, 4]), (4, [4, 3, 2, 1, 0]), (3, [3, 4, 2, 1, 0])]
)
def test_slices_come_from_the_one_that_is_shown_outwards(start, expected):
    assert list(outwards(start, 5)) == expected
    assert Idle(5, start).run() == expected


def test_what_is_encoded_already_is_passed_over():
    idle = Idle(5, 2)
    idle.one.encode(3, SimpleNamespace(stop_if_cancelled=lambda: None))
    assert idle.run() == [3, 2, 1, 4, 0]


def test_no_nearer_slice_ever_makes_room_for_a_farther_one():
    idle = Idle(100, 10, room=5)
    assert idle.run() == [10, 11, 9, 12, 8]
    assert sorted(k for k in range(100) if idle.one.is_encoded(k)) == [8, 9, 10, 11, 12]
    idle.show(12)
    assert idle.run()[5:] == [13, 14]
    assert sorted(k for k in range(100) if idle.one.is_encoded(k)) == [10, 11, 12, 13, 14]


@pytest.mark.parametrize(
    "request_",
    [
        Describe("abdomen-demo"),
        Prompt("ct", SlicePrompt(points_in=((0.0, 0.0, 5.0),))),
        Prompt("ct", SlicePrompt(points_in=((0.0, 0.0, 50.0),))),
        Prompt("ct", POINT, PromptOptions(intensities="other")),
        Prompt("another", POINT),
    ],
    ids=["describe", "another slice", "outside", "other intensities", "another volume"],
)
def test_any_request_stops_it_within_the_slice_and_it_goes_on_afterwards(request_):
    idle = Idle(9, 4)
    idle.one.meanwhile = lambda: idle.ask(request_)
    assert idle.encode_one()
    assert idle.one.encoded == []
    idle.waiting.clear()
    idle.one.meanwhile = lambda: None
    assert len(idle.run()) == 9


def test_a_prompt_for_the_very_slice_waits_for_it():
    idle = Idle(9, 4)
    idle.one.meanwhile = lambda: idle.ask(Prompt("ct", POINT))
    assert idle.encode_one()
    assert idle.one.encoded == [4]
    assert idle.encode_one()
    assert idle.one.encoded == [4]


def test_it_is_over_when_it_is_cancelled():
    idle = Idle(9, 4)
    idle.one.meanwhile = idle.job.cancel
    assert not idle.encode_one()
    assert idle.one.encoded == []


@pytest.mark.parametrize(
    ("error", "is_logged", "releases"),
    [
        (BaseNotFetched("vit_b"), False, 0),
        (InputError("nowhere.pth: no such file."), True, 0),
        (MemoryError(), True, 1),
        (RuntimeError("CUDA out of memory"), True, 1),
        (ZeroDivisionError(), True, 0),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_goes_wrong_ends_it_and_is_only_logged(capsys, error, is_logged, releases):
    idle = Idle(9, 4)
    idle.error = error
    assert not idle.encode_one()
    assert ("Traceback" in capsys.readouterr().err) == is_logged
    assert idle.releases == releases


# From here on the real worker.


@pytest.fixture
def options(files) -> PromptOptions:
    return PromptOptions(str(files.base), "cpu", "ct")


def encoded(worker) -> int:
    return worker.log.count("encoded for prompting")


@pytest.mark.skipif(os.name == "nt", reason="process groups")
def test_an_idle_worker_encodes_every_slice_and_a_prompt_finds_its_own_ready(worker, handle, volume, options):
    before = encoded(worker)
    assert worker.ask(EncodeAhead(handle, 2, options)) == [Result()]
    worker.wait_until(lambda: encoded(worker) == before + axial_count(volume.grid))
    middle = volume.ijk_to_lps @ [50, 50, 1, 1]
    events = worker.ask(Prompt(handle, SlicePrompt(points_in=(tuple(map(float, middle[:3])),)), options))
    segmented(events)
    assert [event for event in events if isinstance(event, Progress)] == []
    assert encoded(worker) == before + axial_count(volume.grid)


@pytest.mark.skipif(os.name == "nt", reason="process groups")
def test_the_checkpoint_that_is_loaded_stays_and_so_does_what_it_has_encoded(worker, handle, ask_segment, options):
    segmented(worker.ask(ask_segment()))
    before = encoded(worker)
    worker.ask(EncodeAhead(handle, 0, options))
    worker.wait_until(lambda: encoded(worker) == before + 4)
    events = worker.ask(ask_segment())
    segmented(events)
    assert {event.phase for event in events if isinstance(event, Progress)} == {"segmenting"}


@pytest.mark.skipif(os.name == "nt", reason="process groups")
def test_it_gives_way_to_requests_and_ends_with_its_volume(worker, long_volume, options):
    handle = worker.open(long_volume)
    before = encoded(worker)
    assert worker.ask(EncodeAhead(handle, 500, options)) == [Result()]
    worker.wait_until(lambda: encoded(worker) >= before + 2)
    assert [type(event) for event in worker.ask(Describe("abdomen-demo"))] == [Result]
    there = encoded(worker)
    worker.wait_until(lambda: encoded(worker) >= there + 2)
    assert worker.ask(CloseVolume(handle)) == [Result()]
    there = encoded(worker)
    assert [type(event) for event in worker.ask(Describe("abdomen-demo"))] == [Result]
    assert encoded(worker) == there
    assert there < before + 1000


@pytest.mark.skipif(os.name == "nt", reason="process groups")
def test_what_cannot_be_encoded_ahead_says_nothing_but_a_slice_that_is_not_there(worker, handle):
    refused = worker.ask(EncodeAhead(handle, 4))[-1]
    assert isinstance(refused, Error)
    assert "0:4" in refused.message
    assert worker.ask(EncodeAhead("gone", 0))[-1].kind == "input"
    assert worker.ask(EncodeAhead(handle, 0, PromptOptions("nowhere.pth"))) == [Result()]
    worker.wait_until(lambda: "nowhere.pth" in worker.log)
    assert [type(event) for event in worker.ask(Describe("abdomen-demo"))] == [Result]


@pytest.mark.skipif(os.name == "nt", reason="process groups")
def test_a_worker_that_encodes_ahead_leaves_when_it_is_to(another_worker, long_volume, options):
    another_worker.wait_for(Ready)
    another_worker.ask(EncodeAhead(another_worker.open(long_volume), 0, options))
    another_worker.wait_until(lambda: encoded(another_worker) >= 1)
    another_worker.process.stdin.close()
    another_worker.process.wait(timeout=PATIENCE_S)
    another_worker.wait_until_gone()
    assert not another_worker.folder.exists()
