"""How long Slicer's main thread is busy at a time while a CT of 1,000 slices is segmented.

The network is left out: a scripted worker takes the volume and answers at once with eight ellipsoids, slice by slice, so that
what is measured is this module's own work in Slicer's process. `make stalls` prints the table.
"""

import sys
import tempfile
import textwrap
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "SlicerSAMed"), str(ROOT / "Testing" / "Host"), str(ROOT)]

import numpy as np  # noqa: E402

import slicerhost  # noqa: E402

slicerhost.boot()

import slicer  # noqa: E402

import launchers  # noqa: E402
from SAMedCore.demo import sample  # noqa: E402
from SAMedCore.image.labels import SYNAPSE_ORGANS  # noqa: E402
from SAMedCore.image.volume import Volume  # noqa: E402
from SAMedCore.options import ModelOptions, SegmentOptions  # noqa: E402
from SAMedLib.jobs.segment import SegmentJob  # noqa: E402
from SAMedLib.sampleData import addVolume  # noqa: E402
from SAMedLib.scene.statistics import addVolumesTable  # noqa: E402
from SAMedLib.setup.locations import coreFolder  # noqa: E402
from SAMedLib.worker.client import Worker  # noqa: E402

SHAPE = (1000, 512, 512)
SLICES_AT_A_TIME = 16

ANSWER = """
import numpy as np
request = next(requests())
number, volume = request["number"], volumes[request["volume"]]
shape = np.load(volume["path"], mmap_mode="r").shape
path = folder + "/labelmap.npy"
out = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
k, j, i = (np.arange(n).reshape([-1 if a == b else 1 for b in range(3)]) / n for a, n in enumerate(shape))
for start in range(0, shape[0], {step}):
    stop = min(start + {step}, shape[0])
    for value in range(1, 9):
        centre = (0.1 * value, 0.3 + 0.05 * value, 0.2 + 0.07 * value)
        inside = ((k[start:stop] - centre[0]) / 0.15) ** 2 + ((j - centre[1]) / 0.1) ** 2 + ((i - centre[2]) / 0.1) ** 2 < 1
        out[start:stop][inside] = value
    out.flush()
    say("Slices", number, labelmap=path, box=[[start, stop], [0, shape[1]], [0, shape[2]]])
    say("Progress", number, phase="segmenting", done=stop, total=shape[0])
    time.sleep(0.25)
del out
say("Result", number, values={{"labelmap": {{"path": path, "ijk_to_lps": volume["ijk_to_lps"], "labels": {labels}}}}})
sys.stdin.read()
"""


def measure() -> list[tuple[str, float]]:
    """(what, longest stall in ms) in the order in which a person meets them."""
    voxels = np.random.default_rng(0).integers(-1000, 1000, SHAPE, dtype=np.int16)
    volumeNode = addVolume(Volume(voxels, np.diag([0.8, 0.8, 1.0, 1.0])), "CT")
    composite = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSliceCompositeNode")
    composite.SetBackgroundVolumeID(volumeNode.GetID())
    body = textwrap.dedent(ANSWER).format(step=SLICES_AT_A_TIME, labels=repr(SYNAPSE_ORGANS.to_json()))
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        worker = Worker(launchers.write(Path(folder) / "scripted", launchers.SCRIPTED, body=body), str(coreFolder()))
        job = SegmentJob(worker, volumeNode, None, ModelOptions("abdomen-demo"), SegmentOptions(), SYNAPSE_ORGANS)
        phases: list[str] = []
        job.listener.jobProgressed = lambda phase, done, total, secondsLeft: phases.append(phase)
        with slicerhost.StallMeter() as stalls:
            job.start()
            slicerhost.waitUntil(lambda: "segmenting" in phases, seconds=120)
        rows.append(("copy-in (512 MB), a slab at a time", stalls.longestMs))
        conclude, concluded = job.conclude, []

        def timedConclude(values):
            began = time.perf_counter()
            outcome = conclude(values)
            concluded.append((time.perf_counter() - began) * 1000)
            return outcome

        job.conclude = timedConclude
        with slicerhost.StallMeter() as stalls:
            slicerhost.waitUntil(lambda: phases.count("segmenting") >= SHAPE[0] // SLICES_AT_A_TIME, seconds=300)
        rows.append(("while slices come, four times a second", stalls.longestMs))
        slicerhost.waitUntil(lambda: job.finished, seconds=120)
        if job.error is not None:
            raise job.error
        rows.append(("final import into the segmentation", concluded[0]))
        for what, action in (
            ("volumes in ml", lambda: addVolumesTable(job.outcome, volumeNode)),
            ("surfaces (Show 3D)", job.outcome.CreateClosedSurfaceRepresentation),
        ):
            began = time.perf_counter()
            action()
            rows.append((what, (time.perf_counter() - began) * 1000))
        worker.stop()
    return rows


def measureCancel() -> list[tuple[str, float]]:
    """(what, ms) of the real worker, cancelled while it segments the sample: until it has answered, and the longest stall."""
    worker = Worker(sys.executable, str(coreFolder()))
    model = ModelOptions("abdomen-demo", device="cpu")
    job = SegmentJob(worker, addVolume(sample.fetch_sample()[0], "sample"), None, model, SegmentOptions())
    phases: list[str] = []
    job.listener.jobProgressed = lambda phase, done, total, secondsLeft: phases.append(phase)
    with slicerhost.StallMeter() as stalls:
        job.start()
        slicerhost.waitUntil(lambda: phases.count("segmenting") > 1, seconds=300)
        began = time.perf_counter()
        job.cancel()
        slicerhost.waitUntil(lambda: job.finished, seconds=60)
        took = (time.perf_counter() - began) * 1000
    worker.stop()
    return [("a real worker starts and segments", stalls.longestMs), ("until it has answered to Cancel (not a stall)", took)]


def main() -> None:
    print(f"Longest stall of Slicer's main thread, CT of {' x '.join(str(n) for n in reversed(SHAPE))} voxels:")
    for what, stallMs in [*measure(), *measureCancel()]:
        print(f"  {what:48}{stallMs:8.0f} ms")


if __name__ == "__main__":
    main()
