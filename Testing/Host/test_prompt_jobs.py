"""Boxes, clicks and "Through the volume" from Slicer's side, with the real worker and the real base model."""

import sys

import numpy as np
import pytest
import slicer

import launchers
import slicerhost
from SAMedCore.errors import Cancelled, InputError
from SAMedCore.image.grid import same_grid
from SAMedCore.image.labels import Label, LabelTable
from SAMedCore.image.prompts import SlicePrompt
from SAMedCore.image.volume import LabelMap
from SAMedCore.options import PromptOptions
from SAMedCore.service.messages import KeptStructure
from SAMedLib.jobs.encodeAhead import EncodeAheadJob
from SAMedLib.jobs.job import JobListener
from SAMedLib.jobs.phases import PHASES
from SAMedLib.jobs.prompt import PromptJob
from SAMedLib.jobs.propagate import PropagateJob
from SAMedLib.scene.volumes import ijkToLPS
from SAMedLib.setup.locations import coreFolder
from SAMedLib.worker.client import Worker
from scans import crop

OPTIONS = PromptOptions("lite", "cpu")
LIVER = 5
READY_SECONDS = 60


@pytest.fixture(scope="module")
def worker(lite_weights):
    """One for all tests."""
    running = Worker(sys.executable, str(coreFolder()))
    yield running
    running.stop()
    assert launchers.privateFolders() == []


@pytest.fixture
def liver(sample_labels) -> np.ndarray:
    """(k, j, i) bool, on the grid of `ct`."""
    return crop(sample_labels, 80, 84).voxels == LIVER


def boxOf(ct, mask: np.ndarray, k: int) -> SlicePrompt:
    """A tight box round the mask on slice k, in LPS; `ct` is stored in RAS, so that k counts from the feet."""
    rows, columns = np.flatnonzero(mask[k].any(axis=1)), np.flatnonzero(mask[k].any(axis=0))
    corners = [(columns[0], rows[0]), (columns[-1], rows[-1])]
    points = [tuple(float(each) for each in (ijkToLPS(ct) @ [i, j, k, 1])[:3]) for i, j in corners]
    return SlicePrompt((points[0], points[1]))


def dice(first: np.ndarray, second: np.ndarray) -> float:
    return 2 * float((first & second).sum()) / float(first.sum() + second.sum())


class Phases(JobListener):
    def __init__(self) -> None:
        self.heard: list[str] = []

    def jobProgressed(self, phase, done, total, secondsLeft) -> None:
        self.heard.append(phase)


def test_a_box_gives_the_structure_on_its_slice_of_the_volumes_own_voxels(worker, ct, liver):
    outcome = PromptJob(worker, ct, boxOf(ct, liver, 1), OPTIONS).start().wait()
    assert outcome.slice == 1
    assert 0.5 < outcome.quality <= 1
    assert same_grid(outcome.labelmap.grid, crop(LabelMap(liver.astype(np.uint8), ijkToLPS(ct), LabelTable(())), 1, 2).grid)
    assert dice(outcome.labelmap.voxels[0] > 0, liver[1]) > 0.85
    assert list(worker.folder.glob("labelmap-*")) == []


@pytest.mark.parametrize("part", ["the whole grid", "the slice alone", "other slices"])
def test_of_the_mask_so_far_the_prompts_slice_is_sent_and_its_label_comes_back(worker, ct, liver, part):
    label = Label(9, "mine", (1, 2, 3))
    before = LabelMap(9 * liver.astype(np.uint8), ijkToLPS(ct), LabelTable((label,)))
    before = {"the whole grid": before, "the slice alone": crop(before, 1, 2), "other slices": crop(before, 2, 4)}[part]
    job = PromptJob(worker, ct, boxOf(ct, liver, 1), OPTIONS, before).start()
    sent = list(job.arrays())
    outcome = job.wait()
    assert outcome.slice == 1
    assert dice(outcome.labelmap.voxels[0] > 0, liver[1]) > 0.85
    if part == "other slices":
        assert sent == []
        assert outcome.labelmap.labels.values == (1,)
    else:
        assert np.array_equal(sent[0], 9 * liver[1:2].astype(np.uint8))
        assert outcome.labelmap.labels == LabelTable((label,))


