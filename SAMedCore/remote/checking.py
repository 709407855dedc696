"""What another computer can do, and how fast the connection to it is."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from SAMedCore.address import Address
from SAMedCore.remote.channel import Channel
from SAMedCore.remote.frames import BrokenStream, Frame, Kind
from SAMedCore.remote.ssh import CannotConnect, Connection
from SAMedCore.service.events import Device, Error, Ready
from SAMedCore.service.wire import ProtocolError, decode_event

PINGS = 5
PROBE_BYTES = 4 * 2**20
PROBE_PIECE = 2**16


@dataclass(frozen=True)
class Found:
    """What there is on another computer.

    Attributes:
        host: as it was asked for.
        python: its version there; `executable` is where it lies.
        version: SAMed's.
        packages: name -> version.
        devices: the best first.
        free_bytes: on the disk that takes the voxels.
        cache: the folder that keeps checkpoints and weights.
        round_trip_s: the median of a few.
        bytes_per_s: to there, of what cannot be made smaller.
    """

    host: str
    python: str
    executable: str
    version: str
    packages: dict[str, str]
    devices: tuple[Device, ...]
    free_bytes: int
    cache: str
    round_trip_s: float
    bytes_per_s: float

    def to_json(self) -> dict[str, Any]:
        """Plain lists and dictionaries."""
        return asdict(self)

    def text(self) -> str:
        """For a person: a line for each thing."""
        packages = ", ".join(f"{name} {version}" for name, version in self.packages.items())
        lines = [
            f"{self.host}: SAMed {self.version}, Python {self.python} ({self.executable})",
            *(f"  {device.name:8}{device.description}" for device in self.devices),
            f"Packages: {packages}",
            f"Free for voxels: {self.free_bytes / 2**30:.1f} GB; checkpoints are kept in {self.cache}",
            f"Connection: {1000 * self.round_trip_s:.1f} ms there and back, {self.bytes_per_s / 1e6:.1f} MB/s",
        ]
        return "\n".join(lines)


def check(address: Address) -> Found:
    """Connect, ask, measure, and leave.

    Raises:
        CannotConnect: as `Connection`, or the worker there cannot start.
    """
    connection = Connection(address)
    try:
        facts = connection.greet()
        frames = connection.frames()
        devices = _ready(address, frames).devices
        round_trips = [_timed(connection.channel, frames, 0) for _ in range(PINGS)]
        round_trip_s = statistics.median(round_trips)
        took_s = _timed(connection.channel, frames, PROBE_BYTES)
    except (BrokenStream, StopIteration) as error:
        raise CannotConnect(connection.complaint()) from error
    finally:
        connection.close()
    return Found(
        host=address.host,
        python=facts["python"],
        executable=facts["executable"],
        version=facts["version"],
        packages=facts["packages"],
        devices=devices,
        free_bytes=facts["free_bytes"],
        cache=facts["cache"],
        round_trip_s=round_trip_s,
        bytes_per_s=PROBE_BYTES / max(took_s - round_trip_s, 1e-6),
    )


def _ready(address: Address, frames: Iterator[Frame]) -> Ready:
    for frame in frames:
        if frame.kind == Kind.CALL and frame.call["op"] == "worker ended":
            words = frame.call.get("words") or "it left no message"
            raise CannotConnect(f"The worker on {address.host} cannot start ({words}): see the log.")
        if frame.kind != Kind.LINE:
            continue
        try:
            event, _ = decode_event(frame.payload)
        except ProtocolError as error:
            raise BrokenStream(str(error)) from error
        if isinstance(event, Ready):
            return event
        if isinstance(event, Error):
            raise CannotConnect(f"{address.host}: {event.message}")
    raise StopIteration


def _timed(channel: Channel, frames: Iterator[Frame], size: int) -> float:
    """Seconds until the far end has answered to a ping behind so many bytes, which it throws away."""
    pieces = [os.urandom(PROBE_PIECE) for _ in range(size // PROBE_PIECE)]
    start = time.perf_counter()
    for piece in pieces:
        channel.send(Kind.DATA, 0, piece)
    channel.call("ping")
    while (frame := next(frames)).kind != Kind.CALL or frame.call["op"] != "pong":
        pass
    return time.perf_counter() - start
