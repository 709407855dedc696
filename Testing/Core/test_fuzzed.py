"""What the fuzzers of Tools/fuzz found, each as the shortest input that showed it."""

import json

import pytest

from SAMedCore.errors import InputError
from SAMedCore.files.read import read_labelmap
from SAMedCore.image.labels import SYNAPSE_ORGANS, LabelTable

SEGMENTATION = b"""NRRD0004
type: uint8
dimension: 3
sizes: 2 2 2
encoding: raw
space: left-posterior-superior
space directions: (1,0,0) (0,1,0) (0,0,1)
space origin: (0,0,0)
Segment0_ID:=S0
Segment0_Name:=liver
Segment0_LabelValue:=1
Segment0_Layer:=0
"""
VOXELS = bytes([1, 0, 0, 0, 0, 0, 0, 1])


@pytest.mark.parametrize(
    "rows",
    [
        '[{"value": 1e616, "name": "a"}]',
        '[{"value": 1, "name": "a", "rgb": [1e999, 0, 0]}]',
        '[{"value": 1, "name": "a", "rgb": [256, 0, 0]}]',
        '[{"value": 1.5, "name": "a"}]',
        '[{"value": true, "name": "a"}]',
        '[{"value": 1, "name": ["a"]}]',
        '[{"value": 1, "name": "a", "type": {"SCT": 1, "b": 2, "c": 3}}]',
        '[{"value": 1, "name": "a", "type": ["SCT", 1, null]}]',
        '[{"value": 1, "name": "\\ud800"}]',
        '["value"]',
        '[[["value"]]]',
        json.dumps([*SYNAPSE_ORGANS.to_json(), *SYNAPSE_ORGANS.to_json()]),
    ],
)
def test_a_label_table_that_is_none_is_bad_input(rows):
    with pytest.raises(InputError):
        LabelTable.from_json(json.loads(rows))


@pytest.mark.parametrize(
    "field",
    [b"Segment0_Co\x94\x87r:=0.5 0.1 1\n", b"Segment0_Tags:=\xff|\n", b"Segment\xff:=1\n"],
    ids=["a colour's name", "a tag", "a segment's name"],
)
def test_a_header_field_that_is_no_utf_8_and_of_no_use_is_passed_over(tmp_path, field):
    path = tmp_path / "a.seg.nrrd"
    path.write_bytes(SEGMENTATION + field + b"\n" + VOXELS)
    found = read_labelmap(path)
    assert found.labels.names == ("liver",)
    assert found.voxels.sum() == 2


@pytest.mark.parametrize("field", [b"Segment0_Name:=\xff\n", b"Segment0_LabelValue:=\xd9\xa1\xff\n"], ids=["name", "value"])
def test_a_header_field_that_is_no_utf_8_and_is_needed_is_bad_input(tmp_path, field):
    path = tmp_path / "a.seg.nrrd"
    key = field.split(b":")[0]
    lines = [line for line in SEGMENTATION.splitlines(keepends=True) if not line.startswith(key)]
    path.write_bytes(b"".join(lines) + field + b"\n" + VOXELS)
    with pytest.raises(InputError, match=r"a\.seg\.nrrd"):
        read_labelmap(path)
