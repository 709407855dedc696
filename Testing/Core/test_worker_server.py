"""What the worker does without anybody asking, and how it names what goes wrong; the network is left out."""

import os
import threading
import time

import pytest
import torch
from worker_process import PATIENCE_S

from SAMedCore.errors import Cancelled, InputError, SAMedError
from SAMedCore.service import jobs, server
from SAMedCore.service.answers import answer_to
from SAMedCore.service.events import Error, Metrics, Progress, Result
from SAMedCore.service.job import Job
from SAMedCore.service.server import Server
from SAMedCore.service.wire import decode_event
from SAMedCore.work import FinishedSlices, TrainingProgress


class Networks:
    """Stands for `Models`."""

    def __init__(self) -> None:
        self.released_at: list[float] = []

    def release(self) -> None:
        self.released_at.append(time.monotonic())


def test_networks_are_let_go_when_nothing_was_asked_for_a_while(tmp_path, monkeypatch):
    networks = Networks()
    monkeypatch.setattr(server, "IDLE_S", 0.2)
    monkeypatch.setattr(server, "load", lambda: (networks, None))
    requests, stop = os.pipe()
    said, events = os.pipe()
    began = time.monotonic()
    thread = threading.Thread(target=Server(requests, events, tmp_path / "private").run)
    thread.start()
    while not networks.released_at and time.monotonic() < began + PATIENCE_S:
        time.sleep(0.01)
    os.close(stop)
    thread.join(PATIENCE_S)
    assert not thread.is_alive()
    assert networks.released_at[0] - began >= 0.2
    for descriptor in (requests, said, events):
        os.close(descriptor)


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (InputError("labels.npy: damaged."), "input", "labels.npy: damaged."),
        (Cancelled(), "cancelled", "Cancelled."),
        (SAMedError("the loss became nan."), "failed", "the loss became nan."),
        (MemoryError(), "failed", "memory ran out"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"), "failed", "memory ran out"),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
            "failed",
            "memory ran out",
        ),
        (OSError(28, "No space left on device"), "failed", "disk is full"),
        (ZeroDivisionError("division\nby zero"), "internal", "ZeroDivisionError: division by zero"),
    ],
)
def test_every_failure_is_one_sentence_of_its_kind(tmp_path, monkeypatch, capsys, error, kind, said):
    networks = Networks()

    def fail(job, models, volumes):
        raise error

    monkeypatch.setattr(jobs, "do", fail)
    answer = answer_to(Job(None, 1, tmp_path, print), networks, None)
    assert answer.kind == kind
    assert said in answer.message
    assert "\n" not in answer.message
    assert bool(networks.released_at) == ("memory" in said)
    assert ("Traceback" in capsys.readouterr().err) == (not isinstance(error, SAMedError))


def test_an_answer_that_is_no_json_is_an_error_of_the_program(tmp_path, monkeypatch):
    monkeypatch.setattr(jobs, "do", lambda job, models, volumes: {"uncertainty": float("nan")})
    assert answer_to(Job(None, 1, tmp_path, print), Networks(), None).kind == "internal"


def test_progress_is_told_at_each_phases_begin_and_end_and_seldom_between(tmp_path):
    told = []
    work = Job(None, 1, tmp_path, told.append).work()
    for phase in ("encoding", "training"):
        for done in range(1001):
            work.step(phase, done, 1000)
    assert [(event.phase, event.done) for event in told if event.done in (0, 1000)] == [
        ("encoding", 0),
        ("encoding", 1000),
        ("training", 0),
        ("training", 1000),
    ]
    assert len(told) < 20


def test_a_job_that_is_cancelled_stops_its_work(tmp_path):
    job = Job(None, 1, tmp_path, print)
    work = job.work()
    work.stop_if_cancelled()
    job.cancel()
    with pytest.raises(Cancelled):
        work.stop_if_cancelled()


def test_filled_parts_are_told_to_whom_the_work_was_made_for(tmp_path):
    parts, part = [], (slice(0, 1), slice(0, 4), slice(0, 4))
    Job(None, 1, tmp_path, print).work(parts.append).tell(FinishedSlices(part))
    assert parts == [part]


def test_steps_and_epochs_are_counted_through_all_stages_and_losses_between_are_averaged(tmp_path):
    told = []
    work = Job(None, 1, tmp_path, told.append).work()
    rest = {"learning_rate": 0.1, "eta_s": 1.0}
    for stage, epochs in (("decoder", 2), ("all", 1)):
        for epoch in range(1, epochs + 1):
            for step in range(100):
                done = {"step": 100 * (epoch - 1) + step + 1, "steps": 100 * epochs, "epoch": epoch, "epochs": epochs}
                work.tell(TrainingProgress(stage, **done, epoch_done=False, loss=float(step), validation_dice=0.25, **rest))
            work.tell(TrainingProgress(stage, **done, epoch_done=True, loss=9.0, validation_dice=0.5, **rest))
    metrics = [event for event in told if isinstance(event, Metrics)]
    ends = [event for event in metrics if event.validation_dice is not None]
    counted = [(each.step, each.steps, each.epoch, each.epochs, each.validation_dice) for each in ends]
    assert counted == [(100, 200, 1, 2, 0.5), (200, 200, 2, 2, 0.5), (300, 300, 3, 3, 0.5)]
    assert all(40 < each.loss < 60 for each in ends)
    assert len(metrics) < 20
    assert {event.phase for event in told if isinstance(event, Progress)} == {"training"}


def test_events_go_out_whole_from_several_threads(tmp_path):
    said, events = os.pipe()
    speaker = Server(os.open(os.devnull, os.O_RDONLY), events, tmp_path)
    threads = [
        threading.Thread(target=lambda n=n: [speaker.send(Result({"text": "x" * 5000}), n) for _ in range(20)])
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    lines = []
    with os.fdopen(said, "rb") as pipe:
        while len(lines) < 80:
            lines.append(decode_event(pipe.readline()))
    for thread in threads:
        thread.join()
    os.close(events)
    assert sorted(number for _, number in lines) == sorted(list(range(4)) * 20)
    assert not any(isinstance(event, Error) for event, _ in lines)
