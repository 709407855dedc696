"""Fine-tuning through the worker: a checkpoint that segments, whether it came to its end or not."""

import os
from dataclasses import replace

import numpy as np
import pytest
from worker_process import cancelled, only_inputs, segmented, written

from SAMedCore.checkpoint.folder import read_info
from SAMedCore.evaluate.before_after import BeforeAfter
from SAMedCore.service.events import Metrics, Progress, Ready, Result
from SAMedCore.service.job import Job
from SAMedCore.service.jobs import do
from SAMedCore.service.messages import Cancel
from SAMedCore.service.models import Models
from SAMedCore.service.volumes import Volumes

pytestmark = pytest.mark.skipif(os.name == "nt", reason="process groups")


def test_a_fine_tuned_checkpoint_segments(worker, ask_finetune, ask_segment, small_model, tmp_path):
    out = tmp_path / "mine"
    *events, result = worker.ask(ask_finetune(out, classes=("liver", "aorta"), epochs=3))
    assert isinstance(result, Result), result
    metrics = [event for event in events if isinstance(event, Metrics)]
    dices = [event.validation_dice for event in metrics if event.validation_dice is not None]
    assert len(dices) == 3
    comparison = BeforeAfter.from_json(result.values.pop("comparison"))
    assert (comparison.names, comparison.slices, comparison.whole_scans) == (("liver", "aorta"), 1, False)
    assert result.values == {"checkpoint": str(out), "validation_dice": max(dices), "cancelled": False}
    assert [event.step for event in metrics] == sorted(event.step for event in metrics)
    assert (metrics[-1].step, metrics[-1].epoch) == (metrics[-1].steps, metrics[-1].epochs)
    assert {event.phase for event in events if isinstance(event, Progress)} == {"loading", "encoding", "training", "comparing"}
    assert read_info(out).labels.names == ("liver", "aorta")
    events = worker.ask(ask_segment(model=replace(small_model, checkpoint=str(out))))
    assert [label["name"] for label in events[-1].values["labelmap"]["labels"]] == ["liver", "aorta"]
    assert set(np.unique(segmented(events)).tolist()) <= {0, 5, 7}


def test_the_minutes_of_a_request_bound_its_encoding_too(handle, volume, ask_finetune, several_versions, tmp_path):
    events, volumes = [], Volumes()
    request = ask_finetune(tmp_path / "mine", epochs=50, minutes=1e-9)
    volumes.open(handle, written(tmp_path, "ct", volume))
    do(Job(request, 1, tmp_path, events.append), Models(), volumes)
    batches = 2  # of three slices in one version
    assert {(event.step, event.steps) for event in events if isinstance(event, Metrics)} >= {(batches, 50 * batches)}
    assert max(event.epoch for event in events if isinstance(event, Metrics)) == 1


def test_a_cancelled_training_keeps_its_best_checkpoint(worker, ask_finetune, tmp_path):
    def has_an_epoch(event):
        return isinstance(event, Metrics) and event.validation_dice is not None

    answer = cancelled(worker, ask_finetune(tmp_path / "mine", epochs=10_000), has_an_epoch)
    assert (answer.values["cancelled"], answer.values["comparison"]) == (True, None)
    assert answer.values["validation_dice"] == read_info(tmp_path / "mine").metrics["validation_dice"]
    assert only_inputs(worker)


def test_a_training_cancelled_before_its_first_epoch_leaves_nothing(worker, ask_finetune, tmp_path):
    def is_encoding(event):
        return isinstance(event, Progress) and event.phase == "encoding"

    answer = cancelled(worker, ask_finetune(tmp_path / "mine"), is_encoding)
    assert answer.kind == "cancelled"
    assert list(tmp_path.iterdir()) == []


def test_slicers_end_ends_a_training_and_the_same_request_goes_on_with_it(
    another_worker, worker, ask_finetune, volume, tmp_path
):
    out = tmp_path / "mine"
    another_worker.wait_for(Ready)
    another_worker.send(ask_finetune(out, another_worker.open(volume), epochs=10_000))
    while not (isinstance(event := another_worker.next()[0], Metrics) and event.validation_dice is not None):
        pass
    assert "sleep 600" in another_worker.processes()
    another_worker.process.stdin.close()
    another_worker.wait_until(lambda: not another_worker.processes() and not another_worker.folder.exists())
    # A process that is killed leaves its lock file, which the next one takes over.
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".lock"] == ["mine.training"]

    refused = worker.ask(ask_finetune(out, epochs=3))[-1]
    assert refused.kind == "input"
    assert "mine.training" in refused.message
    number = worker.send(ask_finetune(out, epochs=10_000))
    while not isinstance(event := worker.next()[0], Metrics):
        pass
    assert event.epoch > 1
    worker.send(Cancel(), number)
    assert worker.wait_for(Result)[-1].values["cancelled"] is True
    assert out.is_dir()