def test_prompts_on_a_volume_that_the_worker_holds_are_sent_at_once(worker, ct, liver):
    PromptJob(worker, ct, boxOf(ct, liver, 1), OPTIONS).start().wait()
    before = crop(LabelMap(liver.astype(np.uint8), ijkToLPS(ct), LabelTable.generic([1])), 1, 2)
    job = PromptJob(worker, ct, boxOf(ct, liver, 1), OPTIONS, before)
    job.listener = Phases()
    job.start()
    assert job._isSent
    job.wait()
    assert job.listener.heard == []


def test_what_is_encoded_ahead_is_copied_once_and_there_for_the_first_prompt(worker, ct, liver):
    ahead = EncodeAheadJob(worker, ct, 1, OPTIONS).start()
    job = PromptJob(worker, ct, boxOf(ct, liver, 1), OPTIONS).start()
    job.wait()
    assert ahead.finished
    assert ahead.error is None
    assert job._held == ahead._held
    assert len(list(worker.folder.glob("voxels-*.npy"))) == 1


def test_encoding_ahead_is_quiet_about_what_cannot_be_prompted(worker, ct):
    empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty")
    assert isinstance(EncodeAheadJob(worker, empty, 0, OPTIONS).start().error, InputError)
    outside = EncodeAheadJob(worker, ct, 99, OPTIONS).start()
    slicerhost.waitUntil(lambda: outside.finished, seconds=READY_SECONDS)
    assert isinstance(outside.error, InputError)
    assert slicerhost.dialogs.shown == []


def test_a_prompt_waits_for_the_job_that_runs_and_says_so(worker, ct, liver):
    kept = LabelMap(liver.astype(np.uint8), ijkToLPS(ct), LabelTable.generic([1]))
    running = PropagateJob(worker, ct, kept, [KeptStructure(1, (0,))], OPTIONS)
    waiting = PromptJob(worker, ct, boxOf(ct, liver, 2), OPTIONS)
    dropped = PromptJob(worker, ct, boxOf(ct, liver, 3), OPTIONS)
    waiting.listener = Phases()
    for job in (running, waiting, dropped):
        job.start()
    slicerhost.waitUntil(lambda: "waiting" in waiting.listener.heard, seconds=READY_SECONDS)
    dropped.cancel()
    with pytest.raises(Cancelled):
        dropped.wait()
    assert waiting.wait().slice == 2
    assert running.finished
    assert set(waiting.listener.heard) <= set(PHASES)


def test_structures_are_carried_on_from_the_part_that_is_sent(worker, ct, liver, sample_labels):
    aorta = crop(sample_labels, 80, 84).voxels == 7
    drawn = np.where(aorta, 2, liver).astype(np.uint8)
    kept = crop(LabelMap(drawn, ijkToLPS(ct), LabelTable.generic([1, 2])), 0, 1)
    structures = [KeptStructure(1, (0,)), KeptStructure(2, (0,))]
    job = PropagateJob(worker, ct, kept, structures, OPTIONS)
    job.listener = Phases()
    outcome = job.start().wait()
    assert "propagating" in job.listener.heard
    assert set(job.listener.heard) <= set(PHASES)
    assert outcome.labelmap.voxels.shape == drawn.shape
    assert not outcome.labelmap.voxels[0].any()
    for value, structure in ((1, liver), (2, aorta)):
        assert outcome.drawn(value) == (1, 2, 3)
        assert all(0 <= each <= 1 for each in outcome.confidence[value].values())
        assert dice(outcome.labelmap.voxels[1:] == value, structure[1:]) > 0.8
