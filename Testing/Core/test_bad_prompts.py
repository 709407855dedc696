"""Prompts that say nothing of this scan: other markups, other units and volumes, damaged, endless; `samed prompt` refuses each.

What the files may say is in test_prompt_files.py; here is what the command makes of them.
"""

import json
import os
from pathlib import Path

import pytest
from cli_files import Files
from refused import in_a_process, refused

from SAMedCore.files.json_values import LONGEST_TEXT
from SAMedCore.files.prompt_parts import MOST_PARTS
from SAMedCore.files.read import read_volume
from SAMedCore.values import MOST

pytestmark = pytest.mark.usefixtures("small_network")

SCHEMA = "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/Schema/markups-schema-v1.0.3.json#"
UPRIGHT = [1, 0, 0, 0, 1, 0, 0, 0, 1]
COSINE, SINE = 0.8660254, 0.5


def markups(kind: str, position: object, **more: object) -> dict:
    point = {"label": f"{kind[0]}-1", "position": position}
    return {"@schema": SCHEMA, "markups": [{"type": kind, "coordinateSystem": "LPS", "controlPoints": [point], **more}]}


def own(**prompt: object) -> dict:
    return {"structures": [{"name": "liver", "prompts": [prompt]}]}


def region(kind: str, centre: list, **more: object) -> dict:
    return markups(kind, centre, **{"center": centre, "orientation": UPRIGHT, "size": [9, 9, 9], **more})


def moved(place: list, by_mm: float) -> list:
    return [place[0] + by_mm, *place[1:]]


