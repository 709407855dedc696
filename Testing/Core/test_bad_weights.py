"""A base model's weights and the authors' files, mailed by anybody: refused in one line, and nothing of them is run."""

import os
import pickle
import struct
import zipfile
from pathlib import Path

import pytest
import torch
from mailed import copied, evil, filled, first, nothing_ran, set_in, with_json
from refused import refused

from SAMedCore.checkpoint.fetch import sha256_of
from SAMedCore.checkpoint.folder import INFO_FILE

pytestmark = pytest.mark.usefixtures("small_network")


def base_with(change):
    """The base model's weights with something wrong, and a checkpoint that says that it was made on them."""

    def make(files, folder):
        state = torch.load(files.base, weights_only=True)
        change(state)
        torch.save(state, folder / "base.pth")
        checkpoint = copied(files.checkpoint, folder)
        with_json(checkpoint, INFO_FILE, set_in("base", "sha256", sha256_of(folder / "base.pth")))
        return checkpoint, folder / "base.pth"

    return make


def changed(part, change):
    def edit(state):
        state[first(state, part)] = change(state[first(state, part)])

    return edit


BASES = [
    pytest.param(changed("neck.0", filled(float("nan"))), "no number", id="NaN"),
    pytest.param(changed("neck.0", torch.Tensor.char), "as int8 instead of", id="int8"),
    pytest.param(changed("neck.0", torch.Tensor.double), "as float64 instead of", id="float64"),
    pytest.param(changed("neck.0", lambda t: t[:1]), "do not fit the base model", id="another shape"),
    pytest.param(changed("pos_embed", lambda t: t[0, 0, 0]), "do not fit the base model", id="positions of one axis"),
    pytest.param(changed("mask_tokens", lambda t: t[0, 0]), "do not fit the base model", id="mask tokens of no axis"),
    pytest.param(lambda s: s.pop(first(s, "neck.0")), "lacks image_encoder.neck.0", id="a tensor less"),
    pytest.param(
        lambda s: s.update({f"mask_decoder.output_hypernetworks_mlps.{'9' * 5000}.a": torch.ones(1)}),
        "has the unknown mask_decoder.output_hypernetworks_mlps.9999",
        id="a number of 5,000 digits in a name",
    ),
]


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("make", [a_pipe, a_device])
def test_base_weights_that_are_no_file_are_refused(make, files, tmp_path, capfd):
    make(tmp_path / "base.pth")
    segment = ["segment", files.ct, tmp_path / "out.nii.gz", "--model", files.checkpoint, "--base", tmp_path / "base.pth"]
    assert "base.pth: no such weights file" in refused(capfd, tmp_path, *segment)
    importing = ["models", "import", tmp_path / "base.pth", "--base", files.base, "--out", tmp_path / "new"]
    assert "base.pth: no such weights file" in refused(capfd, tmp_path, *importing)


@pytest.mark.parametrize(("change", "said"), BASES)
def test_a_base_model_that_is_none_is_refused(change, said, files, tmp_path, capfd):
    checkpoint, base = base_with(change)(files, tmp_path)
    arguments = ["segment", files.ct, tmp_path / "out.nii.gz", "--model", checkpoint, "--base", base, "--device", "cpu"]
    assert said in refused(capfd, tmp_path, *arguments)


DATA = {"data/0": bytes(24)}


def archive(folder: Path, pickled: bytes, records: dict[str, bytes] | None = None, compression=zipfile.ZIP_STORED) -> Path:
    """A .pth as torch writes it, with this pickle."""
    with zipfile.ZipFile(folder / "made.pth", "w", compression) as written:
        written.writestr("archive/data.pkl", pickled)
        for name, content in (records or {}).items():
            written.writestr(f"archive/{name}", content)
    return folder / "made.pth"


def tensor_pickle(count=6, size=(2, 3), stride=(3, 1), offset=0, key="0") -> bytes:
    """What torch.save writes of {"w_a_000": tensor}."""

    def whole(number: int) -> bytes:
        return b"\x8a\x09" + number.to_bytes(9, "little", signed=True)

    def text(word: str) -> bytes:
        return b"X" + struct.pack("<I", len(word)) + word.encode()

    def several(values) -> bytes:
        return b"(" + b"".join(map(whole, values)) + b"t"

    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text(key) + text("cpu") + whole(count) + b"tQ"
    arguments = b"(" + storage + whole(offset) + several(size) + several(stride) + b"\x89)" + b"t"
    return b"\x80\x02}" + text("w_a_000") + b"ctorch._utils\n_rebuild_tensor_v2\n" + arguments + b"Rs."


def made(**facts):
    return lambda folder: archive(folder, tensor_pickle(**facts), DATA)


def pickled(content: bytes):
    return lambda folder: archive(folder, content, DATA)


def sparse(folder: Path) -> Path:
    """A pickle of three gigabytes, in an archive that is whole."""
    path = archive(folder, b"N" * 100)
    content = bytearray(path.read_bytes())
    for signature, at in ((b"PK\x03\x04", 18), (b"PK\x01\x02", 20)):
        place = content.index(signature) + at
        content[place : place + 8] = struct.pack("<II", 3 * 2**30, 3 * 2**30)
    path.write_bytes(content)
    return path


