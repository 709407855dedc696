"""CSV files that name scans and label maps: whatever a spreadsheet, or something that is no file, may give."""

import os
from pathlib import Path

import pytest
from refused import in_a_process, refused

from SAMedCore.files.cases import listed, pairs_from_csv
from SAMedCore.files.small import LARGEST_FILE
from SAMedCore.values import MOST

SAVE_AS_CSV = "save it as CSV in UTF-8, with the columns image,labels."
FIRST_LINE = "it needs a first line image,labels and one line for each scan below it."
HEADING = b"image,labels\n"

CONTENTS = [
    pytest.param(b"", FIRST_LINE, id="empty"),
    pytest.param(b"\n\n\n", FIRST_LINE, id="blank lines"),
    pytest.param(HEADING, FIRST_LINE, id="a heading alone"),
    pytest.param(b"ct.nii,seg.nii\nct.nii,seg.nii\n", FIRST_LINE, id="no heading"),
    pytest.param(b"image,label\nct.nii,seg.nii\n", FIRST_LINE, id="another heading"),
    pytest.param(b"image,image,labels\nct.nii,ct.nii,seg.nii\n", FIRST_LINE, id="a column twice"),
    pytest.param(b"image;labels\nct.nii;seg.nii\n", FIRST_LINE, id="semicolons"),
    pytest.param(b"image\tlabels\nct.nii\tseg.nii\n", FIRST_LINE, id="tabs"),
    pytest.param(b"," * 1_000_000 + b"\na,b\n", FIRST_LINE, id="a million columns"),
    pytest.param(b"\x89PNG\r\n\x1a\n", f"(it is not in UTF-8): {SAVE_AS_CSV}", id="a picture"),
    pytest.param("image,labels\nct.nii,seg.nii\n".encode("utf-16"), f"(it is not in UTF-8): {SAVE_AS_CSV}", id="UTF-16"),
    pytest.param("image,labels\nMüller.nii,b\n".encode("latin-1"), "(it is not in UTF-8)", id="Latin-1"),
    pytest.param(HEADING + b"ct\0.nii,seg.nii\n", f"(it holds NUL): {SAVE_AS_CSV}", id="NUL"),
    pytest.param(HEADING + b'"ct.nii,seg.nii\n' * 9, f"(',' expected after '\"'): {SAVE_AS_CSV}", id="quotes within"),
    pytest.param(HEADING + b'"ct.nii,seg.nii\n', f"(unexpected end of data): {SAVE_AS_CSV}", id="a quote that never ends"),
    pytest.param(HEADING + b"a" * 200_000 + b",b\n", f"(field larger than field limit (131072)): {SAVE_AS_CSV}", id="a field"),
    pytest.param(HEADING + b"a,b\n" * (MOST + 1), f"it has more than {MOST} lines: split it.", id="too many lines"),
    pytest.param(HEADING + b"a\n" * 8_000_000, f"it has more than {MOST} lines: split it.", id="eight million lines"),
    pytest.param(HEADING + b"none.nii,seg.nii\n", 'line 2: it names "{}/none.nii", which is not there', id="no such scan"),
    pytest.param(HEADING + b"\nct.nii,none.nii\n", 'line 3: it names "{}/none.nii", which is not there', id="no such labels"),
    pytest.param(HEADING + b"ct.nii\n", 'line 2: it names "{}", which is not there', id="a short line"),
    pytest.param(HEADING + b"ct.nii, \n", 'line 2: it names "{}", which is not there', id="a blank field"),
    pytest.param(HEADING + b".,ct.nii\n", 'line 2: it names "{}", which is not there', id="its own folder"),
    pytest.param(HEADING + b"ct.nii/a,ct.nii\n", 'ct.nii/a", which is not there', id="below a file"),
    pytest.param(HEADING + b"a" * 300 + b",b\n", 'a" has a name that is too long: shorten it', id="a long name"),
    pytest.param(HEADING + b"loop,b\n", 'line 2: it names "{}/loop", which is not there', id="a link to itself"),
    pytest.param(HEADING + b'"a\nb\x1b[2J",b\n', 'line 3: it names "{}/a b\\x1b[2J", which is not there', id="a steering name"),
    pytest.param(HEADING + "a\u202eb,b\n".encode(), "/a\\u202eb", id="a turned name"),
]


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "ct.nii").touch()
    (tmp_path / "loop").symlink_to("loop")
    return tmp_path


def pairs(folder: Path, table: Path) -> list:
    return ["finetune", "--pairs", table, "--base", "lite", "--out", folder / "new"]


@pytest.mark.parametrize(("content", "said"), CONTENTS)
def test_what_is_no_table_of_scans(capfd, folder, content, said):
    table = folder / "pairs.csv"
    table.write_bytes(content)
    line = refused(capfd, folder, *pairs(folder, table))
    assert line.startswith(f'"{table}": ')
    assert said.format(folder) in line
    assert line.endswith(".")


def made(table: Path, kind: str) -> None:
    match kind:
        case "a pipe":
            os.mkfifo(table)
        case "zeros without end":
            table.symlink_to("/dev/zero")
        case "a folder":
            table.mkdir()
        case "64 megabytes":
            with table.open("wb") as file:
                file.truncate(2**26)
        case "a link to itself":
            table.symlink_to(table.name)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("a pipe", "it is a pipe or a device: save what it gives, and choose that file."),
        ("zeros without end", "it is a pipe or a device: save what it gives, and choose that file."),
        ("a folder", "it is a folder: choose a file."),
        ("64 megabytes", f"it is larger than {LARGEST_FILE // 2**20} MB"),
        ("a link to itself", "it is a link that leads back to itself: choose the file that is meant."),
        ("nothing", "it is not there: check the path."),
    ],
)
def test_what_is_no_file_is_neither_waited_for_nor_read_to_its_end(capfd, folder, kind, said):
    table = folder / "pairs.csv"
    made(table, kind)
    line = refused(capfd, folder, *pairs(folder, table))
    assert line.startswith(f'"{table}": {said}')


def test_a_pipe_ends_neither_of_the_commands_that_take_tables(tmp_path):
    os.mkfifo(tmp_path / "scans.csv")
    line = in_a_process(tmp_path, "segment", tmp_path / "scans.csv", tmp_path / "out", "--model", "abdomen-demo")
    assert "scans.csv" in line
    assert "it is a pipe or a device" in line


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfimage,labels\r\nct.nii,seg.nii\r\n",
        b"labels , note, image\nseg.nii,,ct.nii\n\n",
        b'image, labels\n"ct.nii", "seg.nii"',
        b"image,labels\nct.nii,seg.nii,more,fields\n",
    ],
    ids=["as Windows saves it", "another order, another column", "spaces and quotes", "a longer line"],
)
def test_what_spreadsheets_write_is_read(folder, content):
    (folder / "seg.nii").touch()
    (folder / "pairs.csv").write_bytes(content)
    assert pairs_from_csv(folder / "pairs.csv") == [(folder / "ct.nii", folder / "seg.nii")]


@pytest.mark.parametrize(
    "name", ["Müller, Jörg.nii", "🫁 scan.nii", "a\nb.nii", 'say "ah".nii', os.fsdecode(b"caf\xc3\xa9.nii")]
)
def test_names_that_need_quotes_or_are_not_ascii_are_found(folder, name):
    (folder / name).touch()
    quoted = name.replace('"', '""')
    (folder / "scans.csv").write_text(f'image\n"{quoted}"\n', encoding="utf-8")
    assert [case.image.name for case in listed(folder / "scans.csv")] == [name]
