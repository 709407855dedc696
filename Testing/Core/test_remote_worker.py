"""The worker elsewhere answers as the one here: over a real sshd, the same voxels, the same sentences, nothing left behind."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from ssh_server import SshServer
from worker_process import PATIENCE_S, WorkerProcess, cancelled, only_inputs, segmented, written

from SAMedCore.checkpoint.folder import read_info
from SAMedCore.image.orientation import reorient
from SAMedCore.image.prompts import SlicePrompt
from SAMedCore.options import CompleteOptions, FinetuneOptions, ModelOptions, PromptOptions, SegmentOptions
from SAMedCore.service.events import Error, Metrics, Progress, Ready, Result, Slices
from SAMedCore.service.messages import (
    AnnotatedScan,
    CloseVolume,
    Complete,
    Describe,
    Finetune,
    Prompt,
    Segment,
)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory, server) -> WorkerProcess:
    """As `worker`, but at the other end of an ssh connection."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAMED_SSH", server.command)
        running = WorkerProcess(tmp_path_factory.mktemp("near") / "privé folder", ("-m", "SAMedCore.remote", server.address))
    running.wait_for(Ready)
    yield running
    running.process.stdin.close()
    assert running.process.wait(timeout=PATIENCE_S) == 0
    assert not running.folder.exists()


@pytest.fixture(scope="module")
def there(elsewhere, volume) -> str:
    return elsewhere.open(volume)


def in_cache(server: SshServer) -> set[str]:
    return {path.name for path in server.cache.rglob("*") if path.is_file()}


def test_the_segmentation_is_the_same_voxel_for_voxel(worker, elsewhere, handle, there, small_model, server):
    options = SegmentOptions(uncertainty=True)
    here = worker.ask(Segment(handle, small_model, options))
    events = elsewhere.ask(Segment(there, small_model, options))
    uncertainties = [Path(answer[-1].values["uncertainty"]["path"]) for answer in (here, events)]
    assert np.array_equal(*[np.load(path).view(np.uint16) for path in uncertainties])
    for path in uncertainties:
        path.unlink()
    assert here[-1].values["doubt"] == events[-1].values["doubt"]
    assert np.array_equal(segmented(here), segmented(events))
    assert {"sending", "loading", "segmenting"} <= {event.phase for event in events if isinstance(event, Progress)}
    assert only_inputs(elsewhere)
    assert {"base.pth", "adapter_model.safetensors", "samed.json"} <= in_cache(server)


def test_slices_come_as_they_are_done(elsewhere, there, small_model):
    elsewhere.send(Segment(there, small_model, SegmentOptions(batch_size=1)))
    filled = []
    while not isinstance(event := elsewhere.next()[0], Result | Error):
        if isinstance(event, Slices):
            box = tuple(slice(start, stop) for start, stop in event.box)
            assert Path(event.labelmap).parent == elsewhere.folder
            filled.append(np.load(event.labelmap)[box].any())
    assert any(filled)
    segmented([event])
    assert only_inputs(elsewhere)


def test_an_unchanged_volume_and_checkpoint_are_sent_once(elsewhere, there, small_model):
    events = elsewhere.ask(Segment(there, small_model))
    segmented(events)
    assert not any(event.phase == "sending" for event in events if isinstance(event, Progress))


def test_largest_components_arrive_although_they_change_what_was_shown(worker, elsewhere, handle, there, small_model):
    options = SegmentOptions(largest_component=True)
    here, events = (each.ask(Segment(volume, small_model, options)) for each, volume in ((worker, handle), (elsewhere, there)))
    assert np.array_equal(segmented(here), segmented(events))


def test_a_prompt_and_completing_are_the_same(worker, elsewhere, handle, there, files, volume, labelmap):
    ijk = np.array([volume.voxels.shape[2] / 2, volume.voxels.shape[1] / 2, 1, 1])
    point = tuple(float(each) for each in (volume.ijk_to_lps @ ijk)[:3])
    options = PromptOptions(str(files.base), "cpu")
    for ask in (
        lambda handle, labels: Prompt(handle, SlicePrompt(points_in=(point,)), options, before=labels),
        lambda handle, labels: Complete(handle, labels, CompleteOptions((0, 2), base=str(files.base), device="cpu")),
    ):
        answers = []
        for each, opened in ((worker, handle), (elsewhere, there)):
            labels = written(each.folder, "labels", labelmap)
            answers.append(each.ask(ask(opened, labels)))
        assert isinstance(answers[0][-1], Result)
        values = [{**events[-1].values, "labelmap": segmented(events).tolist()} for events in answers]
        assert values[0] == values[1]


