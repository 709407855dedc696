"""What a request names lies somewhere there: sent once, under what it holds, base models where they would have been fetched."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from SAMedCore.checkpoint.catalogue import BASE_MODELS
from SAMedCore.checkpoint.folder import CONFIG_FILE
from SAMedCore.errors import InputError
from SAMedCore.image.prompts import SlicePrompt
from SAMedCore.options import CohortOptions, FinetuneOptions, ModelOptions, PromptOptions, SegmentOptions
from SAMedCore.remote.places import Places, Trip
from SAMedCore.service.carried import LabelFile, VoxelFile
from SAMedCore.service.messages import (
    AnnotatedScan,
    CloseVolume,
    Finetune,
    Import,
    OpenVolume,
    Prompt,
    Segment,
    SegmentCohort,
)

IDENTITY = tuple(tuple(float(i == j) for j in range(4)) for i in range(4))
LITE = next(base for base in BASE_MODELS if base.name == "lite")


@dataclass
class Recorded:
    """In place of a `Sender`: what is there, and what was sent."""

    host: str = "gpu"
    there: set[str] = field(default_factory=set)
    sent: list[tuple[Path, str, str]] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)

    def ask(self, op, **facts):
        assert op == "folder"
        return {}

    def missing(self, paths):
        return [path for path in paths if path not in self.there]

    def remove(self, paths):
        self.removed += paths

    def send(self, source, target, sha256="", watch=None):
        assert source.is_file()
        assert target not in self.there
        self.there.add(target)
        self.sent.append((source, target, sha256))


@pytest.fixture
def sender() -> Recorded:
    return Recorded()


@pytest.fixture
def places(sender) -> Places:
    return Places(sender, "/far/private", "/far/cache", "cuda:1")


@pytest.fixture
def trip() -> Trip:
    return Trip(lambda done, size: None)


@pytest.fixture
def empty_cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("SAMED_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_voxels_go_into_the_private_folder(places, sender, trip, tmp_path):
    path = tmp_path / "volume.npy"
    path.touch()
    moved = places.moved(OpenVolume("ct", VoxelFile(str(path), IDENTITY), "CT"), trip)
    assert sender.sent == [(path, moved.volume.path, "")]
    assert moved.volume.path.startswith("/far/private/")
    assert (moved.handle, moved.modality, moved.volume.ijk_to_lps) == ("ct", "CT", IDENTITY)
    assert trip.inputs == [], "it is of use until it is closed"
    assert trip.in_words_of_here(f'"{moved.volume.path}" cannot be read') == f'"{path}" cannot be read'
    assert places.moved(CloseVolume("ct"), trip) == CloseVolume("ct")


def test_a_label_map_is_of_no_use_after_its_request(places, trip, tmp_path, lite_weights):
    path = tmp_path / "labels.npy"
    path.touch()
    request = Prompt("ct", SlicePrompt(points_in=((1.0, 2.0, 3.0),)), before=LabelFile(str(path), IDENTITY, []))
    moved = places.moved(request, trip)
    assert trip.inputs == [moved.before.path]
    assert moved.options.device == "cuda:1"


def test_a_base_model_goes_where_it_would_have_been_fetched(places, sender, trip, lite_weights):
    for _ in range(2):
        moved = places.moved(Prompt("ct", SlicePrompt(points_in=((1.0, 2.0, 3.0),))), trip)
        assert moved.options.base == "lite"
    assert sender.sent == [(LITE.path, "/far/cache/models/lite_medsam.pth", LITE.sha256)]


def test_a_base_model_that_is_there_need_not_be_here(places, sender, trip, empty_cache):
    request = Prompt("ct", SlicePrompt(points_in=((1.0, 2.0, 3.0),)), PromptOptions("vit_h"))
    with pytest.raises(InputError, match='"vit_h" are neither here nor on gpu: fetch them first'):
        places.moved(request, trip)
    sender.there.add("/far/cache/models/sam_vit_h_4b8939.pth")
    assert places.moved(request, trip).options == PromptOptions("vit_h", "cuda:1")
    assert sender.sent == []


def test_a_base_model_of_the_hub_takes_what_is_known_of_it_along(places, sender, trip, empty_cache):
    folder = empty_cache / "hub" / "owner--name@main"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights")
    record = {"repository": "owner/name", "revision": "main", "commit": "a" * 40, "kind": "base"}
    files = {"files": {"model.safetensors": "b" * 64}, "architecture": "vit_b"}
    (folder / "fetched.json").write_text(json.dumps({**record, **files}))
    ask = Prompt("ct", SlicePrompt(points_in=((1.0, 2.0, 3.0),)), PromptOptions("hf:owner/name"))
    assert places.moved(ask, trip).options.base == "hf:owner/name"
    targets = [target for _, target, _ in sender.sent]
    assert targets == [f"/far/cache/hub/owner--name@main/{name}" for name in ("model.safetensors", "fetched.json")]
    elsewhere = Prompt("ct", SlicePrompt(points_in=((1.0, 2.0, 3.0),)), PromptOptions("hf:owner/other"))
    assert places.moved(elsewhere, trip).options.base == "hf:owner/other", "it may have been fetched there"


def test_a_checkpoint_is_sent_once_by_what_it_holds(places, sender, trip, files, tmp_path):
    model = ModelOptions(str(files.checkpoint), str(files.base), "ssh://gpu/cuda:1", "bf16")
    moved = places.moved(Segment("ct", model, SegmentOptions(batch_size=2)), trip)
    assert trip.in_words_of_here(f"{moved.model.checkpoint}: damaged") == f"{files.checkpoint}: damaged"
    assert (moved.model.device, moved.model.precision, moved.options.batch_size) == ("cuda:1", "bf16", 2)
    assert moved.model.base.startswith("/far/cache/remote/")
    assert moved.model.base.endswith("/base.pth"), "a checkpoint made on it would have this name"
    count = len(sender.sent)
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in files.checkpoint.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    same = ModelOptions(str(copy), str(files.base), "ssh://gpu")
    assert places.moved(Segment("ct", same), trip).model.checkpoint == moved.model.checkpoint
    assert len(sender.sent) == count
    (copy / CONFIG_FILE).write_text((copy / CONFIG_FILE).read_text() + " ")
    assert places.moved(Segment("ct", same), trip).model.checkpoint != moved.model.checkpoint


def test_a_training_is_gone_on_with_at_the_same_place(places, sender, trip, files, tmp_path):
    labels = tmp_path / "labels.npy"
    labels.touch()

    def moved(resume=None, out="new"):
        options = FinetuneOptions(str(tmp_path / out), base=str(files.base), resume=resume)
        return places.moved(Finetune((AnnotatedScan("ct", LabelFile(str(labels), IDENTITY, [])),), options), trip).options

    first = moved()
    assert first.resume is False
    assert first.out.startswith("/far/cache/remote/trainings/")
    assert first.out.endswith("/new")
    sender.there.add(first.out)
    assert moved().resume is False
    assert sender.removed == [first.out], "left by a run whose checkpoint did not come back"
    sender.there.add(f"{first.out}.training/state.pt")
    assert moved().resume is True
    assert moved(resume=False).resume is False, "the worker refuses it, in the words of here"
    assert moved(out="other").out != first.out
    again = moved()
    assert trip.out == (again.out, tmp_path / "new")
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "samed.json").touch()
    with pytest.raises(InputError, match="is there already"):
        moved()
    assert moved(resume=True).resume is True


def test_an_import_comes_back_under_its_name(places, sender, trip, files, tmp_path):
    moved = places.moved(Import(str(files.base), str(files.base), str(tmp_path / "made"), "RPS"), trip)
    assert moved.out.startswith("/far/private/")
    assert moved.file == moved.base
    assert trip.out == (moved.out, tmp_path / "made")
    assert len(sender.sent) == 1


def test_a_folder_of_scans_stays_here(places, trip):
    cohort = SegmentCohort("in", "out", ModelOptions("abdomen-demo"), cohort=CohortOptions())
    with pytest.raises(InputError, match="segment its scans one by one"):
        places.moved(cohort, trip)
