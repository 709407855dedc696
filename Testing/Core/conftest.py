"""Fixtures that several files share: for the command line, the worker, DICOM and completing, and a GPU to rehearse on."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from cli_files import ONE_BLOCK, SLICES, SMALL, SMALL_FEW_SHOT, Files, seeded_checkpoint
from cone_scan import SPACING_MM, disc
from cuda_rehearsal import Gpu, rehearsal
from hub_server import Hub, running_hub
from made_labelmaps import OBLIQUE
from ssh_server import SshServer, start_server
from worker_process import PATIENCE_S, WorkerProcess, written
from worker_process import SMALL as SMALL_WORKER
from written_series import write_series

from SAMedCore.checkpoint.load import find_base_model
from SAMedCore.files.read import read_labelmap, read_volume
from SAMedCore.files.write import write_labelmap, write_volume
from SAMedCore.image.labels import SYNAPSE_ORGANS, LabelTable
from SAMedCore.image.orientation import reorient
from SAMedCore.image.volume import LabelMap, Volume
from SAMedCore.model.architectures import ARCHITECTURES
from SAMedCore.model.preprocessing import Preprocessing
from SAMedCore.model.promptable import Promptable
from SAMedCore.model.sam import build_sam
from SAMedCore.options import CompleteOptions, FinetuneOptions, ModelOptions, SegmentOptions
from SAMedCore.service.events import Ready
from SAMedCore.service.messages import AnnotatedScan, Complete, Finetune, Segment
from SAMedCore.train import recipe

torch.set_num_threads(2)
# A shell ignores Ctrl-C for what it runs in the background, and so would these tests.
signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def small_architecture() -> Iterator[None]:
    """The architecture vit_b with one block, and a few-shot recipe of seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ARCHITECTURES, "vit_b", ONE_BLOCK)
        patch.setitem(recipe.PRESETS, "few-shot", SMALL_FEW_SHOT)
        yield


@pytest.fixture
def gpu() -> Iterator[Gpu]:
    with rehearsal() as rehearsed:
        yield rehearsed


@pytest.fixture(scope="module")
def small_network():
    with small_architecture():
        yield


@pytest.fixture(scope="module")
def files(files_on_disk, small_network) -> Files:
    return files_on_disk


@pytest.fixture(scope="session")
def files_on_disk(tmp_path_factory, sample_ct, sample_labels) -> Files:
    folder = tmp_path_factory.mktemp("files")
    matrix = sample_ct.ijk_to_lps.copy()
    matrix[:3, 3] += SLICES.start * matrix[:3, 2]
    for kind in ("images", "labels"):
        (folder / kind).mkdir()
    ct, labels = folder / "images" / "one.nii.gz", folder / "labels" / "one.seg.nrrd"
    write_volume(sample_ct.voxels[SLICES], matrix, ct)
    write_labelmap(LabelMap(sample_labels.voxels[SLICES], matrix, SYNAPSE_ORGANS), labels)
    slices = reorient(read_volume(ct), "LPS").voxels
    series = write_series(folder / "series", (slices + 1024).clip(0, 4000).astype(np.int16))
    with small_architecture():
        sam = build_sam("vit_b", 3, SMALL.input_size, seed=0)
    torch.save(sam.state_dict(), folder / "base.pth")
    base, _ = find_base_model(folder / "base.pth")
    seeded_checkpoint(folder / "checkpoint", sam, base)
    return Files(folder, ct, labels, series, folder / "base.pth", folder / "checkpoint")


@pytest.fixture
def several_versions(monkeypatch) -> None:
    """The few-shot recipe of seconds, with each slice encoded in several versions."""
    stage = replace(SMALL_FEW_SHOT.stages[0], versions=5)
    monkeypatch.setitem(recipe.PRESETS, "few-shot", replace(SMALL_FEW_SHOT, stages=(stage,)))


@pytest.fixture(scope="session")
def worker(tmp_path_factory):
    """With the small network; shared, and left in order at the end."""
    running = WorkerProcess(tmp_path_factory.mktemp("worker") / "privé folder", SMALL_WORKER)
    running.wait_for(Ready)
    yield running
    running.process.stdin.close()
    assert running.process.wait(timeout=PATIENCE_S) == 0
    assert not running.folder.exists()


@pytest.fixture
def worker_alone(tmp_path):
    running = WorkerProcess(tmp_path / "private")
    yield running
    running.process.kill()
    running.process.wait()


