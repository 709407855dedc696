"""The worker holds a volume by its handle: it is sent once and encoded once, and let go of when it is closed."""

import os
from dataclasses import replace

import numpy as np
import pytest
from worker_process import segmented, written

from SAMedCore.service.events import Error, Progress, Ready, Result, Slices
from SAMedCore.service.messages import Cancel, CloseVolume, OpenVolume, RankSlices

pytestmark = pytest.mark.skipif(os.name == "nt", reason="process groups")

ENCODED = "a warning " * 2000
"""What the small worker logs whenever its network encodes."""


def encoded(worker, request) -> tuple[int, np.ndarray]:
    """How many times the network encodes for a segmentation, and the labels."""
    before = worker.log.count(ENCODED)
    events = worker.ask(request)
    return worker.log.count(ENCODED) - before, segmented(events)


def test_every_slice_is_encoded_once(worker, handle, ask_segment, small_model):
    assert encoded(worker, ask_segment(handle, slices=(1, 2)))[0] == 2
    times, first = encoded(worker, ask_segment(handle))
    assert times == 2
    times, second = encoded(worker, ask_segment(handle))
    assert times == 0
    assert np.array_equal(second, first)
    before = worker.log.count(ENCODED)
    ranked = worker.ask(RankSlices(handle, small_model))[-1].values["slices"]
    assert len(ranked) == 4
    assert worker.log.count(ENCODED) == before


def test_what_was_encoded_goes_with_its_volume_and_with_its_model(worker, volume, ask_segment, small_model, files):
    handle = worker.open(volume)
    assert encoded(worker, ask_segment(handle, slices=(0,)))[0] == 1
    worker.close(handle)
    worker.ask(OpenVolume(handle, written(worker.folder, handle, volume)))
    assert encoded(worker, ask_segment(handle, slices=(0,)))[0] == 1
    os.utime(files.checkpoint / "samed.json")
    assert encoded(worker, ask_segment(handle, slices=(0,)))[0] == 1
    assert encoded(worker, ask_segment(handle, replace(small_model, precision="bf16"), slices=(0,)))[0] == 1
    assert encoded(worker, ask_segment(handle, slices=(0,)))[0] == 1
    worker.close(handle)


def test_volumes_are_opened_and_closed_while_a_job_runs(worker, ask_segment, handle, volume, long_volume):
    used = worker.open(long_volume)
    job = worker.send(ask_segment(used))
    worker.wait_for(Slices)
    opening = worker.send(OpenVolume("another", written(worker.folder, "volume-another", volume)))
    closing_other, closing_used = worker.send(CloseVolume("another")), worker.send(CloseVolume(used))
    answers = []
    while len(answers) < 2:
        event, number = worker.next()
        if number != job:
            answers.append((number, event))
    assert answers == [(opening, Result()), (closing_other, Result())]
    worker.send(Cancel(), job)
    answers = []
    while len(answers) < 2:
        event, number = worker.next()
        if not isinstance(event, Slices | Progress):
            answers.append((number, event))
    assert answers == [(job, Error("Cancelled.", "cancelled")), (closing_used, Result())]
    refused = worker.ask(ask_segment(used))[-1]
    assert refused.kind == "input"
    assert "send it again" in refused.message


def test_a_volume_may_be_opened_before_the_worker_is_ready(worker_alone, volume):
    opening = worker_alone.send(OpenVolume("ct", written(worker_alone.folder, "ct", volume)))
    closing = worker_alone.send(CloseVolume("ct"))
    again = worker_alone.send(CloseVolume("ct"))
    said = []
    while len(said) < 4:
        event, number = worker_alone.next()
        if isinstance(event, Result | Error | Ready):
            said.append((number, getattr(event, "kind", type(event))))
    assert said[:3] == [(opening, Result), (closing, Result), (again, "input")]
