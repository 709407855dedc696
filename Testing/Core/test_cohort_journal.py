"""The journal of a cohort: what it has is not done again, whatever ended the process that wrote it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from SAMedCore.cohort.journal import Journal, open_journal
from SAMedCore.cohort.scans import Scan, ScanRow
from SAMedCore.errors import InputError

ASKED = {"checkpoint": "one", "labels": ["liver"]}
HOLDING = """
import sys, time
from pathlib import Path
from SAMedCore.cohort.journal import open_journal
with open_journal(Path(sys.argv[1]), {"checkpoint": "one", "labels": ["liver"]}):
    print("held", flush=True)
    time.sleep(60)
"""


def scan(out: Path, name: str = "a", state: tuple[int, int] = (1, 2)) -> Scan:
    return Scan(name, f"/scans/{name}.nii.gz", str(out / f"{name}.seg.nrrd"), state)


def row(out: Path, name: str = "a", **more) -> ScanRow:
    return ScanRow(scan(out, name), **{"volumes_ml": {"liver": 1200.5}, "shape": (4, 5, 6), "notes": ("one", "two"), **more})


def journal_file(out: Path) -> Path:
    return out / ".samed" / "journal.jsonl"


def reopened(out: Path) -> Journal:
    with open_journal(out, ASKED) as journal:
        return journal


def test_rows_come_back_as_they_were_written(tmp_path):
    with open_journal(tmp_path, ASKED) as journal:
        journal.append(row(tmp_path))
        journal.append(row(tmp_path, "b", error="no image"))
    assert reopened(tmp_path).rows == {"a": row(tmp_path), "b": row(tmp_path, "b", error="no image")}


def test_a_scan_is_done_while_it_and_its_segmentation_are_what_they_were(tmp_path):
    with open_journal(tmp_path, ASKED) as journal:
        journal.append(row(tmp_path))
        journal.append(row(tmp_path, "b", error="no image"))
        for name in "ab":
            (tmp_path / f"{name}.seg.nrrd").touch()
        assert journal.has(scan(tmp_path))
        assert not journal.has(scan(tmp_path, "b"))
        assert not journal.has(scan(tmp_path, "c"))
        assert not journal.has(scan(tmp_path, state=(1, 3)))
        (tmp_path / "a.seg.nrrd").unlink()
        assert not journal.has(scan(tmp_path))


@pytest.mark.parametrize("rest", [1, 20, 200])
def test_a_line_that_was_written_in_part_is_as_if_it_had_never_been(tmp_path, rest):
    with open_journal(tmp_path, ASKED) as journal:
        journal.append(row(tmp_path))
        whole = journal_file(tmp_path).stat().st_size
        journal.append(row(tmp_path, "b"))
    os.truncate(journal_file(tmp_path), whole + rest)
    with open_journal(tmp_path, ASKED) as journal:
        assert list(journal.rows) == ["a"]
        journal.append(row(tmp_path, "c"))
    assert list(reopened(tmp_path).rows) == ["a", "c"]


@pytest.mark.parametrize("content", [b"", b'{"checkp', b"\n", b"no json\n"])
def test_without_a_whole_first_line_it_begins_anew(tmp_path, content):
    reopened(tmp_path)
    journal_file(tmp_path).write_bytes(content)
    with open_journal(tmp_path, ASKED) as journal:
        journal.append(row(tmp_path))
    assert list(reopened(tmp_path).rows) == ["a"]
    assert json.loads(journal_file(tmp_path).read_text().splitlines()[0])["checkpoint"] == "one"


def test_what_was_asked_for_otherwise_is_refused_and_named(tmp_path):
    reopened(tmp_path)
    before = journal_file(tmp_path).read_bytes()
    with (
        pytest.raises(InputError, match=r"made otherwise \(labels\).*another folder, or remove"),
        open_journal(tmp_path, {**ASKED, "labels": None}),
    ):
        pass
    assert journal_file(tmp_path).read_bytes() == before


def test_unfinished_segmentations_are_swept(tmp_path):
    reopened(tmp_path)
    unfinished = tmp_path / ".samed" / "unfinished"
    unfinished.mkdir()
    (unfinished / "a.seg.nrrd").touch()
    with open_journal(tmp_path, ASKED):
        assert list(unfinished.iterdir()) == []
    assert not unfinished.exists()


def test_two_at_once_are_refused_and_a_killed_one_leaves_no_lock(tmp_path):
    other = subprocess.Popen([sys.executable, "-c", HOLDING, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(InputError, match="being written to by another run"), open_journal(tmp_path, ASKED):
            pass
    finally:
        other.send_signal(signal.SIGKILL)
        other.wait()
    reopened(tmp_path)
