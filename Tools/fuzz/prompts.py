"""Fuzz the files with prompts: Slicer's markups and our own JSON."""

import json
import tempfile
from pathlib import Path

import atheris
import numpy as np
from fuzzing import IN_MEMORY, fuzz

with atheris.instrument_imports(include=["SAMedCore"]):
    from SAMedCore.errors import InputError
    from SAMedCore.files.prompts import read_prompts
    from SAMedCore.image.grid import Grid

GRID = Grid((40, 60, 80), np.diag([-1.0, 1.0, 2.0, 1.0]))
SCHEMA = "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/Schema/markups-schema-v1.0.3.json#"
BOX = [[-10, 20, 30], [-30, 50, 30]]
OWN = {"structures": [{"name": "a", "prompts": [{"box": BOX, "points_in": [[-12, 22, 30]], "points_out": [[-1, 2, 30]]}]}]}
LIMITED = {
    "structures": [{"name": "a", "prompts": [{"box": BOX}], "limits": {"slices": [3, 20], "box": [[0, 0, 0], [-9, 9, 9]]}}]
}


def markups(kind: str, **more: object) -> dict:
    point = {"position": [-12, 22, 30], "label": "- a", "description": "b", "positionStatus": "defined"}
    inside = {"position": [-13, 22, 30], "label": "F-1"}
    markup = {"type": kind, "coordinateSystem": "LPS", "coordinateUnits": "mm", "controlPoints": [point, inside], **more}
    return {"@schema": SCHEMA, "markups": [markup]}


PLACED = {"center": [-20, 30, 40], "orientation": [-1, 0, 0, 0, -1, 0, 0, 0, 1], "size": [10, 20, 12]}
SEEDS = [
    OWN,
    LIMITED,
    markups("Fiducial"),
    markups("ROI", insideOut=False, **PLACED),
    markups("Plane", planeBounds=[-5, 5, -6, 6], **PLACED),
]


def try_one(data: bytes) -> None:
    PATH.write_bytes(data)
    try:
        structures = read_prompts([PATH], GRID)
    except InputError as error:
        check_sentence(str(error))
        return
    for structure in structures:
        assert structure.prompts


def check_sentence(said: str) -> None:
    assert "\n" not in said, said
    assert len(said) < 700, said
    said.encode()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        PATH = Path(folder) / "a.mrk.json"
        fuzz("prompts", [json.dumps(seed).encode() for seed in SEEDS], try_one)
