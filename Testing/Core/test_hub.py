"""Fetching from the Hugging Face Hub, through the real huggingface_hub, from a stand-in of the Hub."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
from hub_server import TOKEN, sha256
from safetensors.torch import save

from SAMedCore.checkpoint import catalogue
from SAMedCore.checkpoint.exchange import fetch_from_hub, fetch_model
from SAMedCore.checkpoint.folder import check_checkpoint, find_folder, read_info
from SAMedCore.checkpoint.hub import RECORD, fetched, hub_folder, hub_name
from SAMedCore.checkpoint.load import find_base_model, load_merged, load_promptable
from SAMedCore.errors import BaseNotFetched, Cancelled, CheckpointNotFetched, InputError, SAMedError
from SAMedCore.work import Work

BASE, CHECKPOINT = "hf:someone/a-base", "hf:someone/a-checkpoint"


@pytest.fixture
def base_bytes(files) -> bytes:
    return files.base.read_bytes()


@pytest.fixture
def a_base(hub, base_bytes) -> str:
    """A base model on the Hub; its commit."""
    return hub.repository("someone/a-base", {"README.md": b"# A base", "config.json": b"{}", "pytorch_model.bin": base_bytes})


@pytest.fixture
def a_checkpoint(hub, a_base, files, tmp_path) -> str:
    """A checkpoint on the Hub, made on that base, among files that are not a checkpoint's; its commit."""
    content = {file.name: file.read_bytes() for file in files.checkpoint.iterdir()}
    facts = json.loads(content["samed.json"])
    facts["base"]["name"] = f"{BASE}@{a_base}"
    content["samed.json"] = json.dumps(facts).encode()
    return hub.repository("someone/a-checkpoint", {**content, "training.py": b"print()", "adapter_model.bin": b"\x80"})


def left_over() -> list[str]:
    return sorted(path.name for path in hub_folder().iterdir()) if hub_folder().is_dir() else []


def test_a_base_model_comes_with_its_hash_commit_and_licence(hub, a_base, base_bytes):
    events = []
    path = fetch_model(BASE, Work(events.append))
    assert path.read_bytes() == base_bytes
    (record,) = fetched()
    assert (record.commit, record.kind, record.architecture) == (a_base, "base", "vit_b")
    assert (record.licence, record.files) == ("apache-2.0", {"pytorch_model.bin": sha256(base_bytes)})
    assert {path.name for path in record.folder.iterdir()} == {"pytorch_model.bin", "fetched.json"}
    assert (events[-1].phase, events[-1].done, events[-1].total) == ("fetching", len(base_bytes), len(base_bytes))
    assert left_over() == ["someone--a-base@main"]


def test_a_base_of_the_hub_is_one_like_any_other(a_base, files, base_bytes):
    with pytest.raises(BaseNotFetched, match=f'"{BASE}" are not here: fetch them first'):
        catalogue.check_base(BASE)
    path = fetch_model(BASE)
    catalogue.check_base(BASE)
    base, weights = find_base_model(BASE)
    assert (base.name, base.architecture, base.sha256) == (f"{BASE}@{a_base}", "vit_b", sha256(base_bytes))
    assert weights == path
    assert find_base_model(files.base)[0] == base
    assert catalogue.known_base(base.sha256).licence == "apache-2.0"
    model = load_promptable(BASE, "cpu")
    assert (model.pixel_mean, model.pixel_std, model.heeds_points) == ((0, 0, 0), (1, 1, 1), False)


