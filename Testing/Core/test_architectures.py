"""What a base model is stands in its row, and nowhere else is one asked for by its name."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import SAMedCore
from SAMedCore.checkpoint.catalogue import BASE_MODELS
from SAMedCore.errors import InputError
from SAMedCore.model.architectures import ARCHITECTURES, architecture_of
from SAMedCore.model.sam import build_sam
from SAMedCore.model.weights import detect_architecture

ROOT = Path(SAMedCore.__file__).parents[1]


def test_no_architecture_is_asked_for_by_its_name():
    asked = re.compile(rf"architecture\s*(==|!=)\s|[=!]=\s*\"({'|'.join(ARCHITECTURES)})\"")
    files = [file for folder in ("SAMedCore", "SlicerSAMed") for file in (ROOT / folder).rglob("*.py")]
    assert len(files) > 50
    assert [str(file) for file in files if asked.search(file.read_text(encoding="utf-8"))] == []


def test_rows_and_catalogue_are_read_without_torch():
    program = "import sys; import SAMedCore.checkpoint.catalogue, SAMedCore.checkpoint.folder, SAMedCore.model.architectures"
    subprocess.run([sys.executable, "-c", f"{program}; sys.exit('torch' in sys.modules)"], check=True, cwd=ROOT)


@pytest.mark.parametrize("row", ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_a_row_builds_the_network_that_it_describes(row):
    with torch.device("meta"):
        sam = build_sam(row.name, 3)
    assert sam.input_size == row.tuning.input_size == sam.embedding_size * row.stride
    assert row.prompting.input_size in row.input_sizes


MARKED = {name: row for name, row in ARCHITECTURES.items() if row.mark is not None}


@pytest.mark.parametrize("row", MARKED.values(), ids=MARKED)
def test_weights_are_recognised_by_their_rows_mark(row):
    key, last_axis = row.mark
    assert detect_architecture({key: torch.empty(2, last_axis)}) == row.name
    assert detect_architecture({key: torch.empty(2, last_axis + 1)}) is None


def test_sizes_that_do_not_suit_are_refused():
    for name, size in (("lite", 512), ("vit_b", 500), ("vit_b", 0), ("vit_b", -16)):
        with pytest.raises(InputError, match=f"{name} takes .*, not {size}"):
            architecture_of(name).check_input_size(size)


def test_the_original_format_knows_the_bases_that_their_rows_say():
    assert [base.name for base in BASE_MODELS if base.in_original_format] == ["vit_b", "vit_l", "vit_h"]
    architecture_of("vit_b").check_original()
    with pytest.raises(InputError, match=r'does not know the base "lite": take one of vit_b, vit_l, vit_h'):
        architecture_of("lite").check_original()
