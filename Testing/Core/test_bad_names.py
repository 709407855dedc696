"""Names of files: too long, in a circle, closed, no UTF-8, or made to steer the terminal; those that only look odd work."""

import codecs
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import refused as trying
from cli_files import Files, segment
from refused import refused

from SAMedCore.cli import main
from SAMedCore.errors import InputError, said_of_the_system

pytestmark = pytest.mark.usefixtures("small_network")

TOO_LONG = "has a name that is too long: shorten it, or that of a folder on the way."
IN_A_CIRCLE = "is a link that leads back to itself: choose the file that is meant."
CLOSED = "may not be opened or changed by you: have its permissions changed, or choose another place."
NOBODY = 65534


def each_place(files: Files, folder: Path, bad: Path) -> dict[str, list]:
    """Commands that take `bad` where they take a name."""
    out, labels = folder / "out.nii.gz", files.folder / "labels"
    model = ["--model", files.checkpoint, "--base", files.base, "--device", "cpu"]
    return {
        "scan": ["segment", bad, out, *model],
        "scans": ["segment", bad.with_suffix(".csv"), folder, *model],
        "output": ["segment", files.ct, bad / "out.nii.gz", *model],
        "probabilities": ["segment", files.ct, out, *model, "--probabilities", bad / "soft.nrrd"],
        "overview": ["segment", files.ct, out, *model, "--overview", bad / "a.png"],
        "checkpoint": ["segment", files.ct, out, "--model", bad],
        "base": ["segment", files.ct, out, "--model", files.checkpoint, "--base", bad, "--device", "cpu"],
        "prompts": ["prompt", files.ct, bad, out, "--base", files.base],
        "answer": ["prompt", files.ct, files.labels, out, "--base", files.base, "--answer", bad],
        "labels": ["complete", files.ct, bad, out, "--base", files.base],
        "images": ["finetune", "--images", bad, "--labels", labels, "--base", files.base, "--out", folder / "new"],
        "dataset": ["finetune", "--dataset", bad, "--base", files.base, "--out", folder / "new"],
        "new checkpoint": [
            "finetune",
            "--images",
            files.folder / "images",
            "--labels",
            labels,
            "--base",
            files.base,
            "--out",
            bad,
        ],
        "predictions": ["evaluate", "--predictions", bad, "--references", labels],
        "scores": ["evaluate", "--predictions", labels, "--references", labels, "--csv", bad / "a.csv"],
        "described": ["models", "info", bad],
        "imported": ["models", "import", bad, "--base", "vit_b", "--out", folder / "new"],
        "raw data": ["synapse", bad, folder / "new"],
    }


PLACES = list(each_place(Files(*[Path()] * 6), Path(), Path("a")))


@pytest.mark.parametrize("place", PLACES)
def test_a_name_that_is_too_long_is_said_to_be(capfd, tmp_path, files, place):
    line = refused(capfd, tmp_path, *each_place(files, tmp_path, tmp_path / ("a" * 300))[place])
    assert TOO_LONG in line or f"{'a' * 300}" in line
    assert "unexpectedly" not in line


@pytest.mark.parametrize("place", PLACES)
def test_a_link_that_leads_to_itself_is_refused(capfd, tmp_path, files, place):
    for name in ("loop", "loop.csv"):
        (tmp_path / name).symlink_to(name)
    line = refused(capfd, tmp_path, *each_place(files, tmp_path, tmp_path / "loop")[place])
    assert "loop" in line
    assert "unexpectedly" not in line


@pytest.fixture
def as_nobody(monkeypatch, tmp_path) -> None:
    """The command runs without the rights of root, for whom nothing is closed, in a folder of its own."""
    tmp_path.chmod(0o777)
    monkeypatch.chdir(tmp_path)
    # Where Python itself lies in a folder of root's, nobody could load it, and Python would remember that there is none.
    codecs.lookup("utf-8-sig")

    @contextmanager
    def dropped() -> Iterator[None]:
        if os.geteuid() != 0:
            yield
            return
        os.seteuid(NOBODY)
        try:
            yield
        finally:
            os.seteuid(0)

    def run(arguments: list[str]) -> int:
        with dropped():
            return main(arguments)

    monkeypatch.setattr(trying, "main", run)