def test_a_checkpoint_comes_with_nothing_but_its_files_and_segments_as_the_one_that_it_is(hub, a_checkpoint, files):
    with pytest.raises(CheckpointNotFetched, match=f'"{CHECKPOINT}" is not here: fetch it first'):
        check_checkpoint(CHECKPOINT)
    folder = fetch_model(CHECKPOINT)
    names = {"adapter_config.json", "adapter_model.safetensors", "samed.json", "README.md", "fetched.json"}
    assert {path.name for path in folder.iterdir()} == names
    assert find_folder(CHECKPOINT) == folder
    with pytest.raises(BaseNotFetched, match=f"{BASE}@"):
        check_checkpoint(CHECKPOINT)
    fetch_model(read_info(folder).base.name)
    check_checkpoint(CHECKPOINT)
    image = torch.rand(1, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(load_merged(folder)[0](image), load_merged(files.checkpoint, files.base)[0](image))
    (known,) = catalogue.fetched_checkpoints()
    assert (known.name, known.folder) == (CHECKPOINT, folder)


def test_a_revision_is_kept_beside_the_newest(hub, a_base, base_bytes, files):
    other = torch.load(files.base, weights_only=True)
    newest = hub.repositories["someone/a-base"].commit({"model.safetensors": save(other)})
    assert fetch_model(f"{BASE}@{a_base}").read_bytes() == base_bytes
    assert fetch_model(BASE).name == "model.safetensors"
    assert {record.commit for record in fetched()} == {a_base, newest}
    hub.repositories["someone/a-base"].branches["v1/old"] = a_base
    assert fetch_model(f"{BASE}@v1/old").read_bytes() == base_bytes


def test_what_is_here_already_is_not_downloaded_again_and_what_was_damaged_is(hub, a_base, base_bytes):
    path = fetch_model(BASE)
    hub.asked.clear()
    fetch_model(BASE)
    assert [asked.path for asked in hub.asked] == ["/api/models/someone/a-base/revision/main"]
    path.write_bytes(bytes(len(base_bytes)))
    assert fetch_model(BASE).read_bytes() == base_bytes


def test_without_the_users_word_the_hub_is_not_asked(hub, a_checkpoint):
    for look in (find_folder, check_checkpoint):
        with pytest.raises(CheckpointNotFetched):
            look(CHECKPOINT)
    assert catalogue.find_checkpoint(CHECKPOINT) is None
    for look in (catalogue.find_base, catalogue.check_base, find_base_model):
        with pytest.raises(BaseNotFetched):
            look(BASE)
    assert catalogue.fetched_bases() == []
    assert hub.asked == []


def test_the_token_goes_to_the_hub_alone_and_nothing_is_told_of_the_user(hub, a_base, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    fetch_model(BASE)
    assert {asked.token for asked in hub.asked if asked.host == "127.0.0.1"} == {TOKEN}
    assert {asked.token for asked in hub.asked if asked.host == "localhost"} == {""}
    assert all("telemetry" not in asked.path and "torch" not in asked.agent for asked in hub.asked)


def test_a_gated_or_private_model_comes_with_the_users_own_login(hub, a_base, base_bytes, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    for fact in ("is_gated", "is_private"):
        hub.repositories["someone/a-base"] = replace(hub.repositories["someone/a-base"], **{fact: True})
    assert fetch_model(BASE).read_bytes() == base_bytes


REFUSED = {
    "hf:someone/none": "hf:someone/none: there is no such repository, or it is private; for a private one log in",
    f"{BASE}@none": f"{BASE}@none: it has no such branch, tag or commit.",
    "hf:someone/private": "there is no such repository, or it is private",
    "hf:someone/gated": "it asks for its terms to be accepted: accept them on its page",
    "hf:someone/text": "neither a SAMed checkpoint nor a base model, it has no weights file",
    "hf:someone/many": r"it has several weights files \(a.pth, b.pth\): choose another one, or download",
    "hf:someone/other": "a.pth has not the weights of a Segment Anything that is known here",
    "hf:someone/pickle": "not a weights file that can be read safely",
    "hf:someone/damaged": "samed.json: damaged",
    "hf:someone/half": "no whole SAMed checkpoint, it has no adapter_model.safetensors",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_had_is_said_in_one_sentence_and_nothing_is_left(hub, a_base, a_checkpoint, base_bytes, tmp_path, name):
    class Evil:
        def __reduce__(self):
            return (tmp_path.joinpath("executed").touch, ())

    torch.save({"a": Evil()}, tmp_path / "pickle")
    torch.save({"a": torch.zeros(1)}, tmp_path / "other")
    checkpoint = hub.files("someone/a-checkpoint")
    half = {name: content for name, content in checkpoint.items() if name != "adapter_model.safetensors"}
    hub.repository("someone/private", {"a.pth": base_bytes}, is_private=True)
    hub.repository("someone/gated", {"a.pth": base_bytes}, is_gated=True)
    hub.repository("someone/text", {"README.md": b"# Nothing", "sub/a.pth": base_bytes})
    hub.repository("someone/many", {"a.pth": base_bytes, "b.pth": base_bytes})
    hub.repository("someone/other", {"a.pth": (tmp_path / "other").read_bytes()})
    hub.repository("someone/pickle", {"a.pth": (tmp_path / "pickle").read_bytes()})
    hub.repository("someone/damaged", {**checkpoint, "samed.json": b"{}"})
    hub.repository("someone/half", half)
    with pytest.raises(SAMedError, match=REFUSED[name]) as raised:
        fetch_model(name)
    assert "\n" not in str(raised.value)
    assert left_over() == []
    assert not (tmp_path / "executed").exists()


def test_another_file_than_the_hub_says_is_refused_and_the_one_that_was_here_stays(hub, a_base, base_bytes):
    path = fetch_model(BASE)
    hub.repositories["someone/a-base"].commit({"pytorch_model.bin": base_bytes + b" "})
    hub.fault = "other"
    with pytest.raises(SAMedError, match=f"pytorch_model.bin of {BASE} has the SHA-256 .*, not the expected"):
        fetch_model(BASE)
    assert path.read_bytes() == base_bytes
    assert left_over() == ["someone--a-base@main"]


def test_a_download_that_broke_off_goes_on(hub, a_base, base_bytes):
    hub.fault = "once"
    assert fetch_model(BASE).read_bytes() == base_bytes


def test_a_connection_that_is_cut_for_good_leaves_nothing(hub, a_base):
    hub.fault = "cut"
    with pytest.raises(SAMedError, match=f"{BASE}: the Hub cannot be reached, or broke off") as raised:
        fetch_model(BASE)
    assert "\n" not in str(raised.value)
    assert left_over() == []


def test_a_stalled_download_tells_how_far_it_is_and_can_be_cancelled(hub, a_base, base_bytes):
    hub.fault, events = "stalls", []
    with pytest.raises(Cancelled):
        fetch_model(BASE, Work(events.append, lambda: bool(events) and events[-1].done > 0))
    assert 0 < events[-1].done <= len(base_bytes) // 2
    assert events[-1].total == len(base_bytes)
    assert left_over() == []


def test_without_a_network_it_is_said(monkeypatch, files):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(SAMedError, match=f"{BASE}: the Hub cannot be reached"):
        fetch_model(BASE)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(SAMedError, match="set to work offline"):
        fetch_model(BASE)


@pytest.mark.parametrize(
    "name", ["hf:", "hf:a", "hf:a/", "hf:a/b/c", "hf:a/b@", "hf:../b", "hf:a/b@../c", "hf:a/b@c@d", "hf:a--b/c"]
)
def test_what_is_no_name_of_the_hub_is_said(hub, name):
    for look in (hub_name, fetch_model, find_folder, catalogue.check_base, find_base_model):
        with pytest.raises(InputError, match="write hf:owner/name or hf:owner/name@revision"):
            look(name)
    assert hub.asked == []


def test_a_base_is_no_checkpoint_and_a_checkpoint_no_base(a_checkpoint):
    fetch_model(CHECKPOINT)
    fetch_model(BASE)
    with pytest.raises(InputError, match="is a base model, not a checkpoint"):
        find_folder(BASE)
    with pytest.raises(InputError, match="is a checkpoint, not a base model"):
        catalogue.check_base(CHECKPOINT)


def test_what_was_taken_apart_by_hand_counts_as_not_fetched(a_base):
    fetch_model(BASE).unlink()
    assert fetched() == []
    shutil.rmtree(hub_folder())
    assert fetch_from_hub(hub_name(BASE)).commit == a_base


def test_a_record_that_was_left_without_its_weights_is_not_taken_for_them(tmp_path, monkeypatch):
    monkeypatch.setenv("SAMED_CACHE", str(tmp_path))
    row = next(base for base in catalogue.BASE_MODELS if base.hub is not None)
    folder = hub_name(row.hub).folder
    folder.mkdir(parents=True)
    (folder / RECORD).write_text("{}")
    with pytest.raises(BaseNotFetched):
        catalogue.base_weights(catalogue.find_base(row.name))
