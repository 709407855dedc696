"""What a CT of 512 x 512 x 150 takes to travel: over a real sshd on this computer, against the worker here; `make remote`.

A proxy between the two counts the bytes, those of ssh itself among them, and in the last rows is as slow as a network.
"""

import os
import sys
import tempfile
import time
import zlib
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "Core")]

import numpy as np  # noqa: E402
from scipy.ndimage import gaussian_filter, zoom  # noqa: E402
from ssh_server import start_server  # noqa: E402
from tcp_proxy import Proxy  # noqa: E402
from worker_process import WorkerProcess, segmented, written  # noqa: E402

from SAMedCore.demo.sample import fetch_sample  # noqa: E402
from SAMedCore.image.volume import Volume  # noqa: E402
from SAMedCore.options import ModelOptions, SegmentOptions  # noqa: E402
from SAMedCore.remote.packing import PIECE, pack, unpack  # noqa: E402
from SAMedCore.service.events import Ready, Result  # noqa: E402
from SAMedCore.service.messages import OpenVolume, Segment  # noqa: E402

SHAPE = (150, 512, 512)
NOISE_HU = 12.0
SLICES = tuple(range(70, 80))
SLOW_MBIT = (100, 20)


def ct_like() -> Volume:
    """The sample CT on finer voxels, with a scanner's noise."""
    ct = fetch_sample()[0]
    fine = zoom(ct.voxels.astype(np.float32), [new / old for new, old in zip(SHAPE, ct.voxels.shape, strict=True)], order=1)
    noise = gaussian_filter(np.random.default_rng(0).normal(size=SHAPE).astype(np.float32), (0, 0.7, 0.7))
    noise *= NOISE_HU / noise.std()
    voxels = (fine + np.where(fine > -900, noise, noise * 0.3)).round().clip(-1024, 3071).astype(np.int16)
    scale = np.diag([old / new for new, old in zip(reversed(SHAPE), reversed(ct.voxels.shape), strict=True)] + [1.0])
    return Volume(voxels, ct.ijk_to_lps @ scale, "CT")


def packing_table(voxels: np.ndarray) -> None:
    """Ways to make it smaller, each on the same pieces of 40 slices, one core."""
    content = voxels[55:95].tobytes()
    pieces = [content[start : start + PIECE] for start in range(0, len(content), PIECE)]
    ways = {
        "as it is": (lambda piece: piece, lambda packed: packed),
        "zlib, level 1": (lambda piece: zlib.compress(piece, 1), zlib.decompress),
        "zlib, level 6": (lambda piece: zlib.compress(piece, 6), zlib.decompress),
        "differences, bytes sorted, zlib's run lengths (used)": (lambda piece: pack(piece, 2), unpack),
    }
    print("| way | of the size | MB/s in | MB/s out |\n|---|---|---|---|")
    for name, (shrink, grow) in ways.items():
        start = time.perf_counter()
        packed = [shrink(piece) for piece in pieces]
        middle = time.perf_counter()
        assert b"".join(map(grow, packed)) == content
        end = time.perf_counter()
        rates = [f"{len(content) / 1e6 / seconds:.0f}" if seconds > 0.01 else "-" for seconds in (middle - start, end - middle)]
        print(f"| {name} | {sum(map(len, packed)) / len(content):.2f} | {rates[0]} | {rates[1]} |")


def timed(action):
    start = time.perf_counter()
    return action(), time.perf_counter() - start


def opened(worker: WorkerProcess, volume: Volume, handle: str) -> float:
    """Seconds until the worker holds it, its file here being written already."""
    file = written(worker.folder, handle, volume)
    answer, seconds = timed(lambda: worker.ask(OpenVolume(handle, file, volume.modality)))
    assert isinstance(answer[-1], Result), answer
    return seconds


def main() -> None:
    volume = ct_like()
    packing_table(volume.voxels)
    model = ModelOptions("abdomen-demo", device="cpu")
    ask = SegmentOptions(slices=SLICES)
    with tempfile.TemporaryDirectory() as folder, start_server(Path(folder)) as server:
        python = server.script("real", f'exec "{sys.executable}" "$@"')
        proxy = Proxy(server.port)
        config = server.client_config(Port=proxy.port, HostKeyAlias=f"[127.0.0.1]:{server.port}")
        os.environ["SAMED_SSH"] = f"ssh -F {config}"
        program = ("-m", "SAMedCore.remote", f"ssh://far?python={python}")
        print("\n| where | start | volume | first request | again | MB there | MB back |\n|---|---|---|---|---|---|---|")
        found = {}
        for where, command in (("here", ("-m", "SAMedCore.service")), ("over ssh", program)):
            worker, starting = timed(lambda command=command: _started(Path(folder) / f"near-{len(found)}", command))
            sent, came = proxy.forwarded, proxy.returned
            opening = opened(worker, volume, "ct")
            on_wire = proxy.forwarded - sent
            first, first_s = timed(lambda worker=worker: segmented(worker.ask(Segment("ct", model, ask))))
            again, again_s = timed(lambda worker=worker: segmented(worker.ask(Segment("ct", model, ask))))
            assert np.array_equal(first, again)
            found[where] = again
            wire = f"{on_wire / 1e6:.1f} + {(proxy.forwarded - sent - on_wire) / 1e6:.1f} | {(proxy.returned - came) / 1e6:.2f}"
            took = f"{starting:.1f} s | {opening:.2f} s | {first_s:.1f} s | {again_s:.2f} s"
            print(f"| {where} | {took} | {wire} |")
            if where == "over ssh":
                for mbit in SLOW_MBIT:
                    proxy.limit(mbit * 1e6 / 8)
                    print(f"| {mbit} Mbit/s | | {opened(worker, volume, f'ct-{mbit}'):.1f} s | | | | |")
            worker.process.stdin.close()
            worker.process.wait()
        assert np.array_equal(*found.values())
        proxy.close()


def _started(folder: Path, command: tuple[str, ...]) -> WorkerProcess:
    worker = WorkerProcess(folder, command)
    worker.wait_for(Ready)
    return worker


if __name__ == "__main__":
    main()
