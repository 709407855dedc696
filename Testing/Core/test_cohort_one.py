"""`samed segment FOLDER FOLDER` in one process: each scan once, gone on with after a stop, and reported."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from cli_files import run, segment
from small_cohort import begun, copies, journal_rows, many

from SAMedCore.cli import main
from SAMedCore.cli.console import Console
from SAMedCore.cohort import scanner, schedule
from SAMedCore.files.read import read_labelmap, read_volume
from SAMedCore.image.grid import same_grid

SMALL_SAMED = Path(__file__).with_name("small_cohort.py")
PATIENCE_S = 120


@pytest.fixture
def source(files, tmp_path) -> Path:
    return copies(files, tmp_path / "scans", 3)


@pytest.fixture
def out(tmp_path) -> Path:
    return tmp_path / "out"


def test_a_folder_gives_what_one_command_for_each_scan_gives(files, source, out, tmp_path, capsys):
    shutil.copytree(files.series, source / "series")
    run(capsys, *segment(files, tmp_path / "one.seg.nrrd"))
    *events, result = run(capsys, *many(files, source, out))
    assert [event["done"] for event in events if event.get("phase") == "segmenting"] == [1, 2, 3, 4]
    assert sorted(event["name"] for event in events if event["event"] == "scan") == ["scan000", "scan001", "scan002", "series"]
    assert (result["segmented"], result["failed"]) == (4, 0)
    alone = read_labelmap(tmp_path / "one.seg.nrrd")
    for name in ("scan000", "scan001", "scan002"):
        np.testing.assert_array_equal(read_labelmap(out / f"{name}.seg.nrrd").voxels, alone.voxels)
    assert same_grid(read_labelmap(out / "series.seg.nrrd").grid, read_volume(files.series).grid)
    assert {path.name for path in (out / ".samed" / "thumbnails").iterdir()} == {
        f"{event['name']}.jpg" for event in events if event["event"] == "scan"
    }
    row = journal_rows(out)[0]
    assert set(row["doubt"]) == {"spleen", "liver", "aorta"}
    voxels = alone.voxels if row["scan"]["name"] != "series" else read_labelmap(out / "series.seg.nrrd").voxels
    assert row["volumes_ml"]["liver"] == pytest.approx((voxels == 5).sum() * np.prod(row["spacing_mm"]) / 1000)


def test_what_is_done_is_not_done_again_and_what_is_new_or_changed_is(files, source, out, capsys):
    run(capsys, *many(files, source, out))
    times = {path.name: path.stat().st_mtime_ns for path in out.glob("*.seg.nrrd")}
    shutil.copy(files.ct, source / "new.nii.gz")
    os.utime(source / "scan001.nii.gz")
    (out / "scan002.seg.nrrd").unlink()
    notice, *_ = run(capsys, *many(files, source, out))
    assert "1 of 4 scans are segmented already" in notice["message"]
    changed = {path.name for path in out.glob("*.seg.nrrd") if path.stat().st_mtime_ns != times.get(path.name)}
    assert changed == {"new.seg.nrrd", "scan001.seg.nrrd", "scan002.seg.nrrd"}


def test_nothing_is_loaded_where_nothing_is_left_to_do(files, source, out, capsys, monkeypatch):
    run(capsys, *many(files, source, out))
    monkeypatch.setattr(scanner.Scanner, "load", None)
    (out / "report.html").unlink()
    (result,) = run(capsys, *many(files, source, out))
    assert result["segmented"] == 3
    assert (out / "report.html").exists()


def test_bad_scans_are_named_reported_and_tried_again_when_they_are_mended(files, source, out, capsys):
    (source / "broken.nii.gz").write_bytes(b"no image")
    (source / "empty.nii.gz").touch()
    assert main(many(files, source, out)) == 1
    printed = capsys.readouterr()
    assert "2 of 5 scans failed (broken.nii.gz, empty.nii.gz)" in printed.err.splitlines()[-1]
    assert 'broken: "' in printed.err
    assert "3 of 5" in printed.out
    assert "is not an image that can be read" in (out / "report.html").read_text(encoding="utf-8")
    for name in ("broken", "empty"):
        shutil.copy(files.ct, source / f"{name}.nii.gz")
    *_, result = run(capsys, *many(files, source, out))
    assert (result["segmented"], result["failed"]) == (5, 0)
    done = Counter(row["scan"]["name"] for row in journal_rows(out) if row["error"] is None)
    assert set(done.values()) == {1}


def test_storage_that_fails_for_a_while_costs_a_retry_and_no_scan(files, source, out, capsys, monkeypatch):
    monkeypatch.setattr(schedule, "FIRST_PAUSE_S", 0.0)
    whole, failures = scanner.Scanner._write, []

    def write(self, scan, volume, segmentation):
        if scan.name == "scan001" and len(failures) < 2:
            failures.append(OSError(5, "Input/output error"))
            raise failures[-1]
        whole(self, scan, volume, segmentation)

    monkeypatch.setattr(scanner.Scanner, "_write", write)
    run(capsys, *many(files, source, out))
    assert {row["scan"]["name"]: row["tries"] for row in journal_rows(out)} == {"scan000": 1, "scan001": 3, "scan002": 1}


def test_ctrl_c_leaves_what_is_done_and_nothing_half_written(files, source, out, capsys, monkeypatch):
    def interrupt(self, event):
        if getattr(event, "phase", "") == "segmenting":
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(Console, "_show", interrupt)
        assert main(many(files, source, out)) == 130
    assert "Cancelled with 1 of 3 scans done: started again, it goes on from there." in capsys.readouterr().err
    assert len(journal_rows(out)) == 1
    assert not (out / ".samed" / "unfinished").exists()
    assert not (out / "report.html").exists()
    run(capsys, *many(files, source, out))
    assert sorted(row["scan"]["name"] for row in journal_rows(out)) == ["scan000", "scan001", "scan002"]


@pytest.mark.parametrize("rounds", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_at_any_time_it_goes_on_where_it_was(files, out, tmp_path, rounds):
    source = copies(files, tmp_path / "many", 6 * rounds)
    environment = {**os.environ, "SMALL_COHORT_PAUSE_S": "0.3", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(SMALL_SAMED), *many(files, source, out, "--json")]
    journal = out / ".samed" / "journal.jsonl"
    for number in range(rounds):
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        deadline = time.monotonic() + PATIENCE_S
        while not journal.exists() or journal.read_bytes().count(b"\n") < 3 * (number + 1):
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.kill()
        process.wait()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    names = {path.name.removesuffix(".nii.gz") for path in source.iterdir()}
    assert Counter(row["scan"]["name"] for row in journal_rows(out)) == Counter(names)
    assert {path.name for path in out.glob("*.seg.nrrd")} == {f"{name}.seg.nrrd" for name in names}
    # Only what was in memory when it was killed is begun again.
    assert len(begun(out)) - len(names) <= scanner.AT_A_TIME * rounds


def test_a_table_of_scans_does_too(files, source, out, tmp_path, capsys):
    table = tmp_path / "scans.csv"
    table.write_text(f"image,labels\n{source / 'scan001.nii.gz'},{files.labels}\n")
    *_, result = run(capsys, *many(files, table, out, "--ending", ".nii.gz"))
    assert result["segmented"] == 1
    assert read_labelmap(out / "scan001.nii.gz").voxels.any()


def test_an_output_folder_among_the_scans_is_no_scan(files, source, capsys):
    for _ in range(2):
        *_, result = run(capsys, *many(files, source, source / "out"))
        assert result["segmented"] == 3


REFUSED = {
    "the folder itself": (lambda f, s, o: many(f, s, s), "holds the scans"),
    "one file": (lambda f, s, o: many(f, s, o / "out.seg.nrrd"), "is one file: give the name of a folder"),
    "a series without an ending": (lambda f, s, o: many(f, f.series, o), "is one DICOM series"),
    "slices": (lambda f, s, o: many(f, s, o, "--slices", "1:2"), "--slices is for one scan"),
    "probabilities": (lambda f, s, o: many(f, s, o, "--probabilities", o / "a.nrrd"), "--probabilities is for one scan"),
    "uncertainty": (lambda f, s, o: many(f, s, o, "--uncertainty", o / "a.nrrd"), "--uncertainty is for one scan"),
    "overview": (lambda f, s, o: many(f, s, o, "--overview", o / "a.png"), "--overview is for one scan"),
    "no ending": (lambda f, s, o: many(f, s, o, "--ending", ".png"), '".png" is no ending'),
    "no workers": (lambda f, s, o: many(f, s, o, "--workers", 0), "--workers"),
    "no retries": (lambda f, s, o: many(f, s, o, "--retries", -1), "--retries"),
    "unknown label": (lambda f, s, o: many(f, s, o, "--labels", "heart"), 'unknown label "heart"'),
    "one with workers": (lambda f, s, o: many(f, f.ct, s / "out.nii.gz", "--workers", 2), "--workers is for many scans"),
    "one with an address": (lambda f, s, o: many(f, f.ct, s / "out.nii.gz", "--address", "auto"), "--address is for many"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_makes_no_sense_is_refused_in_one_line(case, files, source, out, capsys):
    make, said = REFUSED[case]
    assert main(make(files, source, out)) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not out.exists()


def test_other_labels_in_the_same_folder_are_refused(files, source, out, capsys):
    run(capsys, *many(files, source, out))
    assert main(many(files, source, out, "--labels", "liver")) == 2
    assert "made otherwise (labels)" in capsys.readouterr().err


def test_without_ray_several_workers_are_refused_in_one_line(files, source, out, capsys, monkeypatch):
    monkeypatch.setattr("SAMedCore.cohort.cluster.has_ray", lambda: False)
    assert main([*many(files, source, out), "--workers", "2", "--json"]) == 2
    *_, event = map(json.loads, capsys.readouterr().out.splitlines())
    assert event["message"].startswith("several workers need Ray")
