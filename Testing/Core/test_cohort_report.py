"""The report of a cohort: a table and a page that hold up with three scans and with thousands, whatever their names."""

import base64
import csv
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from SAMedCore.cohort.page import MOST_SCANS, duration, write_page
from SAMedCore.cohort.scans import Request, Scan, ScanRow, request_for
from SAMedCore.cohort.table import failures_in_words, read_table, write_table
from SAMedCore.draw.thumbnail import TILE, thumbnail, write_thumbnail
from SAMedCore.image.labels import SYNAPSE_ORGANS
from SAMedCore.image.orientation import reorient
from SAMedCore.image.volume import LabelMap, Volume
from SAMedCore.options import ModelOptions, SegmentOptions

NASTY = "<script>alert('1')</script>\"&"


class Reader(HTMLParser):
    """Tags, links, pictures and texts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [value for name, value in attributes if name in ("src", "href")]

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture
def request_(tmp_path) -> Request:
    request = request_for(tmp_path, ModelOptions("models/My model"), SegmentOptions())
    request.thumbnail("any").parent.mkdir(parents=True)
    return request


def row(folder: Path, name: str, liver: float = 1500.0, **more) -> ScanRow:
    scan = Scan(name, f"/scans/{name}.nii.gz", str(folder / f"{name}.seg.nrrd"), (0, 0))
    found = {"volumes_ml": {"liver": liver, "spleen": 0.0}, "doubt": {"liver": 0.1, "spleen": 0.2}, "shape": (5, 6, 7)}
    return ScanRow(scan, **{**found, "spacing_mm": (1, 1, 2.5), "seconds": {"read": 0.1, "segment": 60.0}, **more})


def failed(folder: Path, name: str, error: str = "no image") -> ScanRow:
    return ScanRow(Scan(name, f"/scans/{name}.nii.gz", str(folder / f"{name}.seg.nrrd"), (0, 0)), error, tries=3)


def page(rows: list[ScanRow], request: Request) -> Reader:
    path = Path(request.folder).parent / "report.html"
    write_page(rows, SYNAPSE_ORGANS, request, path)
    return Reader(path.read_text(encoding="utf-8"))


def test_three_scans_have_a_line_each_and_nothing_is_called_unusual(tmp_path, request_):
    read = page([row(tmp_path, name, liver) for name, liver in (("a", 10), ("b", 1500), ("c", 9000))], request_)
    texts = " ".join(read.texts)
    assert {"a", "b", "c", "My model", "liver"} <= set(read.texts)
    assert "Unusual: look at these first" not in texts
    assert "Not segmented" not in read.texts
    assert "pancreas" not in read.texts


def test_unusual_scans_come_first_and_failed_ones_before_with_their_reason(tmp_path, request_):
    rows = [*(row(tmp_path, f"s{n}", 1500 + 50 * n) for n in range(10)), row(tmp_path, "odd", 90), failed(tmp_path, "broken")]
    texts = page(rows, request_).texts
    order = [texts.index(text) for text in ("Not segmented", "broken", "no image", "Scans", "odd", "s0")]
    assert order == sorted(order)
    assert "liver 90 ml (usual 1,700)" in texts


def test_names_reasons_and_notes_cannot_break_the_page(tmp_path, request_):
    rows = [row(tmp_path, NASTY, notes=(NASTY,)), failed(tmp_path, f"{NASTY}2", NASTY)]
    read = page(rows, request_)
    plain = page([row(tmp_path, "a", notes=("b",)), failed(tmp_path, "c", "d")], request_)
    assert read.tags == plain.tags
    assert read.texts.count(NASTY) == 3


def test_the_page_needs_no_other_file_but_the_segmentations_it_links_to(tmp_path, request_, sample_ct, sample_labels):
    write_thumbnail(sample_ct, sample_labels, request_.thumbnail("a b"))
    read = page([row(tmp_path, "a b")], request_)
    (link, picture) = sorted(read.addresses)
    assert (link, picture[:23]) == ("a%20b.seg.nrrd", "data:image/jpeg;base64,") or link.startswith("data:")
    (data,) = re.findall(r"base64,(\S+)", " ".join(read.addresses))
    assert base64.b64decode(data) == request_.thumbnail("a b").read_bytes()
    assert len(base64.b64decode(data)) < 12_000


def test_thousands_are_cut_to_what_a_browser_shows_and_the_table_has_all(tmp_path, request_):
    rows = [row(tmp_path, f"s{number:05}") for number in range(MOST_SCANS + 500)]
    read = page(rows, request_)
    assert sum(text.startswith("s0") for text in read.texts) == MOST_SCANS
    assert "The first 1,000 of 1,500 are here; report.csv has all." in " ".join(read.texts)
    write_table(rows, ["liver"], tmp_path / "report.csv")
    assert len(read_table(tmp_path / "report.csv")) == len(rows)


def test_with_nothing_segmented_there_is_still_a_report(tmp_path, request_):
    read = page([failed(tmp_path, "broken")], request_)
    assert "Structures" not in read.texts
    write_table([failed(tmp_path, "broken")], [], tmp_path / "report.csv")
    (line,) = read_table(tmp_path / "report.csv")
    assert (line.name, line.segmentation, line.error) == ("broken", None, "no image")


def test_the_table_says_what_was_measured(tmp_path):
    write_table([row(tmp_path, "ä;b", notes=("one", "two"))], ["liver", "spleen"], tmp_path / "report.csv")
    with (tmp_path / "report.csv").open(encoding="utf-8-sig", newline="") as file:
        (line,) = csv.DictReader(file)
    assert (line["scan"], line["liver ml"], line["liver doubt"], line["notes"]) == ("ä;b", "1500.00", "0.1000", "one two")
    assert (line["voxels"], line["spacing mm"], line["seconds to segment"]) == ("5 6 7", "1 1 2.5", "60.000")
    assert read_table(tmp_path / "report.csv")[0].segmentation == tmp_path / "ä;b.seg.nrrd"


def test_of_many_failures_the_first_are_named(tmp_path):
    failed = {f"{number}.nii.gz": f"reason {number}." for number in range(7)}
    assert failures_in_words(failed, 9, tmp_path / "report.html") == (
        "7 of 9 scans failed (0.nii.gz, 1.nii.gz, 2.nii.gz, 3.nii.gz, 4.nii.gz and 2 more): reason 6; "
        f'"{tmp_path / "report.html"}" has all.'
    )


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.42, "0.4 s"), (12, "12 s"), (59.8, "1:00 min"), (185, "3:05 min"), (3720, "1:02 h")]
)
def test_times_are_short(seconds, text):
    assert duration(seconds) == text


def test_a_thumbnail_shows_the_structures_however_the_scan_is_stored(sample_ct, sample_labels):
    picture = thumbnail(sample_ct, sample_labels)
    assert picture.shape == (TILE[0], 2 * TILE[1], 3)
    assert np.abs(picture.astype(int) - picture.mean(2, keepdims=True)).max() > 40
    turned = thumbnail(reorient(sample_ct, "RAI"), reorient(sample_labels, "RAI"))
    np.testing.assert_array_equal(picture, turned)


@pytest.mark.parametrize("shape", [(2, 3, 4), (300, 2, 2), (2, 300, 5), (40, 50, 60)])
def test_a_thumbnail_has_one_size_whatever_the_scan_has(tmp_path, shape):
    labels = np.zeros(shape, np.uint8)
    labels[0, 0, 0] = 5
    matrix = np.diag([0.7, 0.7, 5.0, 1.0])
    volume = Volume(np.arange(labels.size, dtype=np.int16).reshape(shape), matrix)
    write_thumbnail(volume, LabelMap(labels, matrix, SYNAPSE_ORGANS), tmp_path / "thumbnail.jpg")
    assert SimpleITK.ReadImage(str(tmp_path / "thumbnail.jpg")).GetSize() == (2 * TILE[1], TILE[0])
