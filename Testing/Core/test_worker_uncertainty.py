"""Uncertainty on its way out of the worker: the library's numbers in a file of its own, which goes where the job fails."""

import os
import stat
from pathlib import Path

import numpy as np
import pytest
from worker_process import cancelled, only_inputs, segmented

from SAMedCore.image.orientation import reorient
from SAMedCore.options import SegmentOptions
from SAMedCore.segment import load_model
from SAMedCore.service.events import Error, Slices

pytestmark = pytest.mark.skipif(os.name == "nt", reason="process groups")


@pytest.mark.parametrize("code", ["LPS", "SAR"])
def test_it_is_the_librarys(worker, ask_segment, volume, files, code):
    stored = reorient(volume, code)
    model = load_model(files.checkpoint, "cpu", base_weights=files.base)
    wanted = model.segment_with_probabilities(stored, SegmentOptions(slices=(0, 2), uncertainty=True))
    handle = worker.open(stored)
    events = worker.ask(ask_segment(handle, slices=(0, 2), uncertainty=True))
    values, path = events[-1].values, Path(events[-1].values["uncertainty"]["path"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.parent == worker.folder
    found = np.load(path)
    path.unlink()
    assert found.dtype == np.float16
    assert np.array_equal(found, wanted.uncertainty)
    assert np.array_equal(values["uncertainty"]["ijk_to_lps"], stored.ijk_to_lps)
    assert values["doubt"]["labels"] == pytest.approx(dict(wanted.label_doubt))
    assert values["doubt"]["slices"][1::2] == [None, None]
    assert values["doubt"]["slices"][::2] == pytest.approx(wanted.slice_doubt[::2])
    assert np.array_equal(segmented(events), wanted.labelmap.voxels)
    worker.close(handle)
    assert only_inputs(worker)


def test_nothing_comes_where_it_is_not_asked_for(worker, ask_segment):
    events = worker.ask(ask_segment(slices=(1,)))
    assert (events[-1].values["uncertainty"], events[-1].values["doubt"]) == (None, None)
    segmented(events)
    assert only_inputs(worker)


def test_a_cancelled_job_leaves_no_file(worker, ask_segment, long_volume):
    handle = worker.open(long_volume)
    answer = cancelled(worker, ask_segment(handle, uncertainty=True), after=lambda event: isinstance(event, Slices))
    assert isinstance(answer, Error)
    assert answer.kind == "cancelled"
    worker.close(handle)
    assert only_inputs(worker)