@pytest.fixture
def another_worker(tmp_path):
    running = WorkerProcess(tmp_path / "private", SMALL_WORKER)
    yield running
    running.process.kill()
    running.process.wait()


@pytest.fixture(scope="module")
def volume(files) -> Volume:
    return read_volume(files.ct)


@pytest.fixture(scope="module")
def labelmap(files) -> LabelMap:
    return read_labelmap(files.labels)


@pytest.fixture
def handle(worker, volume) -> Iterator[str]:
    """The volume, open while the test runs."""
    opened = worker.open(volume)
    yield opened
    worker.close(opened)


@pytest.fixture
def small_model(files) -> ModelOptions:
    return ModelOptions(str(files.checkpoint), str(files.base), "cpu")


@pytest.fixture
def ask_segment(handle, small_model):
    def request(volume: str = handle, model: ModelOptions = small_model, **options) -> Segment:
        return Segment(volume, model, SegmentOptions(**options))

    return request


@pytest.fixture
def long_volume(volume) -> Volume:
    """Of as many slices as take minutes."""
    return replace(volume, voxels=np.tile(volume.voxels, (250, 1, 1)))


@pytest.fixture
def ask_complete(worker, files, handle, labelmap):
    def request(*slices: int) -> Complete:
        options = CompleteOptions(slices, base=str(files.base), device="cpu")
        return Complete(handle, written(worker.folder, "labels", labelmap), options)

    return request


@pytest.fixture
def ask_finetune(worker, files, handle, labelmap):
    labels = written(worker.folder, "labels", labelmap)

    def request(out: Path, volume: str = handle, **options) -> Finetune:
        start = {"base": str(files.base), "validation": 0.25, "device": "cpu", "resume": None}
        return Finetune((AnnotatedScan(volume, labels, (0, 1, 2, 3)),), FinetuneOptions(str(out), **{**start, **options}))

    return request


@pytest.fixture(scope="module")
def stored_slices() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 2000, (6, 30, 41))


@pytest.fixture(scope="module")
def series(tmp_path_factory, stored_slices) -> Path:
    step_mm = OBLIQUE[:, 2] * 2.5
    return write_series(tmp_path_factory.mktemp("dicom") / "series", stored_slices, step_mm, OBLIQUE)


@pytest.fixture
def plain_series(tmp_path) -> Path:
    return write_series(tmp_path / "series", np.zeros((3, 4, 5), np.int16))


@pytest.fixture(scope="module")
def noisy_model() -> Promptable:
    """Seeded, one block, 64 pixels: its answers are noise."""
    sam = build_sam("vit_b", 3, input_size=64, seed=0)
    sam.image_encoder.blocks = sam.image_encoder.blocks[:1]
    return Promptable(sam.eval(), Preprocessing(sizes=(64,), padded=True))


@pytest.fixture(scope="module")
def cone() -> tuple[Volume, LabelMap]:
    """A label whose radius grows by 1.4 mm a slice, and another that stays; annotated everywhere."""
    voxels = np.stack([disc(5.0 + 1.4 * k) for k in range(18)]).astype(np.uint8)
    voxels[:, 2:7, 3:9] = 4
    matrix = np.diag([SPACING_MM[1], SPACING_MM[0], 3.0, 1.0])
    matrix[:3, 3] = 10, -20, 30
    hu = np.where(voxels == 1, 100, np.where(voxels == 4, 200, 0)).astype(np.float32)
    return Volume(hu, matrix), LabelMap(voxels, matrix, LabelTable.generic([1, 4]))


@pytest.fixture
def hub(tmp_path, monkeypatch) -> Iterator[Hub]:
    """A stand-in for the Hugging Face Hub that huggingface_hub is led to, nobody logged in, and an empty cache folder."""
    with running_hub() as running:
        monkeypatch.setenv("HF_ENDPOINT", running.address)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "huggingface"))
        monkeypatch.setenv("SAMED_CACHE", str(tmp_path / "cache"))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
        for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE"):
            monkeypatch.delenv(name, raising=False)
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[SshServer]:
    """An sshd of this module's own; in the end nothing that it led to may run, nor lie anywhere."""
    running = start_server(tmp_path_factory.mktemp("sshd"))
    try:
        yield running
        running.wait_until_gone()
    finally:
        running.stop()
