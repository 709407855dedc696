"""A disk that is full, at every write: one line that says so, exit code 1, the old file as it was and nothing beside it."""

import hashlib
import os
import resource
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torch
from cli_files import Files, evaluate, finetune, segment
from made_labelmaps import a_labelmap, a_matrix
from refused import snapshot
from small_disk import FILLER, fill, small_disk
from torch import nn

from SAMedCore.checkpoint.exchange import fetch_model
from SAMedCore.checkpoint.fetch import fetch_address
from SAMedCore.checkpoint.load import load_peft, write_checkpoint
from SAMedCore.checkpoint.original import export_original
from SAMedCore.cli import main
from SAMedCore.cohort.journal import open_journal
from SAMedCore.cohort.scans import Scan, ScanRow
from SAMedCore.draw.losscurve import loss_curve
from SAMedCore.draw.thumbnail import write_thumbnail
from SAMedCore.errors import InputError, SAMedError
from SAMedCore.evaluate.scores import OrganScore, Scores
from SAMedCore.files.atomic import replace_folder
from SAMedCore.files.paper_arrays import write_slices, write_volume_file
from SAMedCore.files.read import read_labelmap, read_volume
from SAMedCore.files.write import write_labelmap, write_or_keep, write_volume
from SAMedCore.train.optimization import Average
from SAMedCore.train.resume import TrainingState, write_history, write_state

LEFT = 2**12
"""Bytes free: less than any of these takes."""

NO_ROOM = r"cannot be written, there is no room for it on the disk \(No space left on device\): make some and try again"
ENDINGS = (".seg.nrrd", ".nii.gz", ".nii", ".nrrd", ".mha")

pytestmark = pytest.mark.usefixtures("small_network")


@pytest.fixture
def disk(tmp_path):
    with small_disk(tmp_path / "disk", "24m") as mounted:
        yield mounted


def noise(shape=(40, 60, 60)):
    return np.random.default_rng(0).random(shape, np.float32)


def many_scores() -> Scores:
    return Scores(tuple(OrganScore(f"case {number}", "liver", 1.0, 1.0, 0.5) for number in range(1000)))


def state_of_training(path: Path) -> None:
    model = nn.Linear(200, 200)
    optimization = type("Two", (), {"optimizer": torch.optim.AdamW(model.parameters()), "scaler": torch.amp.GradScaler("cpu")})
    write_state(path, TrainingState(), {}, model, optimization, Average(model, 0.0))


def history(path: Path) -> None:
    rows = [{"loss": 1.0, "learning_rate": 0.1, "validation_dice": None, "epoch": n, "step": n} for n in range(1000)]
    write_history(path.parent, rows)


def scan(files: Files):
    return read_volume(files.ct), read_labelmap(files.labels)


def checkpoint(files: Files, path: Path) -> None:
    write_checkpoint(path, *load_peft(files.checkpoint, files.base))


def prepared(writer, path: Path) -> None:
    arrays = {"image": noise(), "label": noise(), "ijk_to_lps": np.eye(4)}
    replace_folder(path, lambda folder: writer(folder, "case0001", arrays))


WRITES = {
    **{f"labels{ending}": lambda f, p: write_labelmap(a_labelmap(a_matrix(), (40, 60, 60)), p) for ending in ENDINGS},
    **{f"values{ending}": lambda f, p: write_volume(noise(), a_matrix(), p) for ending in ENDINGS[1:]},
    "probabilities.nii.gz": lambda f, p: write_volume(noise((20, 30, 30, 4)), a_matrix(), p),
    "probabilities.nrrd": lambda f, p: write_volume(noise((20, 30, 30, 4)), a_matrix(), p),
    "scores.csv": lambda f, p: many_scores().write_csv(p),
    "curve.png": lambda f, p: loss_curve([{"stage": "all", "epoch": 1, "loss": 1.0, "validation_dice": 0.5}] * 2, p),
    "thumbnail.jpg": lambda f, p: write_thumbnail(*scan(f), p),
    "state.pt": lambda f, p: state_of_training(p),
    "history.json": lambda f, p: history(p),
    "original.pth": lambda f, p: export_original(f.checkpoint, p, f.base),
    "checkpoint": checkpoint,
    "slices": lambda f, p: prepared(write_slices, p),
    "volumes": lambda f, p: prepared(write_volume_file, p),
}


@pytest.mark.parametrize("name", WRITES)
def test_what_does_not_fit_is_said_and_the_old_one_stays(files, disk, capfd, name):
    out = disk / name
    if out.suffix:
        out.write_text("the old file")
    else:
        out.mkdir()
        (out / "samed.json").write_text("the old folder")
    fill(disk, LEFT)
    before = snapshot(disk)
    capfd.readouterr()
    with pytest.raises(SAMedError, match=NO_ROOM) as raised:
        WRITES[name](files, out)
    assert not isinstance(raised.value, InputError)
    assert capfd.readouterr() == ("", "")
    assert snapshot(disk) == before


