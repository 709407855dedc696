"""A connection that breaks, and whoever dies: one sentence for each request, nothing half-written, nothing left behind."""

import os
import signal
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from ssh_server import SshServer
from tcp_proxy import Proxy
from worker_process import PATIENCE_S, WorkerProcess, only_inputs, segmented, written

from SAMedCore.options import SegmentOptions
from SAMedCore.service.events import Error, Progress, Ready, Result, Slices
from SAMedCore.service.messages import Cancel, OpenVolume, Segment
from SAMedCore.service.wire import decode_event


@pytest.fixture
def proxy(server) -> Proxy:
    between = Proxy(server.port)
    yield between
    between.close()


@pytest.fixture
def connected(server, tmp_path, monkeypatch):
    """Start near ends; those that are left are ended."""
    started = []

    def start(config=server.config, address=server.address) -> WorkerProcess:
        monkeypatch.setenv("SAMED_SSH", f"ssh -F {config}")
        started.append(WorkerProcess(tmp_path / f"near-{len(started)}", ("-m", "SAMedCore.remote", address)))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.wait()


@pytest.fixture
def busy(long_volume, small_model):
    """Let a near end segment a long volume until the first slices have come; the request's number."""

    def begin(near: WorkerProcess) -> int:
        opened = near.open(long_volume)
        number = near.send(Segment(opened, small_model, SegmentOptions(batch_size=1)))
        while not isinstance(near.next()[0], Slices):
            pass
        return number

    return begin


def last_words(near: WorkerProcess, number: int) -> Error:
    """What the request was answered when the process ended."""
    answers = []
    while (line := near._events.get(timeout=PATIENCE_S)) is not None:
        event, of_request = decode_event(line)
        if of_request == number and isinstance(event, Result | Error):
            answers.append(event)
    assert near.process.wait(timeout=PATIENCE_S) == 1
    assert len(answers) == 1
    assert only_inputs(near)
    return answers[0]


LOST = Error("The connection to far was lost: check the network, then try again; it is made anew by itself.", "lost")


def killed(pids: list[int]) -> None:
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def sessions(server: SshServer) -> list[int]:
    """The sshd processes that serve connections."""
    rows = subprocess.run(
        ["ps", "-eo", "pid=,ppid="], capture_output=True, check=True, encoding="utf-8", errors="replace"
    ).stdout.split("\n")
    pairs = [tuple(map(int, row.split())) for row in rows if row]
    return [pid for pid, parent in pairs if parent == server.process.pid]


def test_a_killed_session_is_lost_and_the_next_one_works(connected, server, busy, volume, small_model):
    near = connected()
    near.wait_for(Ready)
    number = busy(near)
    killed(sessions(server))
    assert last_words(near, number) == LOST
    server.wait_until_gone()
    again = connected()
    again.wait_for(Ready)
    opened = again.open(volume)
    events = again.ask(Segment(opened, small_model))
    assert segmented(events).shape == volume.voxels.shape
    phases = [event.phase for event in events if isinstance(event, Progress)]
    assert "sending" not in phases, "the checkpoint is there already"
    again.process.stdin.close()
    assert again.process.wait(timeout=PATIENCE_S) == 0
    server.wait_until_gone()


@pytest.mark.slow
@pytest.mark.parametrize("who", ["small_far.py", "small_worker.py"])
def test_a_killed_far_end_or_worker_is_told(connected, server, busy, who):
    near = connected()
    near.wait_for(Ready)
    number = busy(near)
    killed(server.pids(who))
    said = last_words(near, number)
    if who == "small_far.py":
        assert said == LOST
    else:
        assert said.message.startswith("The worker on far ended unexpectedly (exit code -9; ")
    server.wait_until_gone()


@pytest.mark.slow
def test_a_cut_network_is_noticed_at_both_ends(connected, server, proxy, busy):
    near = connected(server.client_config(Port=proxy.port, HostKeyAlias=f"[127.0.0.1]:{server.port}"))
    near.wait_for(Ready)
    number = busy(near)
    proxy.cut()
    assert last_words(near, number) == LOST
    near.wait_until_gone()
    # It hears of nothing, and leaves after a minute.
    server.wait_until_gone(patience_s=120)


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, None])
def test_nothing_stays_when_whoever_asked_goes(connected, server, busy, how):
    near = connected()
    near.wait_for(Ready)
    busy(near)
    near.process.stdin.close() if how is None else near.process.send_signal(how)
    near.wait_until_gone()
    server.wait_until_gone()


@pytest.mark.slow
def test_a_slow_network_carries_cancel_past_the_voxels(connected, server, proxy, volume, small_model):
    proxy.limit(400_000)
    near = connected(server.client_config(Port=proxy.port, HostKeyAlias=f"[127.0.0.1]:{server.port}"))
    near.wait_for(Ready)
    noise = np.random.default_rng(0).integers(-1000, 1000, (24, 400, 400)).astype(np.int16)
    large = replace(volume, voxels=noise)
    opening = near.send(OpenVolume("large", written(near.folder, "volume-large", large), None))
    number = near.send(Segment("large", small_model))
    while not isinstance(near.next()[0], Progress):
        pass
    near.send(Cancel(), number)
    while (event := near.next()) != (Error("Cancelled.", "cancelled"), number):
        assert isinstance(event[0], Progress)
    assert proxy.forwarded < noise.nbytes / 2
    # The volume still comes, for the next request.
    assert near.next() == (Result(), opening)


@pytest.mark.slow
def test_a_full_disk_there_is_told_and_another_volume_still_comes(connected, server, volume, small_model):
    python = server.script("small_files", f'ulimit -f 2000; exec "{server.python}" "$@"')
    near = connected(address=f"ssh://far?python={python}")
    near.wait_for(Ready)
    large = replace(volume, voxels=np.random.default_rng(0).integers(-1000, 1000, (40, 400, 400)).astype(np.int16))
    answer = near.ask(OpenVolume("large", written(near.folder, "volume-large", large), None))[-1]
    assert answer.message.startswith("far could not take what was sent (File too large): free some space there")
    assert isinstance(near.ask(OpenVolume("small", written(near.folder, "volume-small", volume), None))[-1], Result)