def many_members(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "made.pth", "w") as written:
        for number in range(20_000):
            written.writestr(f"{'a' * 180}{number}", b"")
    return folder / "made.pth"


def damaged_data(folder: Path) -> Path:
    torch.save({"w_a_000": torch.full((4, 64), 0.125)}, folder / "made.pth")
    content = (folder / "made.pth").read_bytes()
    place = content.index(struct.pack("<f", 0.125))
    (folder / "made.pth").write_bytes(content[:place] + b"\xff" + content[place + 1 :])
    return folder / "made.pth"


def cut_off(folder: Path) -> Path:
    torch.save({"w_a_000": torch.ones(4, 64)}, folder / "whole.pth")
    (folder / "made.pth").write_bytes((folder / "whole.pth").read_bytes()[:-300])
    return folder / "made.pth"


MEMO = b"\x80\x02N" + b"r\xff\xff\xff\x7f" + b"."
"""Kept at place 2,147,483,647 of the memo, which Python's unpickler in C makes room for."""

DOUBLED = b"\x80\x02}" + b")" + b"q\x00" + b"h\x00h\x00\x86q\x00" * 60 + b"Ns."
"""A key of a tuple of two tuples of two tuples, and so on, 60 times: its hash takes for ever."""

FILES = [
    pytest.param(evil, "it asks for '__builtin__.getattr', which is no tensor", id="code"),
    pytest.param(lambda d: evil(d, _use_new_zipfile_serialization=False), "which is no tensor", id="code in an old file"),
    pytest.param(lambda d: evil(d, pickle_protocol=4), "which is no tensor", id="code in a newer pickle"),
    pytest.param(pickled(b"cos\nsystem\n(X\x04\x00\x00\x00true" + b"tR."), "it asks for 'os.system'", id="os.system"),
    pytest.param(pickled(b"(X\x04\x00\x00\x00truei" + b"os\nsystem\n."), "KeyError", id="os.system by an old instruction"),
    pytest.param(pickled(b"\x80\x02ctorch\nFloatStorage\n)\x81."), "KeyError", id="an object of its own"),
    pytest.param(pickled(b"\x80\x02NX\x01\x00\x00\x00a}sb."), "UnpicklingError", id="a dictionary with attributes"),
    pytest.param(pickled(DOUBLED), "UnpicklingError", id="a key without end"),
    pytest.param(
        pickled(MEMO),
        "a dictionary of tensors is expected",
        id="the memo's last place",
    ),
    pytest.param(pickled(b""), "EOFError", id="an empty pickle"),
    pytest.param(made(size=(2, 2**40)), "impossible shape", id="a shape without end"),
    pytest.param(made(size=(2**20, 2**20), stride=(0, 0)), "larger than its data", id="a million times a million, one number"),
    pytest.param(made(offset=4), "larger than its data", id="beyond its data"),
    pytest.param(made(offset=-4), "impossible shape", id="before its data"),
    pytest.param(made(stride=(-3, 1)), "impossible shape", id="backwards"),
    pytest.param(made(count=2**40), "not as large as it says", id="a terabyte"),
    pytest.param(made(key="../../../etc/passwd"), "KeyError", id="data by a path"),
    pytest.param(made(size=(1,) * 100, stride=(1,) * 100), "impossible shape", id="a hundred axes"),
    pytest.param(
        lambda d: archive(d, tensor_pickle(), {"data/0": bytes(24)}, zipfile.ZIP_DEFLATED), "compressed", id="compressed"
    ),
    pytest.param(
        lambda d: archive(d, tensor_pickle(), {"data/0": bytes(24), "byteorder": b"big"}), "order of bytes", id="big end"
    ),
    pytest.param(sparse, "made.pth: not a weights file that can be read safely", id="a pickle of 3 GB"),
    pytest.param(lambda d: archive(d, b"N" * 5 * 2**20), "longer than 4 MB", id="a pickle of 5 MB"),
    pytest.param(many_members, "longer than 4 MB", id="twenty thousand members"),
    pytest.param(damaged_data, "check sums are not right", id="a bit turned"),
    pytest.param(cut_off, "cut off, damaged", id="cut off"),
    pytest.param(lambda d: archive(d, pickle.dumps([1, 2], 2)), "a dictionary of tensors is expected", id="a list"),
    pytest.param(lambda d: archive(d, pickle.dumps({1: 2}, 2)), "a dictionary of tensors is expected", id="numbers"),
]


@pytest.mark.parametrize(("make", "said"), FILES)
def test_an_authors_file_that_is_none_is_refused_and_runs_nothing(make, said, files, tmp_path, capfd):
    file = make(tmp_path)
    line = refused(capfd, tmp_path, "models", "import", file, "--base", files.base, "--out", tmp_path / "new")
    assert said in line
    assert file.name in line
    assert nothing_ran(tmp_path)


def test_a_base_model_with_code_in_it_runs_nothing(files, tmp_path, capfd):
    data = ["--images", files.ct.parent, "--labels", files.labels.parent]
    line = refused(capfd, tmp_path, "finetune", *data, "--base", evil(tmp_path), "--out", tmp_path / "new")
    assert "evil.pth: not a weights file that can be read safely: it asks for" in line
    assert nothing_ran(tmp_path)
