"""A checkpoint's folder and its `samed.json`, mailed by anybody: refused in one line, or read as what it is."""

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from mailed import copied, deep, set_in, with_json, without
from refused import in_a_process, refused

from SAMedCore.checkpoint import exchange
from SAMedCore.checkpoint.folder import ADAPTER_FILE, INFO_FILE, read_info
from SAMedCore.cli import main
from SAMedCore.errors import SAMedError
from SAMedCore.image.labels import LabelTable
from SAMedCore.service.events import Error
from SAMedCore.service.messages import Describe

pytestmark = pytest.mark.usefixtures("small_network")

RANDOM = random.Random(0).randbytes(200)
LABEL = {"value": 1, "name": "spleen"}


def labels(**facts):
    return set_in("labels", [{**LABEL, **facts}])


def by_percentiles(*percentiles):
    def edit(row):
        row["preprocessing"].pop("window_hu")
        row["preprocessing"]["percentiles"] = percentiles

    return edit


MANY_LABELS = [{"value": n + 1, "name": f"n{n}"} for n in range(10_000)]

INFO = [
    pytest.param(b"", "damaged: it is empty, cut off or no JSON", id="empty"),
    pytest.param(RANDOM, "no JSON", id="random bytes"),
    pytest.param("[]", "holds [], not a JSON object", id="a list"),
    pytest.param('{"format_version": 1}', "damaged: it has no base", id="nothing but a version"),
    pytest.param(b" " * (17 * 2**20), "larger than 16 MB", id="17 MB"),
    pytest.param("[" * 100_000, "no JSON", id="100,000 deep"),
    pytest.param('{"a":' * 5_000 + "1" + "}" * 5_000, "no JSON", id="objects 5,000 deep"),
    pytest.param(f'{{"format_version": {"9" * 5000}}}', "no JSON", id="a number of 5,000 digits"),
    pytest.param(f'{{"format_version": {"9" * 4000}}}', "newer SAMed (format 9999", id="a version of 4,000 digits"),
    pytest.param(set_in("format_version", "1"), 'format_version is "1"', id="version as text"),
    pytest.param(set_in("format_version", True), "format_version is true", id="version true"),
    pytest.param(set_in("format_version", 0), "format_version is 0", id="version 0"),
    pytest.param(set_in("format_version", 3), "newer SAMed (format 3): update", id="newer format"),
    pytest.param(without("format_version"), "format_version is null", id="no version"),
    pytest.param(without("metrics"), "it has no metrics", id="no metrics"),
    pytest.param(set_in("recipe", deep(40)), "recipe has lists or objects more than 16 deep", id="recipe 40 deep"),
    pytest.param(set_in("recipe", deep(900)), "deep", id="recipe 900 deep"),
    pytest.param(set_in("recipe", []), "recipe is []", id="recipe a list"),
    pytest.param(set_in("metrics", {"loss": 10**400}), "metrics has a number that is too large", id="metric of 400 digits"),
    pytest.param(set_in("metrics", {"validation_dice": "high"}), 'validation_dice is "high"', id="Dice as text"),
    pytest.param(set_in("metrics", {"before_after": {"names": 3}}), "before and after cannot be read", id="comparison"),
    pytest.param(set_in("description", 3), "description is 3", id="description a number"),
    pytest.param(set_in("description", "\x1b[2J all gone"), "cannot be shown ('\\x1b[2J all gone')", id="ANSI escape"),
    pytest.param(set_in("description", "a" * 20_000), "too long or cannot be shown", id="description of 20,000"),
    pytest.param(set_in("versions", {"torch\u202e": "2"}), "versions has a text", id="direction turned in a key"),
    pytest.param(set_in("base", "lite"), 'base is "lite"', id="base a text"),
    pytest.param(set_in("base", "name", None), "base model's name is null", id="base without a name"),
    pytest.param(set_in("base", "name", "hf:../../etc/passwd"), "no name of the Hugging Face Hub", id="base a path on the Hub"),
    pytest.param(set_in("base", "name", "hf:a/b; rm -rf ~"), "no name of the Hugging Face Hub", id="base with a command"),
    pytest.param(set_in("base", "architecture", "os.system"), "unknown architecture 'os.system'", id="unknown architecture"),
    pytest.param(set_in("base", "architecture", []), "architecture is []", id="architecture a list"),
    pytest.param(set_in("base", "sha256", "../" * 21 + "a"), "64 hexadecimal digits", id="SHA-256 a path"),
    pytest.param(set_in("base", "revision", "main"), 'base has "revision"', id="base with more"),
    pytest.param(set_in("labels", None), "labels is null", id="labels null"),
    pytest.param(set_in("labels", []), "0 labels are given: a network can learn 1 to 255", id="no labels"),
    pytest.param(
        set_in("labels", [{"value": n + 1, "name": f"n{n}"} for n in range(10_000)]),
        "10000 labels",
        id="10,000 labels",
    ),
    pytest.param(set_in("labels", [LABEL, LABEL]), "gives the value 1 twice", id="a label twice"),
    pytest.param(labels(value=0), "has the value 0", id="label 0"),
    pytest.param(labels(value=70_000), "has the value 70000", id="label 70,000"),
    pytest.param(labels(value=1.5), "a whole number as value", id="label 1.5"),
    pytest.param(labels(value=10**30), "too large", id="label of 30 digits"),
    pytest.param(labels(name=None), "and a name", id="label without a name"),
    pytest.param(labels(name=" "), "has no name", id="label with a blank name"),
    pytest.param(labels(name="liver\x00"), "cannot be shown", id="name with a zero"),
    pytest.param(labels(name="liver\nspleen"), "cannot be shown ('liver\\nspleen')", id="name on two lines"),
    pytest.param(labels(name="\x9b31mliver"), "cannot be shown", id="name with an escape of one byte"),
    pytest.param(labels(name="\u2066revil\u2069"), "cannot be shown", id="name turned round"),
    pytest.param(labels(name="\ud800"), "cannot be shown", id="name with half a surrogate pair"),
    pytest.param(labels(name="a" * 300), "too long", id="name of 300"),
    pytest.param(labels(rgb=[1, 2]), "has no colour", id="colour of two"),
    pytest.param(labels(rgb=[0, 0, 256]), "has no colour", id="colour 256"),
    pytest.param(labels(rgb="red"), "has no colour", id="colour as text"),
    pytest.param(labels(type=["SCT", "1"]), "has no code", id="code of two"),
    pytest.param(labels(type=["SCT", "1~SCT^2^Evil", "x"]), "has a code", id="code that brings another"),
    pytest.param(labels(modifier=["SCT", "1", "a\x1bb"]), "cannot be shown", id="code with an escape"),
    pytest.param(set_in("preprocessing", "window_hu", [-125, float("inf")]), "Infinity is no number", id="window endless"),
    pytest.param(set_in("preprocessing", "window_hu", [275, -125]), "HU window 275..-125 is no window", id="window reversed"),
    pytest.param(set_in("preprocessing", "window_hu", [0, 1e-300]), "is no window", id="window of no width"),
    pytest.param(set_in("preprocessing", "window_hu", [-1e8, 1e8]), "is no window", id="window of everything"),
    pytest.param(set_in("preprocessing", "window_hu", [0]), "2 finite numbers", id="window of one"),
    pytest.param(by_percentiles(0, 400), "not a range within 0..100", id="percentile 400"),
    pytest.param(set_in("preprocessing", "percentiles", [0, 99]), 'has "window_hu", which is not known', id="both windows"),
    pytest.param(set_in("preprocessing", "sizes", [100_000]), "sizes 100000 are too large", id="size 100,000"),
    pytest.param(set_in("preprocessing", "sizes", [224] * 1000), "too many", id="1,000 sizes"),
    pytest.param(set_in("preprocessing", "sizes", [224, 4080]), "takes a multiple of 16 pixels, 2048", id="input of 4,080"),
    pytest.param(set_in("preprocessing", "sizes", [224, 511]), "takes a multiple of 16 pixels", id="input of 511"),
    pytest.param(set_in("preprocessing", "sizes", [0]), "not positive", id="size 0"),
    pytest.param(set_in("preprocessing", "sizes", [True]), "whole numbers", id="size true"),
    pytest.param(set_in("preprocessing", "orientation", "XYZ"), 'unknown orientation "XYZ"', id="no orientation"),
    pytest.param(set_in("preprocessing", "orientation", 3), "has to have an orientation", id="orientation 3"),
    pytest.param(set_in("preprocessing", "padded", "no"), "true or false", id="padded no"),
]


