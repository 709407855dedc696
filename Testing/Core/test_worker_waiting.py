"""The worker does one thing at a time; what is asked meanwhile waits in order, and can be cancelled."""

import os

import pytest
from worker_process import segmented

from SAMedCore.options import SegmentOptions
from SAMedCore.service.events import Error, Progress, Ready, Result, Slices
from SAMedCore.service.messages import Cancel, CloseVolume, Describe, Segment, Shutdown

pytestmark = pytest.mark.skipif(os.name == "nt", reason="process groups")

WAITING = Progress("waiting", 0, 0)
CANCELLED = Error("Cancelled.", "cancelled")


@pytest.fixture
def busy(worker, ask_segment, long_volume) -> int:
    """The number of a segmentation that takes minutes."""
    handle = worker.open(long_volume)
    number = worker.send(ask_segment(handle))
    worker.wait_for(Slices)
    yield number
    worker.close(handle)


@pytest.fixture
def opened(worker, volume) -> str:
    """A volume that the test closes."""
    return worker.open(volume)


def answers(worker, count: int, ignored: int = 0) -> list[tuple[int, object]]:
    """The next events, but for the progress of the request `ignored`."""
    told = []
    while len(told) < count:
        event, number = worker.next()
        if number != ignored or isinstance(event, Result | Error):
            told.append((number, event))
    return told


def test_what_is_asked_while_a_job_runs_waits_in_order_and_is_told_so_at_once(worker, busy):
    first, second = worker.send(Describe("abdomen-demo")), worker.send(Describe("nowhere"))
    assert answers(worker, 2, busy) == [(first, WAITING), (second, WAITING)]
    worker.send(Cancel(), busy)
    (stopped, described, refused) = answers(worker, 3, busy)
    assert stopped == (busy, CANCELLED)
    assert (described[0], type(described[1])) == (first, Result)
    assert (refused[0], refused[1].kind) == (second, "input")


def test_what_waits_is_cancelled_at_once_and_the_others_go_on(worker, busy):
    first, second = worker.send(Describe("abdomen-demo")), worker.send(Describe("abdomen-demo"))
    answers(worker, 2, busy)
    worker.send(Cancel(), first)
    assert answers(worker, 1, busy) == [(first, CANCELLED)]
    worker.send(Cancel(), first)
    worker.send(Cancel(), busy)
    stopped, described = answers(worker, 2, busy)
    assert stopped == (busy, CANCELLED)
    assert (described[0], type(described[1])) == (second, Result)


def test_a_volume_is_closed_after_the_last_job_that_names_it_even_if_that_is_cancelled(worker, opened, small_model, busy):
    request = Segment(opened, small_model, SegmentOptions(slices=(0,)))
    first, second = (worker.send(request) for _ in range(2))
    closing = worker.send(CloseVolume(opened))
    late = worker.send(request)
    answers(worker, 3, busy)
    worker.send(Cancel(), second)
    assert answers(worker, 1, busy) == [(second, CANCELLED)]
    worker.send(Cancel(), late)
    assert answers(worker, 1, busy) == [(late, CANCELLED)]
    worker.send(Cancel(), busy)
    told: list = []
    while len(told) < 3:
        told += [each for each in answers(worker, 1, busy) if isinstance(each[1], Result | Error)]
    assert [number for number, _ in told] == [busy, first, closing]
    segmented([told[1][1]])


def test_one_that_is_told_to_leave_begins_nothing_that_waits(another_worker, ask_segment, long_volume):
    another_worker.wait_for(Ready)
    running = another_worker.send(ask_segment(another_worker.open(long_volume)))
    another_worker.wait_for(Slices)
    another_worker.send(Describe("abdomen-demo"))
    assert answers(another_worker, 1, running)[0][1] == WAITING
    another_worker.send(Shutdown())
    another_worker.wait_until_gone()
    assert not another_worker.folder.exists()