@pytest.fixture
def closed(tmp_path) -> Iterator[Path]:
    """A folder that nobody may enter."""
    folder = tmp_path / "closed"
    folder.mkdir(mode=0)
    yield folder
    folder.chmod(0o700)


@pytest.fixture
def open_files(files, tmp_path_factory) -> Iterator[Files]:
    """The files where everybody may read them, though pytest's folder is closed to others."""
    upwards = [folder for folder in (files.folder, *files.folder.parents) if not folder.stat().st_mode & 0o001]
    modes = [folder.stat().st_mode for folder in upwards]
    for folder in upwards:
        folder.chmod(0o711)
    yield files
    for folder, mode in zip(upwards, modes, strict=True):
        folder.chmod(mode)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.usefixtures("as_nobody")
def test_what_is_closed_is_said_to_be(capfd, tmp_path, open_files, closed, place):
    line = refused(capfd, tmp_path, *each_place(open_files, tmp_path, closed / "a")[place])
    assert "closed" in line
    assert "unexpectedly" not in line


@pytest.mark.parametrize("arguments", [["models", "list"], ["models", "fetch", "lite"], ["demo"]])
@pytest.mark.usefixtures("as_nobody", "open_files")
def test_a_closed_cache_is_said_to_be(capfd, tmp_path, closed, monkeypatch, arguments):
    monkeypatch.setenv("SAMED_CACHE", str(closed / "cache"))
    line = refused(capfd, tmp_path, *arguments)
    assert str(closed) in line
    assert CLOSED in line


def test_the_system_says_the_rest_in_a_traceback_only():
    assert said_of_the_system(OSError(5, "Input/output error", "a")) is None
    assert said_of_the_system(OSError(13, "Permission denied")) is None
    assert str(said_of_the_system(OSError(13, "Permission denied", b"\xff"))) == f'"\udcff" {CLOSED}'
    assert not isinstance(said_of_the_system(OSError(28, "No space left on device")), InputError)


ODD = {
    "an emoji": "🫁🏽 scan",
    "trailing spaces": "scan  ",
    "a leading dash": "-scan",
    "a line break": "a\nb",
    "an escape code": "a\x1b[31mb\x07",
    "from right to left": "a\u202egpj",
    "as long as can be": "a" * (255 - len(".nii.gz")),
    "quotes and signs": "a'b\"c$(d)`e`;f&g|h*?%s%n",
    "decomposed": "Mu\u0308ller",
}


@pytest.mark.parametrize("name", ODD.values(), ids=ODD)
def test_a_name_that_only_looks_odd_works_and_steers_no_terminal(capfd, tmp_path, files, name):
    folder = tmp_path / name[:200]
    folder.mkdir()
    ct, out = folder / f"{name}.nii.gz", folder / f"{name[:200]}.nii.gz.nrrd"
    shutil.copy(files.ct, ct)
    assert main([str(argument) for argument in segment(files, out)]) == 0
    said = capfd.readouterr()
    assert out.is_file()
    assert "\x1b" not in said.out
    assert "\u202e" not in said.out
    request = [*map(str, segment(files, out, "--json"))]
    request[1] = str(ct)
    assert main(request) == 0
    result = json.loads(capfd.readouterr().out.splitlines()[-1])
    assert result["segmentation"] == str(out)


def test_bytes_that_are_no_text_are_shown_as_bytes(capfd, tmp_path, files):
    name = os.fsdecode(b"caf\xe9")
    line = refused(capfd, tmp_path, "models", "info", tmp_path / name)
    assert f"{tmp_path}/caf\\xe9: " in line
    assert main(["models", "info", str(tmp_path / name), "--json"]) == 2
    assert "caf\\xe9: " in json.loads(capfd.readouterr().out)["message"]


def test_prompts_in_a_file_whose_name_is_no_text_need_a_name_of_their_own(capfd, tmp_path, files):
    path = tmp_path / os.fsdecode(b"\xff.mrk.json")
    schema = "https://a/markups-schema-v1.0.3.json#"
    path.write_text(
        json.dumps({"@schema": schema, "markups": [{"type": "Fiducial", "controlPoints": [{"position": [0, 0, 0]}]}]})
    )
    line = refused(capfd, tmp_path, "prompt", files.ct, path, tmp_path / "out.nii.gz", "--base", files.base)
    assert 'its name is "\\udcff": it has to be a readable text' in line
