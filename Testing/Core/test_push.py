"""Uploading a checkpoint to the Hugging Face Hub, through the real huggingface_hub, to a stand-in of the Hub."""

import shutil

import pytest
import torch
from cli_files import finetune, run
from hub_server import TOKEN

from SAMedCore.checkpoint.exchange import CHECKPOINT_FILES, fetch_model, push_checkpoint
from SAMedCore.checkpoint.hub import hub_name
from SAMedCore.checkpoint.load import load_merged
from SAMedCore.cli import main
from SAMedCore.errors import Cancelled, InputError, SAMedError
from SAMedCore.work import Work

NAME = hub_name("hf:someone/organs")
pytestmark = pytest.mark.usefixtures("small_network")


@pytest.fixture
def logged_in(monkeypatch) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)


@torch.no_grad()
def test_what_was_pushed_comes_back_and_gives_the_same_answers(hub, files, logged_in):
    address = push_checkpoint(files.checkpoint, NAME)
    assert address.startswith(f"{hub.address}/{NAME.repository}/commit/")
    folder = fetch_model(str(NAME))
    for file in CHECKPOINT_FILES:
        assert (folder / file).read_bytes() == (files.checkpoint / file).read_bytes()
    image = torch.rand(1, 64, 64, generator=torch.Generator().manual_seed(0))
    assert torch.equal(load_merged(folder, files.base)[0](image), load_merged(files.checkpoint, files.base)[0](image))


def test_it_is_one_commit_of_a_checkpoints_files_and_no_others(hub, files, logged_in, tmp_path):
    checkpoint = shutil.copytree(files.checkpoint, tmp_path / "mine")
    (checkpoint / "loss.png").write_bytes(b"a picture")
    (checkpoint / "John Doe.txt").write_text("a note")
    push_checkpoint(checkpoint, NAME, private=True)
    assert set(hub.files(NAME.repository)) == {*CHECKPOINT_FILES, ".gitattributes"}
    assert len(hub.repositories[NAME.repository].commits) == 2
    assert hub.repositories[NAME.repository].is_private


def test_a_branch_is_made_and_what_is_there_is_replaced(hub, files, logged_in):
    push_checkpoint(files.checkpoint, NAME)
    push_checkpoint(files.checkpoint, hub_name("hf:someone/organs@trial"))
    push_checkpoint(files.checkpoint, NAME)
    assert set(hub.repositories[NAME.repository].branches) == {"main", "trial"}
    assert fetch_model("hf:someone/organs@trial").is_dir()


def test_without_a_login_it_is_said_what_is_missing(hub, files, monkeypatch):
    with pytest.raises(
        SAMedError, match=r"hf:someone/organs: you are not logged in: log in .*\(hf auth login\) or set HF_TOKEN"
    ):
        push_checkpoint(files.checkpoint, NAME)
    assert hub.asked == []
    monkeypatch.setenv("HF_TOKEN", "hf_of_another")
    with pytest.raises(SAMedError, match=r"the Hub refuses it \(status 403\): .*, with a token that may do it"):
        push_checkpoint(files.checkpoint, NAME)
    assert hub.repositories == {}


def test_what_cannot_be_read_or_is_not_whole_is_not_pushed(hub, files, logged_in, tmp_path):
    broken = shutil.copytree(files.checkpoint, tmp_path / "broken")
    (broken / "samed.json").write_text("{}")
    with pytest.raises(InputError, match="damaged"):
        push_checkpoint(broken, NAME)
    half = shutil.copytree(files.checkpoint, tmp_path / "half")
    (half / "README.md").unlink()
    with pytest.raises(InputError, match=r"README\.md is missing"):
        push_checkpoint(half, NAME)
    with pytest.raises(InputError, match="no such checkpoint"):
        push_checkpoint(tmp_path / "none", NAME)
    with pytest.raises(Cancelled):
        push_checkpoint(files.checkpoint, NAME, work=Work(is_cancelled=lambda: True))
    assert hub.asked == []


def test_nothing_that_leaves_names_a_file_a_folder_or_a_patient(hub, files, logged_in, tmp_path, capsys):
    patient = tmp_path / "DOE^JOHN 1960-01-02"
    shutil.copytree(files.folder / "images", patient / "images")
    shutil.copytree(files.folder / "labels", patient / "labels")
    for kind in ("images", "labels"):
        for file in (patient / kind).iterdir():
            file.rename(file.with_name(file.name.replace("one", "DOE^JOHN")))
    command = finetune(files, patient / "DOE^JOHN-checkpoint", "--epochs", 1)
    command[2], command[4] = patient / "images", patient / "labels"
    run(capsys, *command)
    run(capsys, "models", "push", patient / "DOE^JOHN-checkpoint", NAME)
    for file, content in hub.files(NAME.repository).items():
        for hidden in (b"DOE", b"JOHN", b"1960", str(tmp_path).encode(), str(files.folder).encode(), b"one.nii"):
            assert hidden not in content, (file, hidden)


def test_the_command_says_where_it_is(hub, files, logged_in, capsys):
    (result,) = run(capsys, "models", "push", files.checkpoint, "hf:someone/organs", "--private")
    assert result["address"].startswith(hub.address)
    assert main(["models", "push", str(files.checkpoint), "someone/organs"]) == 2
    assert "write hf:owner/name" in capsys.readouterr().err


def test_the_command_line_fetches_lists_and_says_how_to_fetch(hub, files, capsys):
    hub.repository("someone/a-base", {"model.pth": files.base.read_bytes()}, licence="")
    commit = hub.repository("someone/organs", {file: (files.checkpoint / file).read_bytes() for file in CHECKPOINT_FILES})
    assert main(["models", "info", "hf:someone/organs"]) == 2
    said = 'the checkpoint "hf:someone/organs" is not here: fetch it first (run "samed models fetch hf:someone/organs").'
    assert said in capsys.readouterr().err
    assert main(["prompt", str(files.ct), "none.json", "out.nii.gz", "--base", "hf:someone/a-base"]) == 2
    assert 'run "samed models fetch hf:someone/a-base"' in capsys.readouterr().err
    for name in ("hf:someone/organs", "hf:someone/a-base"):
        *events, result = run(capsys, "models", "fetch", name)
        assert {event["phase"] for event in events} == {"fetching"}
    assert result["path"].endswith("model.pth")
    (listed,) = run(capsys, "models", "list")
    rows = {row["name"]: row for row in listed["models"]}
    assert rows["hf:someone/a-base"]["here"]
    assert rows["hf:someone/organs"]["kind"] == "checkpoint"
    assert rows["hf:someone/organs"]["here"]
    assert main(["models", "list"]) == 0
    printed = capsys.readouterr().out
    assert f"commit {commit[:7]}" in printed
    assert "licence not stated" in printed
