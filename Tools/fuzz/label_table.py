"""Fuzz the label tables that checkpoints and messages carry."""

import json

import atheris
from fuzzing import fuzz

with atheris.instrument_imports(include=["SAMedCore"]):
    from SAMedCore.errors import InputError
    from SAMedCore.image.labels import SYNAPSE_ORGANS, LabelTable


def try_one(data: bytes) -> None:
    try:
        rows = json.loads(data)
    except (ValueError, RecursionError):
        return
    try:
        table = LabelTable.from_json(rows)
    except InputError:
        return
    assert LabelTable.from_json(table.to_json()) == table


if __name__ == "__main__":
    rows = SYNAPSE_ORGANS.to_json()
    fuzz("label_table", [json.dumps(rows[:2]).encode(), b'[{"value": 1, "name": "a"}]'], try_one)