# each is made from a place in the middle of the scan, LPS in mm
CASES = {
    "an angle": (lambda p: markups("Angle", p), 'it is a "Angle": only Fiducial, Plane, ROI say where a structure is'),
    "a curve": (lambda p: markups("Curve", p), 'it is a "Curve": only'),
    "a closed curve": (lambda p: markups("ClosedCurve", p), 'it is a "ClosedCurve": only'),
    "a line": (lambda p: markups("Line", p), 'it is a "Line": only'),
    "another kind, of many words": (lambda p: markups("a" * 300, p), f"it has to be no longer than {LONGEST_TEXT} characters"),
    "a kind that steers": (lambda p: markups("\x1b[2J", p), "it has to be a readable text in quotes"),
    "no kind": (lambda p: markups("Fiducial", p, type=None), '"type" is null: it has to be a readable text'),
    "no markups": (lambda p: {"@schema": SCHEMA, "markups": []}, "there is no markup in it: save it again from Slicer"),
    "markups in braces": (lambda p: {"@schema": SCHEMA, "markups": {}}, '"markups" is {}: it has to be a list in brackets'),
    "a markup that is a number": (lambda p: {"@schema": SCHEMA, "markups": [7]}, "markup 1: it is 7: it has to be an object"),
    "another schema": (lambda p: {**markups("Fiducial", p), "@schema": ["1"]}, "which is not Slicer's markups schema 1"),
    "inches": (lambda p: markups("Fiducial", p, coordinateUnits="[in_i]"), "only mm is read; save it in a scene in mm"),
    "voxels": (lambda p: markups("Fiducial", p, coordinateSystem="IJK"), "it has to be LPS or RAS; save it again from Slicer"),
    "a system in brackets": (lambda p: markups("Fiducial", p, coordinateSystem=["LPS"]), "it has to be LPS or RAS"),
    "RAS said to be LPS": (
        lambda p: markups("Fiducial", [-p[0] - 500, -p[1] - 500, p[2]]),
        "lies outside the volume: give LPS coordinates in mm, and this scan",
    ),
    "another scan": (lambda p: markups("Fiducial", moved(p, 2000)), "lies outside the volume"),
    "beyond the earth": (lambda p: markups("Fiducial", moved(p, 1e10)), '"position" is ['),
    "words for numbers": (lambda p: markups("Fiducial", [str(each) for each in p]), "it has to be 3 finite numbers"),
    "two numbers": (lambda p: markups("Fiducial", p[:2]), "it has to be 3 finite numbers in brackets"),
    "true": (lambda p: markups("Fiducial", [True, *p[1:]]), "it has to be 3 finite numbers in brackets"),
    "no place": (lambda p: markups("Fiducial", None), '"position" is null: it has to be 3 finite numbers'),
    "points in braces": (lambda p: markups("Fiducial", p, controlPoints={}), '"controlPoints" is {}: it has to be a list'),
    "no point": (lambda p: markups("Fiducial", p, controlPoints=[]), "no control point of the Fiducial is placed"),
    "a name that is a number": (lambda p: markups("Fiducial", p, name=3), '"name" is 3: it has to be a readable text'),
    "a name that is a book": (lambda p: markups("Fiducial", p, name="a" * 10**6), f"no longer than {LONGEST_TEXT} characters"),
    "a name that steers": (
        lambda p: markups("Fiducial", p, name="a\x1b[31m"),
        '"name" is "a\\u001b[31m": it has to be a readable',
    ),
    "half a character": (lambda p: markups("Fiducial", p, name="\ud800"), '"name" is "\\ud800": it has to be a readable text'),
    "more points than anybody clicks": (
        lambda p: markups("Fiducial", p, controlPoints=[{"position": p}] * (MOST_PARTS + 1)),
        f"there are more than {MOST_PARTS} prompts, which nobody draws",
    ),
    "more points than a list may hold": (
        lambda p: markups("Fiducial", p, controlPoints=[{}] * (MOST + 1)),
        f'"controlPoints" lists {MOST + 1} things: it has to be no more than {MOST}',
    ),
    "a plane that stands": (lambda p: region("Plane", p, orientation=[1, 0, 0, 0, 0, -1, 0, 1, 0]), "tilted by 90 degrees"),
    "a plane that leans": (
        lambda p: region("Plane", p, orientation=[1, 0, 0, 0, COSINE, -SINE, 0, SINE, COSINE]),
        "the Plane is tilted by 30 degrees against the axial slices: draw it in an axial view",
    ),
    "a plane without a size": (lambda p: region("Plane", p, size=[0, 9, 0]), "the Plane has no size: draw it in Slicer"),
    "a plane elsewhere": (lambda p: region("Plane", moved(p, 2000)), "lies outside the volume"),
    "a plane of an old Slicer": (
        lambda p: markups("Plane", p),
        'has no "orientation", as in old files: save it again from Slicer',
    ),
    "no rotation": (lambda p: region("ROI", p, orientation=[2, 0, 0, 0, 1, 0, 0, 0, 1]), '"orientation" is no rotation'),
    "an ROI that is a sphere's outside": (lambda p: region("ROI", p, insideOut=True), "the ROI is inside out: turn"),
    "an ROI elsewhere": (lambda p: region("ROI", moved(p, 2000)), "lies outside the volume"),
    "an ROI above": (lambda p: region("ROI", [*p[:2], p[2] + 900]), "lies outside the volume: save the one of this scan"),
    "an ROI of negative size": (lambda p: region("ROI", p, size=[9, 9, -9]), "the ROI has no size"),
    "an empty prompt": (lambda p: own(), "structure 1: prompt 1: the prompt is empty: give a box or a point"),
    "one corner": (lambda p: own(box=[p]), "it has to be two opposite corners"),
    "a box through slices": (lambda p: own(box=[p, [*p[:2], p[2] + 4]]), "give each slice a prompt of its own"),
    "a box beside the scan": (lambda p: own(box=[moved(p, 2000), moved(p, 2100)]), "lies outside the volume"),
    "a box, and a point elsewhere": (
        lambda p: own(box=[p, moved(p, 9)], points_in=[moved(p, 2000)]),
        "lies outside the volume",
    ),
    "nothing but what does not belong": (lambda p: own(points_out=[p]), "add a box or a point that does"),
    "another word": (lambda p: own(bbox=[p, p]), 'it has "bbox", which is not known: write box, points_in, points_out only'),
    "no structure": (lambda p: {"structures": []}, '"structures" is empty: name at least one'),
    "neither": (lambda p: {"boxes": [p]}, 'it has neither "markups", as Slicer writes them, nor "structures"'),
    "limits outside": (
        lambda p: {"structures": [{"name": "a", "prompts": [{"points_in": [p]}], "limits": {"slices": [0, 900000000]}}]},
        "the volume has the slices 0:4",
    ),
    "a thousand names": (
        lambda p: {"structures": [{"name": f"n{i}", "prompts": [{"points_in": [p]}]} for i in range(MOST_PARTS + 1)]},
        f"there are more than {MOST_PARTS} prompts",
    ),
}