def test_a_trained_checkpoint_comes_back_whole(elsewhere, there, files, labelmap, tmp_path, server):
    labels = written(elsewhere.folder, "labels", labelmap)
    out = tmp_path / "trained"
    options = FinetuneOptions(str(out), base=str(files.base), validation=0.25, device="cpu", resume=None)
    events = elsewhere.ask(Finetune((AnnotatedScan(there, labels, (0, 1, 2, 3)),), options))
    result = events[-1]
    assert isinstance(result, Result)
    assert result.values["checkpoint"] == str(out)
    assert any(isinstance(event, Metrics) for event in events)
    assert read_info(out).base.name == "base"
    assert {"adapter_model.safetensors", "samed.json", "before-after.png"} <= {path.name for path in out.iterdir()}
    assert list(tmp_path.iterdir()) == [out]
    refused = elsewhere.ask(Finetune((AnnotatedScan(there, labels, (0, 1, 2, 3)),), options))[-1]
    assert refused == Error(f"{out} is there already: choose another place, remove it, or resume that training.", "input")
    model = ModelOptions(str(out), str(files.base), "cpu")
    assert segmented(elsewhere.ask(Segment(there, model))).shape == labelmap.voxels.shape


def test_a_cancelled_training_is_gone_on_with(elsewhere, there, files, labelmap, tmp_path):
    labels = written(elsewhere.folder, "labels", labelmap)
    options = FinetuneOptions(str(tmp_path / "new"), base=str(files.base), epochs=200, device="cpu", resume=None)
    request = Finetune((AnnotatedScan(there, labels),), options)
    first = []

    def an_epoch_later(event) -> bool:
        if isinstance(event, Metrics):
            first.append(event.epoch)
        return bool(first) and first[-1] > first[0]

    epochs = []
    for _ in range(2):
        first.clear()
        result = cancelled(elsewhere, request, an_epoch_later)
        assert isinstance(result, Result)
        assert result.values["cancelled"]
        assert read_info(tmp_path / "new").base.name == "base"
        shutil.rmtree(tmp_path / "new")
        epochs.append((first[0], first[-1]))
    assert epochs[1][0] >= epochs[0][1], "it does not begin again"


def test_what_is_wrong_is_said_with_the_names_of_here(elsewhere, there, small_model, files, tmp_path):
    gone = elsewhere.ask(Segment("nowhere", small_model))[-1]
    assert gone == Error('far: the worker does not hold the volume "nowhere" (any more): send it again.', "input")
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for name in ("samed.json", "adapter_config.json", "adapter_model.safetensors"):
        damaged.joinpath(name).write_bytes((files.checkpoint / name).read_bytes()[: 1000 if name.endswith("tensors") else None])
    answer = elsewhere.ask(Segment(there, ModelOptions(str(damaged), str(files.base))))[-1]
    assert answer.message.startswith(f"far: {damaged}/adapter_model.safetensors: not a weights file that can be read")
    unknown = elsewhere.ask(Segment(there, ModelOptions("none", str(files.base))))[-1]
    assert unknown == Error("none: no such checkpoint: give its folder or a name of the catalogue.", "input")


def test_a_checkpoint_is_described_here(elsewhere, files):
    assert elsewhere.ask(Describe(str(files.checkpoint))) == [Result({"info": read_info(files.checkpoint).to_json()})]


def test_cancelling_works_while_it_computes(elsewhere, long_volume, small_model):
    long = elsewhere.open(long_volume)
    request = Segment(long, small_model, SegmentOptions(batch_size=1))
    events = cancelled(elsewhere, request, lambda event: isinstance(event, Slices))
    assert events == Error("Cancelled.", "cancelled")
    assert only_inputs(elsewhere)
    elsewhere.close(long)


def test_any_orientation_and_kind_of_number_arrives_as_it_is(worker, elsewhere, volume, small_model):
    for turned in (reorient(volume, "SAR"), volume.__class__(volume.voxels.astype(">f4"), volume.ijk_to_lps)):
        answers = []
        for each in (worker, elsewhere):
            opened = each.open(turned)
            answers.append(segmented(each.ask(Segment(opened, small_model))))
            each.close(opened)
        assert np.array_equal(*answers)


def test_closed_volumes_are_removed_there(elsewhere, volume, server):
    before = len(list(server.temporary.glob("samed-far-*/*.npy")))
    opened = elsewhere.open(volume)
    elsewhere.close(opened)
    elsewhere.wait_until(lambda: len(list(server.temporary.glob("samed-far-*/*.npy"))) <= before)
    assert isinstance(elsewhere.ask(CloseVolume(opened))[-1], Error)
