"""Who a scan is of stays in the scan, and nobody else can read what is left of it on the disk meanwhile.

A DICOM series with a marked name, number, UIDs and files is segmented, learnt from and counted; every byte of every output, of
every temporary file and of all that was said is looked through.
"""

import json
import os
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest
from cli_files import run
from pydicom.uid import UID
from worker_process import SMALL, WorkerProcess, segmented

from SAMedCore.files.read import read_labelmap, read_volume
from SAMedCore.files.write import write_labelmap
from SAMedCore.image.orientation import reorient, restore_orientation
from SAMedCore.image.prompts import SlicePrompt
from SAMedCore.options import ModelOptions, PromptOptions, SegmentOptions
from SAMedCore.service.events import Ready
from SAMedCore.service.messages import Prompt, Segment

pytestmark = pytest.mark.skipif(os.name == "nt", reason="permissions are Unix's")

NAME, NUMBER, ROOT_UID, FILE = "Zyxmarked", "QQ-4711-PID", "1.2.276.0.7230010.47114711", "file-of-zyx"
MARKS = [NAME, NUMBER, ROOT_UID, FILE, "19470711", "Dr^Wvutsr"]


@pytest.fixture(scope="module")
def marked(files, tmp_path_factory) -> Path:
    """The series of `files`, of a person who can be recognised, in a folder named after her."""
    folder = tmp_path_factory.mktemp("scans") / FILE
    folder.mkdir()
    for number, file in enumerate(sorted(files.series.iterdir())):
        slice_ = pydicom.dcmread(file)
        slice_.PatientName, slice_.PatientID, slice_.PatientBirthDate = f"{NAME}^Anna", NUMBER, "19470711"
        slice_.ReferringPhysicianName = "Dr^Wvutsr"
        slice_.StudyInstanceUID = slice_.SeriesInstanceUID = slice_.FrameOfReferenceUID = UID(f"{ROOT_UID}.1")
        slice_.SOPInstanceUID = slice_.file_meta.MediaStorageSOPInstanceUID = UID(f"{ROOT_UID}.2.{number}")
        slice_.save_as(folder / f"{FILE}-{number}.dcm", enforce_file_format=True)
    return folder


@pytest.fixture
def temporary(tmp_path, monkeypatch) -> Path:
    """The folder for temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir(mode=0o700)
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.setenv(name, str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    return folder


@contextmanager
def watched(*folders: Path):
    """Looks again and again at all that lies below the folders; yields path -> (permissions, bytes as they were last)."""
    seen: dict[Path, tuple[int, bytes]] = {}
    ending = threading.Event()

    def look() -> None:
        for folder, folders_below, files in (step for root in folders for step in os.walk(root)):
            for path in (Path(folder, name) for name in (*folders_below, *files)):
                with suppress(OSError):  # gone meanwhile
                    seen[path] = path.lstat().st_mode & 0o777, path.read_bytes() if path.is_file() else b""

    def keep_looking() -> None:
        while not ending.is_set():
            look()
            time.sleep(0.02)

    looking = threading.Thread(target=keep_looking)
    looking.start()
    try:
        yield seen
    finally:
        ending.set()
        looking.join()
        look()


def recognised(content: bytes) -> list[str]:
    """The marks in it, in the encodings that files have."""
    return [mark for mark in MARKS if mark.encode() in content or mark.encode("utf-16-le") in content]


def model(files) -> list:
    return ["--model", files.checkpoint, "--base", files.base, "--device", "cpu"]


def test_who_a_scan_is_of_is_in_no_output_log_or_temporary_file(files, marked, temporary, tmp_path, capfd, monkeypatch):
    out = tmp_path / "out"
    out.mkdir()
    monkeypatch.chdir(out)
    said: list = []
    with watched(out, temporary) as seen:
        for ending in (".seg.nrrd", ".nii", ".nrrd"):
            doubt = ["--uncertainty", out / "doubt.nrrd"]
            said += run(capfd, "segment", marked, out / f"labels{ending}", *model(files), *doubt)
        volume = read_volume(marked)
        labels = reorient(read_labelmap(files.labels), "LPS")
        drawn = replace(labels, ijk_to_lps=reorient(volume, "LPS").ijk_to_lps)
        write_labelmap(restore_orientation(drawn, volume.grid), tmp_path / "labels.nrrd")
        (tmp_path / "pairs.csv").write_text(f"image,labels\n{marked},labels.nrrd\n")
        data = ["--pairs", tmp_path / "pairs.csv", "--validation", 0.25, "--base", files.base, "--device", "cpu"]
        said += run(capfd, "finetune", *data, "--out", out / "checkpoint", "--epochs", 1)
    assert (out / "checkpoint" / "samed.json") in seen
    assert len(seen) > 10
    assert {str(path): marks for path, (_, content) in seen.items() if (marks := recognised(content))} == {}
    assert len(said) > 10
    assert recognised(json.dumps(said).encode()) == []


def test_a_dicom_segmentation_carries_the_patient_as_it_has_to(files, marked, tmp_path, capfd):
    run(capfd, "segment", marked, tmp_path / "labels.dcm", *model(files))
    found = pydicom.dcmread(tmp_path / "labels.dcm")
    assert (found.PatientID, found.PatientName.family_name) == (NUMBER, NAME)
    assert found.StudyInstanceUID == f"{ROOT_UID}.1"


@pytest.fixture
def open_umask():
    """Whatever is made now is everybody's, unless it is made otherwise."""
    before = os.umask(0)
    yield
    os.umask(before)


def open_to_others(seen: dict[Path, tuple[int, bytes]]) -> dict[str, str]:
    return {str(path): oct(mode) for path, (mode, _) in seen.items() if mode & 0o077}


def test_nobody_else_can_read_what_the_worker_writes(files, volume, tmp_path, open_umask):
    with watched(tmp_path) as seen:
        worker = WorkerProcess(tmp_path / "private", SMALL)
        try:
            worker.wait_for(Ready)
            handle = worker.open(volume)
            options = ModelOptions(str(files.checkpoint), str(files.base), "cpu")
            answer = worker.ask(Segment(handle, options, SegmentOptions(uncertainty=True)))
            (worker.folder / "uncertainty-2.npy").unlink(missing_ok=True)
            segmented(answer)
            middle = tuple(map(float, (volume.ijk_to_lps @ [50, 50, 2, 1])[:3]))
            segmented(worker.ask(Prompt(handle, SlicePrompt(points_in=(middle,)), PromptOptions(str(files.base), "cpu"))))
        finally:
            worker.process.stdin.close()
            worker.process.wait()
    names = {path.name for path in seen}
    assert {"private", "worker.log"} <= names
    assert any(name.startswith("labelmap-") for name in names)
    assert any(name.startswith("uncertainty-") for name in names)
    # What the panel writes is its own to protect; here the test stands in for it.
    assert open_to_others({path: state for path, state in seen.items() if path.name != f"{handle}.npy"}) == {}


def test_nobody_else_can_read_temporary_files_of_the_command_line(files, marked, temporary, tmp_path, capfd, open_umask):
    out = tmp_path / "out"
    out.mkdir()
    with watched(temporary) as seen:
        run(capfd, "segment", marked, out / "labels.nii.gz", *model(files))
        run(capfd, "segment", files.folder / "images", out / "cohort", *model(files))
    assert open_to_others(seen) == {}
    assert list(temporary.iterdir()) == []