TEXTS = {
    "empty": (b"", "it is empty, cut off or no JSON"),
    "cut off": (b'{"structures": [{"na', "it is empty, cut off or no JSON"),
    "UTF-16": ('{"structures": []}'.encode("utf-16"), "it is empty, cut off or no JSON"),
    "a picture": (b"\x89PNG\r\n\x1a\n", "it is empty, cut off or no JSON"),
    "deep": (b'{"structures": ' + b"[" * 10**6, "it is empty, cut off or no JSON"),
    "deeper than it can be said": (b'{"structures": ' + b'{"a": ' * 900 + b"1" + b"}" * 900 + b"}", '"structures" is '),
    "NaN": (b'{"structures": [{"name": "a", "prompts": [{"points_in": [[NaN, 1, 2]]}]}]}', "NaN is no number"),
    "infinite": (b'{"structures": [{"name": "a", "prompts": [{"points_in": [[1e999, 1, 2]]}]}]}', "3 finite numbers"),
    "a number of a million digits": (b'{"structures": ' + b"9" * 10**6 + b"}", "it is empty, cut off or no JSON"),
    "a number": (b"7", "it holds 7, not a JSON object: choose another file"),
    "larger than any": (b'{"structures": []' + b" " * 2**24 + b"}", "it is larger than 16 MB, which nobody writes by hand"),
}


@pytest.fixture(scope="module")
def place(files) -> list:
    """LPS, mm: in the middle of the scan."""
    grid = read_volume(files.ct).grid
    k, j, i = (length // 2 for length in grid.shape)
    return list(grid.points_at([[i, j, k]])[0])


def prompt(files: Files, folder: Path, prompts: Path) -> list:
    return ["prompt", files.ct, prompts, folder / "out.nii.gz", "--base", files.base, "--device", "cpu"]


@pytest.mark.parametrize("case", CASES)
def test_prompts_that_say_nothing_of_this_scan(capfd, tmp_path, files, place, case):
    make, said = CASES[case]
    path = tmp_path / "liver.mrk.json"
    path.write_text(json.dumps(make(place)))
    line = refused(capfd, tmp_path, *prompt(files, tmp_path, path))
    assert said in line
    assert "liver" in line
    assert line.isprintable()
    assert len(line) < len(str(path)) + 300


@pytest.mark.parametrize("case", TEXTS)
def test_what_is_no_file_with_prompts(capfd, tmp_path, files, case):
    text, said = TEXTS[case]
    path = tmp_path / "prompts.json"
    path.write_bytes(text)
    line = refused(capfd, tmp_path, *prompt(files, tmp_path, path))
    assert line.startswith(f'"{path}": ')
    assert said in line
    assert len(line) < len(str(path)) + 300


def made(path: Path, kind: str) -> None:
    match kind:
        case "a pipe":
            os.mkfifo(path)
        case "zeros without end":
            path.symlink_to("/dev/zero")
        case "an empty folder":
            path.mkdir()
        case "a folder with a pipe":
            path.mkdir()
            os.mkfifo(path / "a.json")
        case "a link to itself":
            path.symlink_to(path.name)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("a pipe", "it is a pipe or a device: save what it gives, and choose that file."),
        ("zeros without end", "it is a pipe or a device: save what it gives, and choose that file."),
        ("an empty folder", "holds no prompts: save markups from Slicer (.mrk.json) there, or choose another folder."),
        ("a folder with a pipe", "it is a pipe or a device"),
        ("a link to itself", "is a link that leads back to itself: choose the file that is meant."),
        ("nothing", "it is not there: check the path."),
    ],
)
def test_what_is_no_file_is_neither_waited_for_nor_read_to_its_end(capfd, tmp_path, files, kind, said):
    path = tmp_path / "prompts.json"
    made(path, kind)
    line = refused(capfd, tmp_path, *prompt(files, tmp_path, path))
    assert str(path) in line
    assert said in line


def test_a_million_prompts_take_neither_minutes_nor_memory(tmp_path, files):
    point = [{"points_in": [[0, 0, 0]]}]
    path = tmp_path / "prompts.json"
    path.write_text(json.dumps({"structures": [{"name": "a", "prompts": point * 300_000}]}))
    line = in_a_process(tmp_path, *prompt(files, tmp_path, path), memory_bytes=8 * 2**30)
    assert '"prompts" lists 300000 things' in line


def test_a_turned_roi_is_the_box_around_it(tmp_path, files, place):
    from SAMedCore import read_prompts

    path = tmp_path / "liver.mrk.json"
    turned = [COSINE, -SINE, 0, SINE, COSINE, 0, 0, 0, 1]
    path.write_text(json.dumps(region("ROI", place, orientation=turned, size=[20, 20, 3])))
    (liver,) = read_prompts([path], read_volume(files.ct).grid)
    lower, upper = sorted(liver.prompts[0].box)
    assert upper[0] - lower[0] == pytest.approx(20 * (COSINE + SINE), abs=0.1)