@pytest.mark.slow
def test_so_does_a_dicom_seg(files, disk):
    volume = read_volume(files.series)
    labelmap = a_labelmap(volume.ijk_to_lps, volume.voxels.shape, values=4)
    fill(disk, LEFT)
    before = snapshot(disk)
    with pytest.raises(SAMedError, match=NO_ROOM):
        write_labelmap(labelmap, disk / "segmentation.dcm", files.series)
    assert snapshot(disk) == before


def test_a_segmentation_that_fits_in_another_format_is_kept_in_that(disk):
    labelmap = a_labelmap(a_matrix(), (40, 60, 60), values=2)
    fill(disk, 2**16)
    with pytest.raises(SAMedError, match=rf"{NO_ROOM}.*not lost: it was written to .*out.seg.nrrd"):
        write_or_keep(labelmap, disk / "out.nii")
    assert np.array_equal(read_labelmap(disk / "out.seg.nrrd").voxels, labelmap.voxels)


def test_a_scan_that_cannot_be_written_down_is_as_if_it_had_not_been(disk):
    row = ScanRow(Scan("a" * 9000, "/scans/a", str(disk / "a"), (1, 2)))
    with open_journal(disk, {}) as journal:
        fill(disk, 4096)
        with pytest.raises(SAMedError, match=NO_ROOM):
            journal.append(row)
    (disk / FILLER).unlink()
    with open_journal(disk, {}) as journal:
        assert journal.rows == {}
        journal.append(row)
    with open_journal(disk, {}) as journal:
        assert len(journal.rows) == 1


class Large(BaseHTTPRequestHandler):
    content = bytes(2**20)

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.content)

    def log_message(self, *arguments):
        pass


def test_a_download_that_does_not_fit_is_said_and_leaves_nothing(disk):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Large)
    Thread(target=server.serve_forever, daemon=True).start()
    fill(disk, LEFT)
    before = snapshot(disk)
    address, sha256 = f"http://127.0.0.1:{server.server_address[1]}/weights.pth", hashlib.sha256(Large.content).hexdigest()
    with pytest.raises(SAMedError, match=NO_ROOM):
        fetch_address(address, sha256, disk / "weights.pth")
    server.shutdown()
    assert snapshot(disk) == before


@pytest.mark.slow
def test_so_is_one_from_the_hub(hub, files, disk, monkeypatch):
    monkeypatch.setenv("SAMED_CACHE", str(disk))
    hub.repository("someone/a-base", {"pytorch_model.bin": files.base.read_bytes()})
    (disk / "hub").mkdir()
    fill(disk, LEFT)
    before = snapshot(disk)
    with pytest.raises(SAMedError, match=NO_ROOM):
        fetch_model("hf:someone/a-base")
    assert snapshot(disk) == before


COMMANDS = {
    "segment": lambda f, d: segment(f, d / "out.nii.gz", "--probabilities", d / "soft.nrrd"),
    "segment, for the overview": lambda f, d: segment(f, d.parent / "out.nii.gz", "--overview", d / "overview.png"),
    "finetune": lambda f, d: finetune(f, d / "new", "--epochs", 1),
    "evaluate": lambda f, d: evaluate(f, "--plot", d / "plot.png"),
}


@pytest.mark.parametrize("name", ["segment", *(pytest.param(name, marks=pytest.mark.slow) for name in list(COMMANDS)[1:])])
@pytest.mark.filterwarnings("ignore:.*scipy.ndimage:DeprecationWarning")
def test_a_command_says_it_in_one_line_and_fails(files, disk, capfd, name):
    fill(disk, LEFT)
    before = snapshot(disk)
    capfd.readouterr()
    assert main([str(argument) for argument in COMMANDS[name](files, disk)]) == 1
    said = [line for line in capfd.readouterr().err.splitlines() if line.startswith("samed: ") and "No space left" in line]
    assert len(said) == 1
    after = snapshot(disk)
    # What a training has finished so far stays, to go on from.
    assert {path: state for path, state in after.items() if not path.startswith("new.training")} == before
    assert not any(".samed-" in path for path in after)


@contextmanager
def files_of_at_most(size: int):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_writer_that_does_not_tell_is_found_out_without_a_full_disk_too(tmp_path, ending):
    out = tmp_path / f"out{ending}"
    out.write_text("the old file")
    with files_of_at_most(2**12), pytest.raises(SAMedError, match=r"out.*(could not|cannot) be written"):
        write_labelmap(a_labelmap(a_matrix(), (40, 60, 60)), out)
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
    assert out.read_text() == "the old file"


@pytest.mark.parametrize("name", ["labels.nii.gz", "scores.csv", "checkpoint"])
def test_a_disk_that_may_only_be_read_is_named(files, disk, name):
    assert os.system(f"mount -o remount,ro {disk}") == 0
    with pytest.raises(InputError, match=r"cannot be written.*Read-only file system.*choose another"):
        WRITES[name](files, disk / name)


@pytest.mark.parametrize("name", ["/dev/full", "/dev/null"])
def test_a_device_is_no_file_and_stays_one(name):
    with pytest.raises(InputError, match=f"{name}.*is a device, a pipe or a socket: give the name of a file"):
        many_scores().write_csv(Path(name))
    assert not Path(name).is_file()


def test_a_pipe_is_no_file_either(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(InputError, match="a pipe"):
        partial(many_scores().write_csv, tmp_path / "pipe.csv")()
