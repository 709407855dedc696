"""Prompts as 3D Slicer saves them: markups JSON (.mrk.json), of any version of its schema so far."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from SAMedCore.errors import InputError
from SAMedCore.files.json_values import a_list, a_text, an_object, numbers, shown, within
from SAMedCore.files.prompt_parts import Part, check_count, in_words, nearest_slices, slice_of
from SAMedCore.image.grid import Grid
from SAMedCore.image.prompts import Limits, Point, SlicePrompt

SCHEMA = re.compile(r"markups-schema-v1\.\d+\.\d+\.json#*$", re.IGNORECASE)

SIGNS = {"LPS": 1.0, "1": 1.0, "RAS": -1.0, "0": -1.0}
"""What takes the first two coordinates to LPS; the numbers stand in old scenes."""

OUT = "-"
"""What the label of a control point begins with that does not belong to the structure."""

STEEPEST_DEGREES = 15
"""How far a plane may be tilted against the axial slices; its sides look 3 % shorter then."""


def parts_of_markups(document: Mapping[str, Any], file_name: str, upright: Grid) -> list[Part]:
    """What the markups of one file give.

    A Fiducial's control points are points of the structure, or beside it where the label begins with "-", each on the slice
    nearest to it. The rectangle of a Plane is a box on the slice nearest to its centre. An ROI holds the whole structure: it
    limits it, and is a box on its middle slice where nothing else says where the structure is. Control points that are not
    placed do not count.

    The structure is the markup's name where the file has one (Slicer writes none), else what the description of a control
    point says, else `file_name`.

    Args:
        document: the file's JSON object.
        file_name: without its ending.
        upright: the volume's grid, turned to LPS.

    Raises:
        InputError: not as the schema has it, not in mm, another kind of markup, nothing placed, or placed outside the volume;
            descriptions that differ; a name that cannot be shown.
    """
    schema = document.get("@schema")
    if not isinstance(schema, str) or SCHEMA.search(schema) is None:
        raise InputError(f'"@schema" is {shown(schema)}, which is not Slicer\'s markups schema 1: save it again from Slicer.')
    parts = []
    for number, each in enumerate(a_list(document["markups"], '"markups"'), 1):
        with within(f"markup {number}"):
            parts += _Markup.read(an_object(each, "it"), file_name).parts(upright)
        check_count(parts)
    if not parts:
        raise InputError("there is no markup in it: save it again from Slicer.")
    return parts


@dataclass(frozen=True)
class _ControlPoint:
    position: Point
    belongs: bool
    description: str


@dataclass(frozen=True)
class _Markup:
    """One markup.

    Attributes:
        kind: "Fiducial", "Plane" or "ROI".
        structure: its name.
        values: as the file has them.
        sign: of `SIGNS`.
        points: the control points that are placed, at least one.
    """

    kind: str
    structure: str
    values: Mapping[str, Any]
    sign: float
    points: tuple[_ControlPoint, ...]

    @classmethod
    def read(cls, values: Mapping[str, Any], file_name: str) -> _Markup:
        kind = a_text(values.get("type"), '"type"')
        if kind not in _PARTS:
            raise InputError(f"it is a {shown(kind)}: only {', '.join(_PARTS)} say where a structure is; take it away.")
        _check_unit(values.get("coordinateUnits", "mm"))
        system = str(values.get("coordinateSystem", "LPS"))
        if system not in SIGNS:
            raise InputError(f'"coordinateSystem" is {shown(system)}: it has to be LPS or RAS; save it again from Slicer.')
        points = []
        for number, each in enumerate(a_list(values.get("controlPoints", []), '"controlPoints"'), 1):
            with within(f"control point {number}"):
                point = an_object(each, "it")
                if point.get("positionStatus", "defined") == "defined":
                    points.append(_control_point(point, SIGNS[system]))
        if not points:
            raise InputError(f"no control point of the {kind} is placed: place it in Slicer, then save it again.")
        name = a_text(values.get("name", ""), '"name"') or _described(points) or a_text(file_name, "its name")
        return cls(kind, name, values, SIGNS[system], tuple(points))

    def parts(self, upright: Grid) -> list[Part]:
        return _PARTS[self.kind](self, upright)

    def point(self, key: str) -> np.ndarray:
        """(3,) a place, in LPS."""
        return _to_lps(self._numbers(key, 3), self.sign)

    def axes(self) -> np.ndarray:
        """(3, 3) the directions of its own three axes as columns, unit vectors in LPS."""
        axes = _to_lps(np.reshape(self._numbers("orientation", 9), (3, 3)), self.sign)
        if not np.allclose(axes.T @ axes, np.eye(3), atol=1e-3):
            raise InputError('"orientation" is no rotation: save it again from Slicer.')
        return axes

    def size(self, count: int) -> np.ndarray:
        """(count,) the lengths of its sides, in mm."""
        size = np.array(self._numbers("size", 3)[:count])
        if not (size > 0).all():
            raise InputError(f"the {self.kind} has no size: draw it in Slicer, then save it again.")
        return size

    def _numbers(self, key: str, count: int) -> tuple[float, ...]:
        if key not in self.values:
            raise InputError(f'the {self.kind} has no "{key}", as in old files: save it again from Slicer 5.')
        return numbers(self.values[key], count, f'"{key}"')


def _described(points: Sequence[_ControlPoint]) -> str:
    """What the descriptions say, or ""."""
    said = list(dict.fromkeys(point.description for point in points if point.description))
    if len(said) > 1:
        raise InputError(
            f"its control points say {shown(said[0])} and {shown(said[1])}: put each structure into markups of its own."
        )
    return said[0] if said else ""


def _check_unit(unit: Any) -> None:
    # a DICOM code: value, scheme, meaning
    code = unit[:2] if isinstance(unit, list) else [unit, "UCUM"]
    if code not in (["mm", "UCUM"], ["", "UCUM"]):
        raise InputError(f'"coordinateUnits" is {shown(unit)}: only mm is read; save it in a scene in mm.')


def _control_point(values: Mapping[str, Any], sign: float) -> _ControlPoint:
    left, posterior, superior = _to_lps(numbers(values.get("position"), 3, '"position"'), sign).tolist()
    belongs = not a_text(values.get("label", ""), '"label"').startswith(OUT)
    description = a_text(values.get("description", ""), '"description"')
    return _ControlPoint((left, posterior, superior), belongs, description)


def _to_lps(values: Any, sign: float) -> np.ndarray:
    return np.array(values, np.float64) * np.array([sign, sign, 1.0]).reshape(-1, *[1] * (np.ndim(values) - 1))


def _points(markup: _Markup, upright: Grid) -> list[Part]:
    places = upright.indices_of([point.position for point in markup.points])
    places[:, 2] = nearest_slices(places[:, 2])
    parts = []
    for number, (point, at) in enumerate(zip(markup.points, upright.points_at(places), strict=True), 1):
        prompt = SlicePrompt(points_in=(at,)) if point.belongs else SlicePrompt(points_out=(at,))
        with within(f"placed point {number}"):
            parts.append(Part(markup.structure, slice_of(prompt, upright), prompt))
    return parts


def _rectangle(markup: _Markup, upright: Grid) -> list[Part]:
    axes, centre = markup.axes(), markup.point("center")
    across, along = markup.size(2)
    sides = [-across / 2, across / 2, -along / 2, along / 2]
    if "planeBounds" in markup.values:
        sides = list(numbers(markup.values["planeBounds"], 4, '"planeBounds"'))
    _check_axial(axes[:, 2], upright)
    corners = [centre + axes[:, :2] @ corner for corner in product(sides[:2], sides[2:])]
    places = upright.indices_of(corners)
    (k,) = nearest_slices(upright.indices_of([centre])[:, 2])
    places[:, 2] = k
    prompt = SlicePrompt(_corners(places, upright))
    return [Part(markup.structure, slice_of(prompt, upright), prompt)]


def _check_axial(normal: np.ndarray, upright: Grid) -> None:
    of_slices = np.cross(upright.ijk_to_lps[:3, 0], upright.ijk_to_lps[:3, 1])
    cosine = abs(float(normal @ of_slices)) / float(np.linalg.norm(of_slices))
    degrees = math.degrees(math.acos(min(cosine, 1.0)))
    if degrees > STEEPEST_DEGREES:
        raise InputError(f"the Plane is tilted by {degrees:.0f} degrees against the axial slices: draw it in an axial view.")


def _whole(markup: _Markup, upright: Grid) -> list[Part]:
    if markup.values.get("insideOut", False) is not False:
        raise InputError('the ROI is inside out: turn "Inside out" off in Slicer, then save it again.')
    centre, halves = markup.point("center"), markup.axes() * (markup.size(3) / 2)
    places = upright.indices_of([centre + halves @ corner for corner in product((-1, 1), repeat=3)])
    lowest, highest = max(places[:, 2].min(), -0.5), min(places[:, 2].max(), upright.shape[0] - 0.5)
    if lowest > highest:
        raise InputError(f"the ROI at {in_words(tuple(centre.tolist()))} lies outside the volume: save the one of this scan.")
    limits = Limits(box=_corners(places, upright))
    places[:, 2] = min(nearest_slices(np.array([(lowest + highest) / 2]))[0], upright.shape[0] - 1)
    prompt = SlicePrompt(_corners(places, upright))
    return [Part(markup.structure, slice_of(prompt, upright), prompt, limits, stands_in=True)]


def _corners(places: np.ndarray, upright: Grid) -> tuple[Point, Point]:
    """Two opposite corners (LPS, mm) of what these i, j, k (N, 3) take up along the volume's axes."""
    first, second = upright.points_at([places.min(axis=0), places.max(axis=0)])
    return first, second


_PARTS = {"Fiducial": _points, "Plane": _rectangle, "ROI": _whole}