@pytest.mark.parametrize(("edit", "said"), INFO)
def test_a_samed_json_that_is_not_sound_is_refused(edit, said, files, tmp_path, capfd):
    checkpoint = with_json(copied(files.checkpoint, tmp_path), INFO_FILE, edit)
    line = refused(capfd, tmp_path, "models", "info", checkpoint)
    assert said in line
    assert "mailed" in line
    assert len(line) < 500


def no_adapter(folder: Path) -> None:
    (folder / "adapter_model.safetensors").unlink()


def only_a_pickle(folder: Path) -> None:
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")


def in_place_of(name: str, make: Callable[[Path], object]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (folder / name).unlink()
        make(folder / name)

    return damage


def zeros(path: Path) -> None:
    path.symlink_to("/dev/zero")


def a_gigabyte(folder: Path) -> None:
    with (folder / INFO_FILE).open("r+b") as file:
        file.truncate(2**30)


EXPECTED = "a folder with samed.json and adapter_model.safetensors is expected"

FOLDERS = [
    pytest.param(no_adapter, EXPECTED, id="no adapter"),
    pytest.param(only_a_pickle, EXPECTED, id="a pickle in its place"),
    *(pytest.param(in_place_of(name, os.mkfifo), EXPECTED, id=f"{name} a pipe") for name in (INFO_FILE, ADAPTER_FILE)),
    *(pytest.param(in_place_of(name, zeros), EXPECTED, id=f"{name} /dev/zero") for name in (INFO_FILE, ADAPTER_FILE)),
    *(pytest.param(in_place_of(name, Path.mkdir), EXPECTED, id=f"{name} a folder") for name in (INFO_FILE, ADAPTER_FILE)),
    pytest.param(a_gigabyte, "larger than 16 MB", id="samed.json of a gigabyte"),
]


@pytest.mark.parametrize(("damage", "said"), FOLDERS)
def test_a_folder_that_is_no_checkpoint_is_refused(damage, said, files, tmp_path, capfd, monkeypatch):
    checkpoint = copied(files.checkpoint, tmp_path)
    damage(checkpoint)
    monkeypatch.setattr("refused.snapshot", lambda folder: {})  # a gigabyte's digest takes long, and a pipe has none
    assert said in refused(capfd, tmp_path, "models", "info", checkpoint)


@pytest.mark.parametrize("command", ["segment", "finetune"])
def test_every_command_refuses_it_likewise(command, files, tmp_path, capfd):
    checkpoint = with_json(copied(files.checkpoint, tmp_path), INFO_FILE, set_in("labels", []))
    data = ["--images", files.ct.parent, "--labels", files.labels.parent]
    arguments = {
        "segment": [files.ct, tmp_path / "out.nii.gz", "--model", checkpoint, "--base", files.base],
        "finetune": [*data, "--from", checkpoint, "--base", files.base, "--out", tmp_path / "new"],
    }
    assert "0 labels are given" in refused(capfd, tmp_path, command, *arguments[command])


def test_the_worker_refuses_it_likewise(files, worker, tmp_path):
    for number, edit in enumerate((set_in("labels", []), "[" * 100_000, labels(name="\x1b[2J"), labels(value=10**30))):
        (tmp_path / str(number)).mkdir()
        checkpoint = with_json(copied(files.checkpoint, tmp_path / str(number)), INFO_FILE, edit)
        (answer,) = worker.ask(Describe(str(checkpoint)))
        assert isinstance(answer, Error)
        assert answer.kind == "input"
        assert "samed.json: damaged" in answer.message


@pytest.mark.skipif(os.name == "nt", reason="Windows has no RLIMIT_AS")
def test_a_hundred_megabytes_of_brackets_take_no_memory(files, tmp_path):
    checkpoint = with_json(copied(files.checkpoint, tmp_path), INFO_FILE, b"[" * 100_000_000)
    assert "larger than 16 MB" in in_a_process(tmp_path, "models", "info", checkpoint, memory_bytes=2**29)


UNUSUAL = [
    pytest.param("right kidney / upper pole", id="slash"),
    pytest.param("../../etc/passwd", id="a path, which no name becomes"),
    pytest.param("L4\\L5", id="backslash"),
    pytest.param("Leber (größter Lappen)", id="German"),
    pytest.param("肝臓\u3000右葉", id="Japanese, with its own space"),
    pytest.param("کبد\u200cچپ", id="Persian, with its joiner"),
    pytest.param("<b>liver</b> & 'spleen'", id="HTML"),
]


@pytest.mark.parametrize("name", UNUSUAL)
def test_an_unusual_name_is_read_as_it_is(name, files, tmp_path):
    checkpoint = with_json(copied(files.checkpoint, tmp_path), INFO_FILE, set_in("labels", 0, "name", name))
    assert read_info(checkpoint).labels.names[0] == name


def test_thousands_of_labels_of_a_label_map_are_read():
    table = LabelTable.generic(range(1, 2_001))
    assert LabelTable.from_json(table.to_json()) == table


def test_what_a_checkpoint_says_beside_is_kept_whatever_it_is(files, tmp_path, capfd):
    more = {"doi": "10.1000/1", "hours": 3.5, "stages": [{"a": [1, None]}]}
    checkpoint = with_json(copied(files.checkpoint, tmp_path), INFO_FILE, set_in("recipe", more))
    assert main(["models", "info", str(checkpoint)]) == 0
    assert json.loads(capfd.readouterr().out)["recipe"] == more
    shutil.rmtree(checkpoint)


COMMIT = "0" * 40
SIZES = {name: {"size": 10, "sha256": None} for name in (INFO_FILE, ADAPTER_FILE, "adapter_config.json")}
LISTINGS = [
    pytest.param({"commit": "../../x\x1b[2J"}, "does not say which commit it is", id="no commit"),
    pytest.param({"files": {**SIZES, ADAPTER_FILE: {"size": 10 * 2**30, "sha256": None}}}, "has 10 GB, which no", id="10 GB"),
    pytest.param({"files": {"../../evil.pth": {"size": 1, "sha256": None}}}, "no weights file", id="a path"),
    pytest.param({"files": {"..\\evil.pth": {"size": 1, "sha256": None}}}, "no weights file", id="a path of Windows"),
    pytest.param({"files": {"a\x1b.pth": {"size": 1, "sha256": None}}}, "no weights file", id="a name with an escape"),
]


@pytest.mark.parametrize(("row", "said"), LISTINGS)
def test_what_the_hub_says_of_a_repository_is_checked_before_anything_is_fetched(row, said, tmp_path, monkeypatch):
    asked = []

    def answer(name, arguments, scratch, watch) -> None:
        asked.append(arguments[0])
        Path(arguments[3]).write_text(json.dumps({"commit": COMMIT, "licence": "mit", "files": SIZES, **row}))

    monkeypatch.setenv("SAMED_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(exchange, "_run", answer)
    with pytest.raises(SAMedError, match=said):
        exchange.fetch_model("hf:someone/mailed")
    assert asked == ["list"]
    assert [path.name for path in tmp_path.rglob("*")] == ["cache", "hub"]
