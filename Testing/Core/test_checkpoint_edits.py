"""Whatever is changed in a sound checkpoint's files, they are read or refused in one line: hypothesis chooses what."""

import copy
import io
import json
import struct
import zipfile
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from SAMedCore.checkpoint.adapter import ADAPTER_FILE, CONFIG_FILE, read_settings
from SAMedCore.checkpoint.catalogue import DEMO_FOLDER
from SAMedCore.checkpoint.folder import INFO_FILE, read_info
from SAMedCore.errors import InputError
from SAMedCore.image.texts import is_readable
from SAMedCore.model.fitting import no_weights, wrong_kind
from SAMedCore.model.sam import build_sam
from SAMedCore.model.torch_files import read_torch_file
from SAMedCore.model.weights import read_safetensors

MANY = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
ODD = st.sampled_from([None, True, -1, 0, 1, 10**30, 1e308, float("inf"), "", "\x1b[2J", "\ud800", "\u202e", "a" * 300, [], {}])
JSON = st.recursive(
    ODD | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def edited(draw, sound):
    """The JSON value with one entry, however deep, changed, taken away or doubled."""
    value = copy.deepcopy(sound)
    at = value
    while True:
        key = draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
        if not at[key] or not isinstance(at[key], dict | list) or draw(st.integers(0, 3)) == 0:
            break
        at = at[key]
    what = draw(st.sampled_from(["change", "take away", "double"]))
    if what == "take away":
        del at[key]
    elif what == "double" and isinstance(at, list):
        at.append(at[key])
    else:
        at[key] = draw(JSON)
    return value


def read_or_refused(read) -> None:
    said = ""
    try:
        read()
    except InputError as error:
        said = str(error)
    assert is_readable(said)


INFO, CONFIG = (json.loads((DEMO_FOLDER / name).read_text()) for name in (INFO_FILE, CONFIG_FILE))


@pytest.fixture(scope="module")
def sam():
    with torch.device("meta"):
        return build_sam("lite", len(INFO["labels"]))


@MANY
@given(row=edited(INFO))
def test_an_edited_samed_json_is_read_or_refused(row, tmp_path):
    (tmp_path / INFO_FILE).write_text(json.dumps(row))
    (tmp_path / ADAPTER_FILE).touch()
    read_or_refused(lambda: json.dumps(read_info(tmp_path).to_json(), allow_nan=False).encode())


@MANY
@given(row=edited(CONFIG))
def test_an_edited_configuration_is_read_or_refused(row, sam, tmp_path):
    (tmp_path / CONFIG_FILE).write_text(json.dumps(row))
    read_or_refused(lambda: read_settings(tmp_path, sam))


WANTED = {"prompt": torch.zeros(2, 3), "decoder": torch.zeros(2, dtype=torch.float16)}
SAFE = save(WANTED)
(HEADER_LENGTH,) = struct.unpack("<Q", SAFE[:8])
HEADER = json.loads(SAFE[8 : 8 + HEADER_LENGTH])


def check_safetensors(content: bytes, folder: Path) -> None:
    (folder / "file.safetensors").write_bytes(content)

    def read():
        tensors = read_safetensors(folder / "file.safetensors", WANTED)
        assert (
            wrong_kind(tensors, WANTED)
            or no_weights(tensors)
            or {key: t.shape for key, t in tensors.items()} == {key: t.shape for key, t in WANTED.items()}
        )

    read_or_refused(read)


@MANY
@given(header=edited(HEADER))
def test_an_edited_header_is_read_or_refused(header, tmp_path):
    written = json.dumps(header).encode()
    check_safetensors(struct.pack("<Q", len(written)) + written + SAFE[8 + HEADER_LENGTH :], tmp_path)


def torch_file() -> bytes:
    written = io.BytesIO()
    torch.save({"prompt": torch.arange(6.0).reshape(2, 3), "more": [1, 2.5, "text", None, {"a": (1, 2)}]}, written)
    return written.getvalue()


TORCH_FILE = torch_file()


def turned(content: bytes, changes: list[tuple[int, int]]) -> bytes:
    changed = bytearray(content)
    for place, byte in changes:
        changed[place % len(content)] = byte
    return bytes(changed)


CHANGES = st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4)


@MANY
@given(changes=CHANGES)
def test_turned_bytes_are_read_or_refused(changes, tmp_path):
    check_safetensors(turned(SAFE, changes), tmp_path)
    (tmp_path / "file.pth").write_bytes(turned(TORCH_FILE, changes))
    read_or_refused(lambda: read_torch_file(tmp_path / "file.pth"))


@MANY
@given(changes=CHANGES)
def test_a_pickle_with_turned_bytes_is_read_or_refused(changes, tmp_path):
    with zipfile.ZipFile(io.BytesIO(TORCH_FILE)) as sound, zipfile.ZipFile(tmp_path / "file.pth", "w") as written:
        for name in sound.namelist():
            content = sound.read(name)
            written.writestr(name, turned(content, changes) if name.endswith("data.pkl") else content)
    read_or_refused(lambda: read_torch_file(tmp_path / "file.pth", check_sums=True))


@given(length=st.integers(0, len(TORCH_FILE) - 1))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_file_that_is_cut_off_is_refused(length, tmp_path):
    (tmp_path / "file.pth").write_bytes(TORCH_FILE[:length])
    with pytest.raises(InputError):
        read_torch_file(tmp_path / "file.pth")


@pytest.mark.parametrize("old", [False, True], ids=["archive", "before torch 1.6"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.uint8])
def test_what_torch_saved_is_read_as_torch_reads_it(old, dtype, tmp_path):
    """Transposed, shared, empty and of no axis; a module's state with its versions, and a parameter."""
    whole = torch.arange(24).to(dtype)
    layer = torch.nn.Linear(3, 2)
    tensors = [whole.reshape(4, 6).T, whole[3:9], whole.reshape(2, 12)[:, ::2], whole[:0].reshape(0, 5), whole[5], layer.weight]
    contents = {"state": layer.state_dict(), **{f"t{number}": tensor for number, tensor in enumerate(tensors)}}
    torch.save(contents, tmp_path / "file.pth", _use_new_zipfile_serialization=not old)
    read = read_torch_file(tmp_path / "file.pth", check_sums=True)
    assert read.keys() == contents.keys()
    for number, tensor in enumerate(tensors):
        assert read[f"t{number}"].dtype == tensor.dtype
        assert torch.equal(read[f"t{number}"], tensor)
    assert all(torch.equal(tensor, layer.state_dict()[key]) for key, tensor in read["state"].items())
