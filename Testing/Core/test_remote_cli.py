"""The command line with a device elsewhere writes what it writes with one here, over a real sshd."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from cli_files import finetune, run, segment
from safetensors.numpy import load_file
from ssh_server import SshServer

from SAMedCore.checkpoint.folder import read_info
from SAMedCore.cli import main
from SAMedCore.files.read import read_labelmap, read_volume
from SAMedCore.remote.ssh import SSH_VARIABLE


@pytest.fixture(autouse=True)
def over_ssh(server, monkeypatch) -> None:
    monkeypatch.setenv(SSH_VARIABLE, server.command)


def elsewhere(command: list, server: SshServer) -> list:
    return [server.address if each == "cpu" else each for each in command]


@pytest.mark.slow
def test_segmenting_writes_the_same_files(files, server, tmp_path, capsys):
    results = []
    for name, device in (("here", "cpu"), ("there", server.address)):
        (tmp_path / name).mkdir()
        outputs = ["--uncertainty", tmp_path / name / "u.nii.gz"]
        command = segment(files, tmp_path / name / "out.seg.nrrd", *outputs)
        results.append(run(capsys, *[device if each == "cpu" else each for each in command]))
    here, there = (read_labelmap(tmp_path / name / "out.seg.nrrd") for name in ("here", "there"))
    assert np.array_equal(here.voxels, there.voxels)
    assert here.labels == there.labels
    uncertainties = [read_volume(tmp_path / name / "u.nii.gz").voxels for name in ("here", "there")]
    assert np.array_equal(*uncertainties)
    assert results[0][-1]["doubt"] == results[1][-1]["doubt"]
    assert {"progress", "result"} == {event["event"] for event in results[1]}


@pytest.mark.slow
def test_completing_writes_the_same_file(files, server, tmp_path, capsys):
    results = []
    for name, device in (("here", "cpu"), ("there", server.address)):
        command = ["complete", files.ct, files.labels, tmp_path / f"{name}.seg.nrrd", "--base", files.base, "--device", device]
        results.append(run(capsys, *command, "--annotated-slices", "0:4:2")[-1])
    assert np.array_equal(*[read_labelmap(tmp_path / f"{name}.seg.nrrd").voxels for name in ("here", "there")])
    assert results[0]["method"] == results[1]["method"]


@pytest.mark.slow
def test_prompting_writes_the_same_file(files, server, tmp_path, capsys):
    prompts = tmp_path / "prompts.json"
    volume = read_volume(files.ct)
    k, j, i = (length // 2 for length in volume.voxels.shape)
    lps = (volume.ijk_to_lps @ [i, j, k, 1])[:3].tolist()
    structures = [{"name": "liver", "prompts": [{"points_in": [lps]}]}]
    prompts.write_text(json.dumps({"structures": structures}))
    results = []
    for name, device in (("here", "cpu"), ("there", server.address)):
        command = ["prompt", files.ct, prompts, tmp_path / f"{name}.seg.nrrd", "--base", files.base, "--device", device]
        results.append({**run(capsys, *command)[-1], "segmentation": None})
    assert np.array_equal(*[read_labelmap(tmp_path / f"{name}.seg.nrrd").voxels for name in ("here", "there")])
    assert results[0] == results[1]


@pytest.mark.slow
def test_fine_tuning_leaves_the_same_checkpoint(files, server, tmp_path, capsys):
    here, there = tmp_path / "here", tmp_path / "there"
    events = [run(capsys, *finetune(files, here)), run(capsys, *elsewhere(finetune(files, there), server))]
    tensors = [load_file(folder / "adapter_model.safetensors") for folder in (here, there)]
    assert tensors[0].keys() == tensors[1].keys()
    assert all(np.array_equal(tensors[0][name], tensors[1][name]) for name in tensors[0])
    assert read_info(here) == read_info(there)
    assert events[0][-1]["comparison"] == events[1][-1]["comparison"]
    assert any(event.get("phase") == "training" and "loss" in event for event in events[1])


@pytest.mark.slow
def test_many_scans_are_segmented_over_one_connection(files, server, tmp_path, capsys):
    (tmp_path / "scans").mkdir()
    for name in ("a", "b"):
        shutil.copy(files.ct, tmp_path / "scans" / f"{name}.nii.gz")
    for name, device in (("here", "cpu"), ("there", server.address)):
        command = ["segment", tmp_path / "scans", tmp_path / name, "--model", files.checkpoint, "--base", files.base]
        assert run(capsys, *command, "--device", device)[-1]["segmented"] == 2
    for name in ("a", "b"):
        here, there = (read_labelmap(tmp_path / folder / f"{name}.seg.nrrd").voxels for folder in ("here", "there"))
        assert np.array_equal(here, there)


def test_what_speaks_for_another_computer_needs_no_torch():
    names = ("client", "starting", "checking", "installing", "far_end")
    program = f"import sys, {', '.join(f'SAMedCore.remote.{name}' for name in names)}; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "False\n"


def test_options_of_this_computer_do_not_go_with_another_one(files, tmp_path, capsys):
    command = ["segment", files.folder / "images", tmp_path / "out", "--model", files.checkpoint, "--base", files.base]
    assert main([str(each) for each in (*command, "--device", "ssh://gpu", "--workers", 2)]) == 2
    assert "--workers is for this computer or its cluster" in capsys.readouterr().err


@pytest.mark.parametrize(
    "address", ["ssh://", "ssh://-oProxyCommand=true", "ssh://a;true", "ssh://a b", "ssh://a:99999", "ssh://a/gpu"]
)
def test_no_host_becomes_an_option_or_a_command(address, files, tmp_path, capsys):
    command = [address if each == "cpu" else each for each in segment(files, tmp_path / "out.nii.gz")]
    assert main([str(each) for each in command]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "ssh://" in error
    assert not list(tmp_path.iterdir())


def test_probabilities_are_refused_before_anything_is_connected(files, tmp_path, capsys):
    command = segment(files, tmp_path / "out.nii.gz", "--probabilities", tmp_path / "p.nii.gz")
    assert main([str("ssh://nowhere.invalid" if each == "cpu" else each) for each in command]) == 2
    assert "probabilities" in capsys.readouterr().err
