"""Boxes and points from files: markups that 3D Slicer saved, or a small JSON of our own (Docs/prompts.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from SAMedCore.errors import InputError
from SAMedCore.files.json_values import a_list, a_text, an_object, numbers, read_json, shown, within
from SAMedCore.files.markups import parts_of_markups
from SAMedCore.files.prompt_parts import Part, check_count, put_together, slice_of
from SAMedCore.image.grid import Grid
from SAMedCore.image.orientation import turned_grid
from SAMedCore.image.prompts import NO_LIMITS, Limits, Point, SlicePrompt, StructurePrompts
from SAMedCore.image.slices import check_slices

ENDINGS = (".mrk.json", ".json")


def read_prompts(paths: Sequence[Path | str], grid: Grid) -> tuple[StructurePrompts, ...]:
    """What files say about where structures of a volume are.

    Args:
        paths: markups of Slicer's or JSON files of our own, and folders, of which all ``.json`` files are read. What several
            of them say about a structure of one name is taken together.
        grid: the volume's.

    Returns:
        The structures in the order in which they come; of each one prompt a slice, from the feet up.

    Raises:
        InputError: a file is missing or is neither of the two, damaged, in another unit, or says something that is not known;
            a prompt lies outside the volume; a structure has several limits, or on one slice two boxes or nothing but points
            that do not belong.
    """
    upright = turned_grid(grid, "LPS")
    parts: list[Part] = []
    for path in _files(paths):
        with within(f'"{path}"'):
            parts += _parts(read_json(path), _name_of(path), upright)
    return put_together(parts)


def _files(paths: Sequence[Path | str]) -> list[Path]:
    files: list[Path] = []
    for path in map(Path, paths):
        try:
            listed = sorted(path.iterdir()) if path.is_dir() else None
        except OSError as error:
            raise InputError(f'"{path}" cannot be read ({error.strerror or error}): choose another folder.') from error
        if listed is None:
            files.append(path)
            continue
        found = [file for file in listed if file.suffix.lower() == ".json" and not file.name.startswith(".")]
        if not found:
            raise InputError(
                f'"{path}" holds no prompts: save markups from Slicer (.mrk.json) there, or choose another folder.'
            )
        files += found
    return files


def _name_of(path: Path) -> str:
    ending = next((ending for ending in ENDINGS if path.name.lower().endswith(ending)), "")
    return path.name[: len(path.name) - len(ending)]


def _parts(document: Mapping[str, Any], file_name: str, upright: Grid) -> list[Part]:
    if "markups" in document:
        return parts_of_markups(document, file_name, upright)
    if "structures" not in document:
        raise InputError('it has neither "markups", as Slicer writes them, nor "structures": choose a file with prompts.')
    parts: list[Part] = []
    structures = a_list(an_object(document, "it", ("structures",))["structures"], '"structures"')
    for number, each in enumerate(structures, 1):
        with within(f"structure {number}"):
            parts += _parts_of_structure(each, upright)
        check_count(parts)
    if not parts:
        raise InputError('"structures" is empty: name at least one.')
    return parts


def _parts_of_structure(value: Any, upright: Grid) -> list[Part]:
    structure = an_object(value, "it", ("name", "prompts", "limits"))
    name = a_text(structure.get("name"), '"name"')
    prompts = a_list(structure.get("prompts"), '"prompts"')
    if not name or not prompts:
        raise InputError(f"it has no {'prompt' if name else 'name'}: give it one.")
    limits = _limits(structure["limits"], upright) if "limits" in structure else NO_LIMITS
    parts = []
    for number, each in enumerate(prompts, 1):
        with within(f"prompt {number}"):
            prompt = _prompt(each)
            parts.append(Part(name, slice_of(prompt, upright), prompt, limits))
    return parts


def _prompt(value: Any) -> SlicePrompt:
    prompt = an_object(value, "it", ("box", "points_in", "points_out"))
    box = _box(prompt["box"]) if "box" in prompt else None
    return SlicePrompt(box, *(_points(prompt.get(key, []), f'"{key}"') for key in ("points_in", "points_out")))


def _limits(value: Any, upright: Grid) -> Limits:
    limits = an_object(value, '"limits"', ("slices", "box"))
    box = _box(limits["box"]) if "box" in limits else None
    if "slices" not in limits:
        return Limits(box=box)
    first, last = numbers(limits["slices"], 2, '"slices"')
    if not (first.is_integer() and last.is_integer()):
        raise InputError(f'"slices" is {shown(limits["slices"])}: it has to be the first and the last one, both included.')
    checked = Limits((int(first), int(last)), box)
    check_slices(range(int(first), int(last) + 1), upright.shape[0])
    return checked


def _box(value: Any) -> tuple[Point, Point]:
    corners = _points(value, '"box"')
    if len(corners) != 2:
        raise InputError(f'"box" is {shown(value)}: it has to be two opposite corners.')
    return corners[0], corners[1]


def _points(value: Any, what: str) -> tuple[Point, ...]:
    points = []
    for number, each in enumerate(a_list(value, what), 1):
        left, posterior, superior = numbers(each, 3, f"point {number} of {what}")
        points.append((left, posterior, superior))
    return tuple(points)
