"""What the module asks of the worker, with Slicer's own packages, our requirements, and SAMedCore on the path alone."""

import numpy as np
import pytest
from environments import SHIPPED, pinned
from imports import import_every_module, lacks
from packaging.utils import canonicalize_name
from worker_process import WorkerProcess, segmented, written
from written_series import write_series

from SAMedCore.image.labels import SYNAPSE_ORGANS, LabelTable
from SAMedCore.image.orientation import reorient
from SAMedCore.image.prompts import SlicePrompt
from SAMedCore.image.volume import LabelMap
from SAMedCore.options import FinetuneOptions, ModelOptions, SegmentOptions
from SAMedCore.service.events import Ready, Result
from SAMedCore.service.messages import (
    AnnotatedScan,
    EncodeAhead,
    Finetune,
    KeptStructure,
    Prompt,
    Propagate,
    RankSlices,
    Segment,
)

INSTALLED = """
import importlib.metadata, json
print(json.dumps({each.name: each.version for each in importlib.metadata.distributions()}))
"""
ONE_UP = np.array([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 1], [0, 0, 0, 1]])

DEVELOPERS_ONLY = ("timm", "pytest", "hypothesis", "medpy", "nrrd", "PySide6", "slicer", "surface_distance")

DICOM_SEG = """
import sys
from SAMedCore.files.read import read_labelmap
from SAMedCore.files.read import read_volume
from SAMedCore.files.write import write_labelmap
from SAMedCore.image.volume import LabelMap
from SAMedCore.image.labels import SYNAPSE_ORGANS
import numpy as np
series, out = sys.argv[1:]
volume = read_volume(series)
voxels = np.zeros(volume.voxels.shape, np.uint8)
voxels[1:3, 20:40, 30:50] = SYNAPSE_ORGANS.subset(["liver"]).values[0]
write_labelmap(LabelMap(voxels, volume.ijk_to_lps, SYNAPSE_ORGANS), out, source=series)
back = read_labelmap(out)
print(np.array_equal(back.voxels, voxels), back.labels.names)
"""


@pytest.fixture(scope="module")
def worker(a_slicer_user):
    running = WorkerProcess(
        a_slicer_user.desk / "private", path=a_slicer_user.variables["PYTHONPATH"], python=a_slicer_user.program
    )
    running.wait_for(Ready)
    yield running
    running.process.stdin.close()
    assert running.process.wait(timeout=10) == 0


@pytest.mark.parametrize("package", DEVELOPERS_ONLY)
def test_no_package_of_the_developers_leaks_in(a_slicer_user, package):
    assert lacks(a_slicer_user, package)


def test_samedcore_is_not_installed(a_slicer_user):
    done = a_slicer_user.start(a_slicer_user.program, "-c", "import importlib.metadata as m; m.version('samedcore')")
    assert "PackageNotFoundError" in done.stderr


def test_slicers_own_packages_are_as_slicer_pins_them(a_slicer_user, outcome_of):
    found = outcome_of(a_slicer_user.python(INSTALLED))
    installed = {canonicalize_name(name): version for name, version in found.items()}
    pins = dict(line.split("==") for line in pinned(SHIPPED))
    assert {name: installed[canonicalize_name(name)] for name in pins} == pins


def test_no_module_needs_more_than_slicer_has(a_slicer_user):
    assert import_every_module(a_slicer_user) == {}


def test_the_worker_segments_ranks_and_learns(worker, scan, a_slicer_user):
    volume, labelmap = scan
    ct, labels = worker.open(volume), written(worker.folder, "labels", labelmap)
    model = ModelOptions("abdomen-demo", device="cpu")
    segmenting = worker.ask(Segment(ct, model, SegmentOptions(slices=(0, 1))))
    assert isinstance(segmenting[-1], Result), segmenting[-1]
    assert segmented(segmenting)[:2].any()
    ranking = worker.ask(RankSlices(ct, model))
    assert [row["slice"] for row in ranking[-1].values["slices"]] != []
    out = a_slicer_user.desk / "learnt"
    scans = (AnnotatedScan(ct, labels, (0, 1)),)
    options = FinetuneOptions(str(out), base="lite", epochs=1, validation=0.0, device="cpu")
    learning = worker.ask(Finetune(scans, options))
    assert isinstance(learning[-1], Result), learning[-1]
    again = worker.ask(Segment(ct, ModelOptions(str(out), device="cpu"), SegmentOptions(slices=(0,))))
    assert isinstance(again[-1], Result), again[-1]


def test_the_worker_answers_a_box_and_carries_it_on(worker, scan):
    volume, labelmap = scan
    ct, liver = worker.open(volume), labelmap.voxels == SYNAPSE_ORGANS.subset(["liver"]).values[0]
    assert worker.ask(EncodeAhead(ct, 1)) == [Result()]
    rows, columns = np.nonzero(liver[1])
    corners = [volume.ijk_to_lps @ [i, j, 1, 1] for i, j in ((columns.min(), rows.min()), (columns.max(), rows.max()))]
    box = SlicePrompt((tuple(map(float, corners[0][:3])), tuple(map(float, corners[1][:3]))))
    answer = worker.ask(Prompt(ct, box))[-1]
    assert isinstance(answer, Result), answer
    mask = segmented([answer])[0] > 0
    assert 2 * (mask & liver[1]).sum() / (mask.sum() + liver[1].sum()) > 0.8
    kept = LabelMap(liver[1:2].astype(np.uint8), volume.ijk_to_lps @ ONE_UP, LabelTable.generic([1]))
    carried = worker.ask(Propagate(ct, written(worker.folder, "labels", kept), (KeptStructure(1, (1,)),)))[-1]
    assert isinstance(carried, Result), carried
    assert segmented([carried])[2:].any()
    worker.close(ct)


def test_dicom_seg_is_written_and_read_back(a_slicer_user, scan):
    slices = reorient(scan[0], "LPS").voxels
    series = write_series(a_slicer_user.desk / "series", (slices + 1024).clip(0, 4000).astype(np.int16))
    said = a_slicer_user.python(DICOM_SEG, series, "organs.dcm")
    assert said.strip() == "True ('liver',)"
