"""Files with prompts: a JSON of our own, markups as Slicer's schema has them, and whatever else a person may give."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_labelmaps import a_matrix

from SAMedCore import read_prompts
from SAMedCore.errors import InputError
from SAMedCore.files.small import LARGEST_FILE
from SAMedCore.image.grid import Grid
from SAMedCore.image.orientation import turned_grid
from SAMedCore.image.prompts import Limits, SlicePrompt, StructurePrompts

GRID = Grid((40, 60, 80), np.diag([1.0, 1.0, 2.0, 1.0]))
"""1 x 1 x 2 mm from the origin: the slices are at z = 0, 2, ..., 78."""

SCHEMA = "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/Schema/markups-schema-v1.0."
TURNED = [-1.0, 0, 0, 0, -1, 0, 0, 0, 1]
"""The orientation of a plane or ROI along the axes, as Slicer writes it in LPS."""

BOX = [[10, 20, 30], [30, 50, 30]]


def own(tmp_path: Path, *structures, name: str = "own.json", **more) -> Path:
    path = tmp_path / name
    path.write_text(json.dumps({"structures": structures, **more}))
    return path


def markups(tmp_path: Path, *given, version: str = "3", name: str = "liver.mrk.json") -> Path:
    path = tmp_path / name
    path.write_text(json.dumps({"@schema": f"{SCHEMA}{version}.json#", "markups": given}))
    return path


def fiducial(*positions, **more) -> dict:
    return {"type": "Fiducial", "controlPoints": [{"position": position} for position in positions], **more}


def region(kind: str = "ROI", centre=(20, 30, 40), size=(10, 20, 12), **more) -> dict:
    points = [{"position": list(centre)}]
    return {"type": kind, "center": centre, "orientation": TURNED, "size": size, "controlPoints": points, **more}


def test_our_own_file_is_what_the_library_has(tmp_path):
    prompt = {"box": BOX, "points_in": [[12, 22, 30]], "points_out": [[1, 2, 30], [3, 4, 30]]}
    limits = {"slices": [3, 20], "box": [[0, 0, 0], [50, 50, 70]]}
    path = own(tmp_path, {"name": "liver", "prompts": [prompt], "limits": limits})
    expected = SlicePrompt(((10, 20, 30), (30, 50, 30)), ((12, 22, 30),), ((1, 2, 30), (3, 4, 30)))
    assert read_prompts([path], GRID) == (StructurePrompts("liver", (expected,), Limits((3, 20), ((0, 0, 0), (50, 50, 70)))),)


oblique = Grid((30, 40, 50), a_matrix())
slice_numbers = st.lists(st.integers(0, 29), min_size=1, max_size=4, unique=True)
pixels = st.tuples(st.integers(0, 49), st.integers(0, 39))


@st.composite
def structures(draw) -> StructurePrompts:
    def on_slice(k: int, shortest: int, longest: int) -> tuple:
        drawn = draw(st.lists(pixels, min_size=shortest, max_size=longest))
        return tuple(turned_grid(oblique, "LPS").points_at([(i, j, k) for i, j in drawn])) if drawn else ()

    prompts = []
    for k in sorted(draw(slice_numbers)):
        box = on_slice(k, 2, 2) if draw(st.booleans()) else None
        prompts.append(SlicePrompt(box, on_slice(k, 0 if box else 1, 3), on_slice(k, 0, 2)))
    limits = Limits(*draw(st.sampled_from([(None, None), ((2, 9), None), (None, ((0, 0, 0), (9, 9, 9)))])))
    return StructurePrompts(draw(st.sampled_from(["liver", "Milz", "Überrest 2"])), tuple(prompts), limits)


@given(structures())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
def test_whatever_python_has_comes_back_from_its_file(tmp_path, structure):
    def without_none(pairs):
        return {key: value for key, value in pairs if value is not None}

    path = tmp_path / "own.json"
    path.write_text(json.dumps({"structures": [asdict(structure, dict_factory=without_none)]}), encoding="utf-8")
    assert read_prompts([path], oblique) == (structure,)


def test_the_example_of_the_documentation_is_read(tmp_path):
    text = (Path(__file__).parents[2] / "Docs" / "prompts.md").read_text(encoding="utf-8")
    (tmp_path / "own.json").write_text(text[text.index("    {\n") : text.index("\n    }\n") + 7])
    (liver,) = read_prompts([tmp_path / "own.json"], Grid((400, 200, 200), a_matrix(np.eye(3), (1, 1, 1), (-100, -100, 0))))
    lower, upper = liver.prompts
    assert (lower.box is not None, len(upper.points_in), len(upper.points_out)) == (True, 2, 1)
    assert liver.limits.slices == (34, 111)


@pytest.mark.parametrize("version", "01234")
def test_what_the_schema_requires_is_enough_in_every_version(tmp_path, version):
    """In LPS and mm unless said otherwise, a position being enough for a control point."""
    (structure,) = read_prompts([markups(tmp_path, fiducial([1, 2, 30], [4, 5, 30]), version=version)], GRID)
    assert structure == StructurePrompts("liver", (SlicePrompt(points_in=((1, 2, 30), (4, 5, 30))),))


@pytest.mark.parametrize(("system", "left"), [("LPS", 1), ("1", 1), ("RAS", -1), ("0", -1), (0, -1)])
def test_coordinate_systems_are_told_by_name_or_by_the_number_of_old_scenes(tmp_path, system, left):
    (structure,) = read_prompts([markups(tmp_path, fiducial([left * 7, left * 8, 30], coordinateSystem=system))], GRID)
    assert structure.prompts[0].points_in == ((7, 8, 30),)


@pytest.mark.parametrize("unit", ["mm", "", ["mm", "UCUM", "millimeter"]])
def test_millimetres_are_written_in_several_ways(tmp_path, unit):
    assert read_prompts([markups(tmp_path, fiducial([7, 8, 30], coordinateUnits=unit))], GRID)


@pytest.mark.parametrize(
    ("more", "description", "file", "expected"),
    [
        ({"name": "spleen"}, "noted", "liver.mrk.json", "spleen"),
        ({"name": " "}, " spleen ", "liver.mrk.json", "spleen"),
        ({}, "", "left kidney.MRK.json", "left kidney"),
        ({}, "", "aorta.json", "aorta"),
    ],
)
def test_the_structure_is_the_markups_name_else_its_description_else_the_files(tmp_path, more, description, file, expected):
    markup = fiducial([7, 8, 30], [9, 8, 30], **more)
    markup["controlPoints"][1]["description"] = description
    (structure,) = read_prompts([markups(tmp_path, markup, name=file)], GRID)
    assert structure.name == expected


def test_several_files_and_markups_of_one_name_are_one_structure(tmp_path):
    first = markups(tmp_path, fiducial([1, 2, 30]), fiducial([3, 4, 50]), region("Plane", (20, 30, 31)))
    second = own(tmp_path, {"name": "liver", "prompts": [{"points_out": [[5, 6, 50]]}], "limits": {"slices": [1, 30]}})
    lower, upper = SlicePrompt(((15, 20, 32), (25, 40, 32))), SlicePrompt(None, ((3, 4, 50),), ((5, 6, 50),))
    (structure,) = read_prompts([first, str(second)], GRID)
    assert structure == StructurePrompts("liver", (SlicePrompt(points_in=((1, 2, 30),)), lower, upper), Limits((1, 30)))


def test_an_rois_own_box_does_not_crowd_out_limits_in_slices(tmp_path):
    roi = markups(tmp_path, region())
    slices = own(tmp_path, {"name": "liver", "prompts": [{"points_in": [[5, 6, 50]]}], "limits": {"slices": [1, 30]}})
    (structure,) = read_prompts([roi, slices], GRID)
    assert structure.limits == Limits((1, 30), ((15, 20, 34), (25, 40, 46)))


def test_an_roi_that_reaches_over_the_volume_is_a_box_in_the_middle_of_what_lies_inside(tmp_path):
    (structure,) = read_prompts([markups(tmp_path, region(centre=(20, 30, 0), size=(10, 20, 41)))], GRID)
    assert structure.prompts == (SlicePrompt(((15, 20, 10), (25, 40, 10))),)


def test_a_view_that_stands_between_two_slices_means_the_upper_one(tmp_path):
    wobbling = fiducial([1, 2, 31.0000001], [3, 4, 30.9999999])
    (structure,) = read_prompts([markups(tmp_path, wobbling)], GRID)
    assert structure.prompts == (SlicePrompt(points_in=((1, 2, 32), (3, 4, 32))),)


def test_hidden_and_other_files_of_a_folder_are_passed_over(tmp_path):
    markups(tmp_path, fiducial([1, 2, 30]))
    for name in (".partial.json", "notes.txt"):
        (tmp_path / name).write_text("no prompts")
    assert [each.name for each in read_prompts([tmp_path], GRID)] == ["liver"]


def point(**more) -> dict:
    return {"type": "Fiducial", "controlPoints": [{"position": [1, 2, 30], **more}]}


LIVER = {"name": "liver", "prompts": [{"box": BOX}]}
OWN_REFUSED = {
    "unknown key": (
        [{**LIVER, "color": 1}],
        'structure 1: it has "color", which is not known: write name, prompts, limits only',
    ),
    "unknown prompt key": ([{"name": "a", "prompts": [{"point": [1, 2, 3]}]}], 'structure 1: prompt 1: it has "point"'),
    "unknown limit": ([{**LIVER, "limits": {"slice": [1, 2]}}], '"limits" has "slice", which is not known: write slices, box'),
    "no name": ([{"prompts": [{"box": BOX}]}], 'structure 1: "name" is null: it has to be a readable text'),
    "empty name": ([{**LIVER, "name": " "}], "structure 1: it has no name"),
    "no prompts": ([{"name": "a", "prompts": []}], "it has no prompt"),
    "empty prompt": ([{"name": "a", "prompts": [{}]}], "the prompt is empty: give a box or a point"),
    "a text": (["liver"], 'structure 1: it is "liver": it has to be an object'),
    "unreadable": ([{**LIVER, "name": "a\0b"}], "it has to be a readable text"),
    "nothing": ([], '"structures" is empty'),
    "flat points": (
        [{"name": "a", "prompts": [{"points_in": [1, 2, 3]}]}],
        'point 1 of "points_in" is 1: it has to be 3 finite',
    ),
    "2D": ([{"name": "a", "prompts": [{"points_in": [[1, 2]]}]}], "is [1, 2]: it has to be 3 finite numbers in brackets"),
    "words": (
        [{"name": "a", "prompts": [{"points_in": [["1", "2", "3"]]}]}],
        'is ["1", "2", "3"]: it has to be 3 finite numbers',
    ),
    "true": ([{"name": "a", "prompts": [{"points_in": [[True, 2, 3]]}]}], "it has to be 3 finite numbers"),
    "endless": ([{"name": "a", "prompts": [{"points_in": [[10**400, 2, 3]]}]}], "it has to be 3 finite numbers"),
    "one corner": ([{"name": "a", "prompts": [{"box": BOX[:1]}]}], "it has to be two opposite corners"),
    "two slices": ([{"name": "a", "prompts": [{"box": BOX, "points_in": [[1, 2, 34]]}]}], "lie on the slices 15 and 17"),
    "above": ([{"name": "a", "prompts": [{"points_in": [[1, 2, 80]]}]}], "(1, 2, 80) lies outside the volume"),
    "beside": ([{"name": "a", "prompts": [{"points_in": [[1, 2, 30], [-7, 2, 30]]}]}], "(-7, 2, 30) lies outside the volume"),
    "box beside": ([{"name": "a", "prompts": [{"box": [[90, 2, 30], [99, 9, 30]]}]}], "(90, 2, 30) lies outside the volume"),
    "limits outside": ([{**LIVER, "limits": {"slices": [3, 99]}}], "the volume has the slices 0:40"),
    "limits turned": ([{**LIVER, "limits": {"slices": [9, 3]}}], "the limits 9 to 3 are empty"),
    "limits without end": ([{**LIVER, "limits": {"slices": [0, 900_000_000]}}], "slices 0:900000001: the volume has the"),
    "half a slice": ([{**LIVER, "limits": {"slices": [1.5, 3]}}], "has to be the first and the last one"),
    "two boxes": ([LIVER, LIVER], '"liver" has 2 boxes on slice 15: keep one'),
    "two limits": (
        [
            {**LIVER, "limits": {"slices": [1, 30]}},
            {"name": "liver", "prompts": [{"points_in": [[1, 2, 40]]}], "limits": {"slices": [2, 30]}},
        ],
        '"liver" has several limits',
    ),
    "only out": (
        [{"name": "a", "prompts": [{"points_out": [[1, 2, 30]]}]}],
        '"a" has only points that do not belong on slice 15',
    ),
}
MARKUPS_REFUSED = {
    "nothing": ([], "there is no markup in it"),
    "no type": ([{"controlPoints": []}], 'markup 1: "type" is null'),
    "a line": ([fiducial([1, 2, 30]), {"type": "Line"}], 'markup 2: it is a "Line": only Fiducial, Plane, ROI say where'),
    "inches": ([fiducial([1, 2, 30], coordinateUnits="[in_i]")], '"coordinateUnits" is "[in_i]": only mm is read'),
    "micrometres": ([fiducial([1, 2, 30], coordinateUnits=["um", "UCUM", "micrometer"])], "only mm is read"),
    "another scheme": ([fiducial([1, 2, 30], coordinateUnits=["mm", "DCM", "millimeter"])], "only mm is read"),
    "IJK": ([fiducial([1, 2, 30], coordinateSystem="IJK")], 'is "IJK": it has to be LPS or RAS'),
    "no point": ([fiducial()], "no control point of the Fiducial is placed"),
    "not placed": ([point(positionStatus="undefined", position="")], "no control point of the Fiducial is placed"),
    "no position": ([point(position="")], 'control point 1: "position" is "": it has to be 3 finite numbers'),
    "2D": ([fiducial([1, 2])], 'control point 1: "position" is [1, 2]: it has to be 3 finite numbers'),
    "outside": ([fiducial([1, 2, 30], [1, 2, 3000])], "placed point 2: (1, 2, 3000) lies outside the volume"),
    "odd label": ([point(label=7)], '"label" is 7: it has to be a readable text'),
    "two descriptions": (
        [{"type": "Fiducial", "controlPoints": [{"position": [1, 2, 30], "description": each} for each in "ab"]}],
        'its control points say "a" and "b"',
    ),
    "only out": ([point(label="- vein")], '"liver" has only points that do not belong on slice 15'),
    "old plane": ([{"type": "Plane", "controlPoints": [{"position": [1, 2, 30]}]}], 'no "orientation", as in old files'),
    "flat plane": ([region("Plane", size=(0, 5, 0))], "the Plane has no size"),
    "plane above": ([region("Plane", centre=(1, 2, 300))], "lies outside the volume"),
    "plane upright": ([region("Plane", orientation=[1, 0, 0, 0, 0, 1, 0, 1, 0])], "tilted by 90 degrees"),
    "no rotation": ([region(orientation=[1] * 9)], '"orientation" is no rotation'),
    "short orientation": ([region(orientation=[1, 0, 0])], '"orientation" is [1, 0, 0]: it has to be 9 finite numbers'),
    "flat ROI": ([region(size=(5, 5, 0))], "the ROI has no size"),
    "ROI above": ([region(centre=(1, 2, 300))], "the ROI at (1, 2, 300) lies outside the volume"),
    "ROI beside": ([region(centre=(300, 2, 30))], "lies outside the volume"),
    "two ROIs": ([region(), region(size=(5, 5, 5))], '"liver" has several limits'),
}
TEXT_REFUSED = {
    "empty": (b"", "it is empty, cut off or no JSON"),
    "cut off": (b'{"structures": [{"na', "it is empty, cut off or no JSON"),
    "binary": (bytes(range(128, 255)), "it is empty, cut off or no JSON"),
    "NaN": (b'{"structures": [{"name": "a", "prompts": [{"points_in": [[NaN, 1, 2]]}]}]}', "NaN is no number"),
    "overflow": (b'{"structures": [{"name": "a", "prompts": [{"points_in": [[1e999, 1, 2]]}]}]}', "3 finite numbers"),
    "deep": (b"[" * 100_000, "it is empty, cut off or no JSON"),
    "a list": (b"[1, 2]", "it holds [1, 2], not a JSON object"),
    "something else": (b'{"images": []}', 'it has neither "markups", as Slicer writes them, nor "structures"'),
    "too many keys": (b'{"structures": [], "version": 2}', 'it has "version", which is not known: write structures only'),
    "no schema": (b'{"markups": []}', '"@schema" is null, which is not Slicer\'s markups schema 1'),
    "new schema": (b'{"@schema": "https://a.b/markups-schema-v2.0.0.json#", "markups": []}', "not Slicer's markups schema 1"),
    "no list": (b'{"structures": {}}', '"structures" is {}: it has to be a list'),
}


@pytest.mark.parametrize("case", OWN_REFUSED)
def test_what_our_own_file_may_not_say(tmp_path, case):
    given, said = OWN_REFUSED[case]
    refused(own(tmp_path, *given), said)


@pytest.mark.parametrize("case", MARKUPS_REFUSED)
def test_what_markups_may_not_say(tmp_path, case):
    given, said = MARKUPS_REFUSED[case]
    refused(markups(tmp_path, *given), said)


@pytest.mark.parametrize("case", TEXT_REFUSED)
def test_what_is_no_file_with_prompts(tmp_path, case):
    text, said = TEXT_REFUSED[case]
    (tmp_path / "any.json").write_bytes(text)
    refused(tmp_path / "any.json", said)


def test_what_is_missing_huge_or_an_empty_folder(tmp_path):
    refused(tmp_path / "none.json", "it is not there: check the path.")
    huge = tmp_path / "huge.json"
    huge.write_bytes(b" " * (LARGEST_FILE + 1))
    refused(huge, "it is larger than 16 MB")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", "holds no prompts")


def refused(path: Path, said: str) -> None:
    """In one short line, which names the file unless the structure says more."""
    with pytest.raises(InputError) as error:
        read_prompts([path], GRID)
    assert said in str(error.value)
    assert str(path) in str(error.value) or str(error.value).startswith('"')
    assert len(str(error.value)) < len(str(path)) + 220
    assert "\n" not in str(error.value)
