"""What is killed by `kills`: fine-tuning, completing, writing, fetching and segmenting, each of a second on a small network."""

from __future__ import annotations

import hashlib
import os
import shutil
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch
from cli_files import ONE_BLOCK, SMALL_FEW_SHOT, Files, finetune, segment
from hub_server import running_hub
from kills import Job
from made_labelmaps import a_labelmap, a_matrix

from SAMedCore.checkpoint.exchange import fetch_model
from SAMedCore.checkpoint.fetch import fetch_address
from SAMedCore.checkpoint.folder import find_folder
from SAMedCore.checkpoint.load import load_merged, load_peft, write_checkpoint
from SAMedCore.cli import main
from SAMedCore.evaluate.scores import OrganScore, Scores
from SAMedCore.files.read import read_labelmap
from SAMedCore.files.write import write_labelmap
from SAMedCore.model.architectures import ARCHITECTURES
from SAMedCore.train import recipe
from SAMedCore.train.start import run_folder

torch.set_num_threads(1)
ARCHITECTURES["vit_b"] = ONE_BLOCK
recipe.PRESETS["few-shot"] = SMALL_FEW_SHOT
_running = ExitStack()
"""The server, for as long as this process."""


def jobs(folder: Path, work: Path) -> list[Job]:
    """All of them, on the files of that folder."""
    files = Files(
        folder,
        folder / "images" / "one.nii.gz",
        folder / "labels" / "one.seg.nrrd",
        folder / "series",
        folder / "base.pth",
        folder / "checkpoint",
    )
    labels = read_labelmap(files.labels)
    labels.voxels[2] = 0
    write_labelmap(labels, work / "some.nrrd")
    return [_finetuning(files), _completing(files, work / "some.nrrd"), _writing(files), *_fetching(files), _segmenting(files)]


def command(*arguments: object) -> None:
    assert main([str(argument) for argument in arguments]) == 0


def loads(checkpoint: Path, files: Files) -> None:
    load_merged(find_folder(checkpoint), files.base)


def _finetuning(files: Files) -> Job:
    def run(here: Path) -> None:
        command(*finetune(files, here / "new", "--epochs", 2))

    def again(here: Path) -> None:
        out = here / "new"
        if out.exists():
            # Killed after the checkpoint was in its place, perhaps before it was compared: that is whole, too, and stays.
            assert main([str(argument) for argument in finetune(files, out)]) == 2
            return
        command(*finetune(files, out, "--epochs", 2), *(["--resume"] if run_folder(out).exists() else []))

    def check(here: Path, is_end: bool) -> None:
        out = here / "new"
        if is_end or out.exists():
            loads(out, files)
        epochs = run_folder(out) / "state.pt"
        if epochs.exists():
            torch.load(epochs, weights_only=True)
            for name in ("best", "last"):
                loads(run_folder(out) / name, files)

    return Job("fine-tuning", lambda here: None, run, again, check)


def _completing(files: Files, labels: Path) -> Job:
    def run(here: Path) -> None:
        base = ["--base", files.base, "--device", "cpu", "--steps", 2]
        command("complete", files.ct, labels, here / "out.nii.gz", *base)

    return Job("completing", _old("out.nii.gz"), run, run, _is_old_or("out.nii.gz", labels_of_ct))


def _segmenting(files: Files) -> Job:
    def run(here: Path) -> None:
        outputs = ["--probabilities", here / "soft.nrrd", "--overview", here / "overview.png"]
        command(*segment(files, here / "out.seg.nrrd", *outputs))

    return Job("segmenting", _old("out.seg.nrrd"), run, run, _is_old_or("out.seg.nrrd", labels_of_ct))


def labels_of_ct(path: Path) -> None:
    assert read_labelmap(path).voxels.shape[0] == 4


def _old(name: str):
    return lambda here: (here / name).write_text("the old file")


def _is_old_or(name: str, whole):
    def check(here: Path, is_end: bool) -> None:
        if is_end or (here / name).read_bytes() != b"the old file":
            whole(here / name)

    return check


def _writing(files: Files) -> Job:
    endings = (".seg.nrrd", ".nii.gz", ".nii", ".nrrd", ".mha")
    labelmap = a_labelmap(a_matrix(), (60, 100, 100))
    scores = Scores(tuple(OrganScore(f"case {number}", "liver", 1.0, 1.0, 0.5) for number in range(2000)))

    def prepare(here: Path) -> None:
        for ending in endings:
            write_labelmap(a_labelmap(a_matrix(), (2, 3, 4), values=2), here / f"out{ending}")
        shutil.copytree(files.checkpoint, here / "checkpoint")

    def run(here: Path) -> None:
        for ending in endings:
            write_labelmap(labelmap, here / f"out{ending}")
        scores.write_csv(here / "scores.csv")
        for _ in range(3):
            write_checkpoint(here / "checkpoint", *load_peft(files.checkpoint, files.base))

    def check(here: Path, is_end: bool) -> None:
        for ending in endings:
            found = read_labelmap(here / f"out{ending}").voxels
            is_new = found.shape == labelmap.voxels.shape and np.array_equal(found, labelmap.voxels)
            assert is_new or (not is_end and found.shape == (2, 3, 4))
        loads(here / "checkpoint", files)
        csv = here / "scores.csv"
        assert (not is_end and not csv.exists()) or len(csv.read_text().splitlines()) == 2001

    return Job("writing", prepare, run, run, check)


def _fetching(files: Files) -> list[Job]:
    content = files.base.read_bytes()
    sha256, name = hashlib.sha256(content).hexdigest(), "hf:someone/a-base"
    state = _running.enter_context(running_hub())
    state.repository("someone/a-base", {"pytorch_model.bin": content})
    state.uploaded[sha256] = content
    os.environ.update(HF_ENDPOINT=state.address, NO_PROXY="127.0.0.1,localhost")

    def check(where: str):
        def check_one(here: Path, is_end: bool) -> None:
            for found in here.glob(where):
                assert hashlib.sha256(found.read_bytes()).hexdigest() == sha256
            assert list(here.glob(where)) or not is_end

        return check_one

    def by_address(here: Path) -> None:
        fetch_address(f"{state.address}/large/{sha256}", sha256, here / "weights.pth")

    def from_hub(here: Path) -> None:
        os.environ["SAMED_CACHE"], os.environ["HF_HOME"] = str(here), str(here / "huggingface")
        fetch_model(name)

    return [
        Job("fetching by address", lambda here: None, by_address, by_address, check("weights.pth")),
        Job("fetching from the Hub", lambda here: None, from_hub, from_hub, check("hub/[!.]*/pytorch_model.bin")),
    ]
