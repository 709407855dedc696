"""How much may be under way, and frames between two ends of a pipe."""

import os
import threading

import pytest

from SAMedCore.remote import window as window_module
from SAMedCore.remote.channel import Channel, ConnectionGone
from SAMedCore.remote.frames import Frame, Kind
from SAMedCore.remote.window import FEWEST_BYTES, FIRST_BYTES, Window


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass when a test says so."""
    now = [0.0]
    monkeypatch.setattr(window_module.time, "monotonic", lambda: now[0])
    return now


def room(window: Window, piece: int = 2**16) -> int:
    """How many bytes go before somebody has to wait."""
    taken = 0
    while window._bytes() + piece <= window._limit:
        window.wait_for(piece)
        taken += piece
    return taken


@pytest.mark.parametrize(("took_s", "becomes"), [(0.01, "larger"), (0.3, "the same"), (2.0, "smaller")])
def test_the_window_follows_the_network(clock, took_s, becomes):
    window = Window()
    sizes = [room(window)]
    assert sizes[0] == FIRST_BYTES
    for _ in range(3):
        clock[0] += took_s
        while window.taken():
            pass
        sizes.append(room(window))
    assert {"larger": sizes[-1] > sizes[0], "the same": sizes[-1] == sizes[0], "smaller": sizes[-1] == FEWEST_BYTES}[becomes]


def test_a_piece_larger_than_the_window_goes_alone():
    window = Window()
    window.wait_for(10 * FIRST_BYTES)
    assert window.taken() == 10 * FIRST_BYTES
    assert window.taken() == 0


def test_who_waits_for_room_hears_that_the_connection_is_gone():
    window = Window()
    window.wait_for(FIRST_BYTES)
    waiting = threading.Thread(target=window.wait_for, args=(FIRST_BYTES,))
    waiting.start()
    window.close()
    waiting.join(timeout=60)
    assert not waiting.is_alive()


def test_several_threads_send_whole_frames():
    read, write = os.pipe()
    there, here = Channel(read, write), Channel(read, write)
    payloads = [bytes([number]) * 3000 for number in range(8)]
    senders = [threading.Thread(target=here.send, args=(Kind.DATA, n, payload)) for n, payload in enumerate(payloads)]
    for each in senders:
        each.start()
    frames = there.frames()
    came = {(frame := next(frames)).number: frame for _ in payloads}
    for each in senders:
        each.join()
    assert came == {number: Frame(Kind.DATA, number, payload) for number, payload in enumerate(payloads)}
    assert there.received == here.sent
    os.close(write)
    assert list(frames) == []
    os.close(read)


def test_sending_to_nobody_is_told():
    read, write = os.pipe()
    os.close(read)
    with pytest.raises(ConnectionGone):
        Channel(read, write).call("ping")
    os.close(write)
