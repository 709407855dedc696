"""Installing packages: real metadata, real pip and a real second Python, with wheels made here in place of an index."""

import importlib.metadata
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import slicer
from fresh_slicer import NEEDED, makeWheel, mustNotRun

import slicerhost
from SAMedCore.errors import SAMedError
from SAMedLib.setup import install, packages


def test_after_a_yes_everything_is_there_and_slicers_own_packages_are_as_they_were(a_fresh_slicer):
    assert install.install(confirm=a_fresh_slicer.sayYes)
    versions = packages.installedVersions()
    assert packages.missingPackages() == []
    assert set(versions) == NEEDED
    assert importlib.metadata.version("numpy") == "2.4.6"
    assert versions["tqdm"] == "9.0", "the newer one would have changed numpy"
    assert len(a_fresh_slicer.answered) == 1
    assert len(slicerhost.packaging.installed) == 1


def test_after_a_no_nothing_is_installed(a_fresh_slicer):
    assert not install.install(confirm=a_fresh_slicer.sayNo, run=mustNotRun)
    assert len(a_fresh_slicer.answered) == 1
    assert slicerhost.packaging.installed == []
    assert len(packages.missingPackages()) == len(NEEDED)


def test_the_question_is_one_dialog_of_slicers(a_fresh_slicer, monkeypatch):
    monkeypatch.setitem(slicerhost.dialogs.answers, "okcancel", False)
    slicerhost.dialogs.shown.clear()
    assert not install.install(run=mustNotRun)
    ((kind, text),) = slicerhost.dialogs.shown
    assert kind == "okcancel"
    assert all(name in text for name in NEEDED)
    assert "GB" in text
    assert "MB" in text


def test_where_everything_is_installed_nothing_is_asked_of_user_or_network(a_fresh_slicer, monkeypatch):
    install.install(confirm=a_fresh_slicer.sayYes)
    monkeypatch.setattr(install, "hasOwnIndex", mustNotRun)
    monkeypatch.setattr(slicerhost.packaging, "onInstall", mustNotRun)
    assert install.install(confirm=mustNotRun, run=mustNotRun)
    install.requirePackages()


def test_only_what_is_missing_is_installed(a_fresh_slicer):
    subprocess.run(["PythonSlicer", "-m", "pip", "install", "-q", *NEEDED - {"peft", "tqdm"}], check=True)
    assert install.install(confirm=a_fresh_slicer.sayYes, run=mustNotRun)
    assert a_fresh_slicer.answered[0].torch == []
    assert a_fresh_slicer.answered[0].others == ["peft>=0.15", "tqdm>=4.66"]
    assert "torch" not in a_fresh_slicer.answered[0].text.lower()


def test_reinstalling_puts_in_anew_what_is_broken(a_fresh_slicer):
    install.install(confirm=a_fresh_slicer.sayYes)
    site = Path(importlib.metadata.distribution("torch").locate_file(""))
    broken = [next(site.glob(f"{name}-*.dist-info/INSTALLER")) for name in ("torch", "tqdm")]
    for path in broken:
        path.write_text("somebody")
    assert install.install(confirm=a_fresh_slicer.sayYes, reinstall=True)
    assert [path.read_text().strip() for path in broken] == ["pip", "pip"]
    assert importlib.metadata.version("tqdm") == "9.0", "the newer one needs another numpy"
    assert importlib.metadata.version("numpy") == "2.4.6"


@pytest.mark.parametrize(("lost", "named"), [("torch", "torch>=2.4"), ("peft", "peft>=0.15")])
def test_a_failure_is_one_sentence_with_pips_reason_and_nothing_is_claimed(a_fresh_slicer, monkeypatch, tmp_path, lost, named):
    fewer = tmp_path / "fewer wheels"
    fewer.mkdir()
    for wheel in a_fresh_slicer.wheels.iterdir():
        if not wheel.name.startswith(f"{lost}-"):
            (fewer / wheel.name).symlink_to(wheel)
    monkeypatch.setenv("PIP_FIND_LINKS", fewer.as_uri())
    slicerhost.dialogs.shown.clear()
    with pytest.raises(SAMedError) as caught:
        install.install(confirm=a_fresh_slicer.sayYes)
    assert slicerhost.dialogs.shown == [], "whoever catches this shows it: another dialog would be the second"
    assert f"No matching distribution found for {named}" in str(caught.value)
    assert "Check the network connection" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert named in packages.missingPackages()
    with pytest.raises(SAMedError, match=lost):
        install.requirePackages()


def test_while_pip_works_for_another_extension_nothing_is_begun(a_fresh_slicer, monkeypatch):
    def isInProgress(_requirements: list[str]) -> None:
        raise RuntimeError("A non-blocking pip_install is already in progress. Wait for it to complete.")

    monkeypatch.setattr(slicerhost.packaging, "onInstall", isInProgress)
    with pytest.raises(SAMedError, match=r"could not be installed: .*already in progress"):
        install.install(confirm=a_fresh_slicer.sayYes)


LIGHT_THE_TORCH = """
import sys
from pip._internal.cli.main import main
print("light-the-torch in", sys.path[0])
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def the_pytorch_extension(a_fresh_slicer, monkeypatch, tmp_path) -> Callable[[str], None]:
    """Puts light-the-torch, with this source, where pip finds it; the PyTorch extension is installed and no mirror is set."""

    def offer(source: str) -> None:
        folder = tmp_path / "more wheels"
        folder.mkdir()
        makeWheel(folder, "light-the-torch", "0.8.1", files={"light_the_torch/__main__.py": source})
        monkeypatch.setenv("PIP_FIND_LINKS", f"{folder.as_uri()} {os.environ['PIP_FIND_LINKS']}")

    monkeypatch.setattr(slicer.modules, "pytorchutils", object(), raising=False)
    monkeypatch.setattr(install, "hasOwnIndex", lambda: False)
    return offer


def test_torch_comes_through_light_the_torch_which_leaves_nothing_behind(a_fresh_slicer, the_pytorch_extension, capsys):
    the_pytorch_extension(LIGHT_THE_TORCH)
    assert install.install(confirm=a_fresh_slicer.sayYes)
    assert "light-the-torch in" in capsys.readouterr().out
    assert packages.installedVersion("light-the-torch") is None
    assert packages.missingPackages() == []
    assert a_fresh_slicer.answered[0].throughLightTheTorch


@pytest.mark.parametrize("source", ["raise SystemExit(1)", None], ids=["it fails", "it cannot be had"])
def test_pip_takes_over_from_light_the_torch(a_fresh_slicer, the_pytorch_extension, source):
    if source is not None:
        the_pytorch_extension(source)
    assert install.install(confirm=a_fresh_slicer.sayYes)
    assert packages.missingPackages() == []


def test_behind_a_mirror_light_the_torch_is_not_asked(a_fresh_slicer, monkeypatch):
    monkeypatch.setattr(slicer.modules, "pytorchutils", object(), raising=False)
    assert not install.installPlan().throughLightTheTorch


def test_a_mac_with_an_intel_processor_is_told_so_before_anything_is_asked(a_fresh_slicer, monkeypatch):
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(SAMedError, match=r"Intel processor.*Rosetta.*Apple silicon"):
        install.install(confirm=mustNotRun, run=mustNotRun)


def test_an_older_slicer_is_to_be_updated(a_fresh_slicer, monkeypatch):
    monkeypatch.setitem(sys.modules, "slicer.packaging", None)
    with pytest.raises(SAMedError, match=r"needs Slicer 5\.12 or newer.*update Slicer"):
        install.install(confirm=mustNotRun, run=mustNotRun)


def test_nothing_is_installed_while_slicer_tests_itself(a_fresh_slicer, monkeypatch):
    monkeypatch.setattr(slicer.app, "testing", True)
    with pytest.raises(SAMedError, match="testing mode"):
        install.install(confirm=mustNotRun, run=mustNotRun)


@pytest.mark.parametrize(
    ("platform", "hasNvidia", "throughLightTheTorch", "expected"),
    [
        ("linux", True, True, "3.0 GB"),
        ("linux", False, True, "200 MB"),
        ("linux", False, False, "3.0 GB"),
        ("win32", True, True, "3.0 GB"),
        ("win32", True, False, "138 MB"),
        ("darwin", False, True, "150 MB"),
    ],
)
def test_the_size_is_that_of_the_build_that_is_chosen(monkeypatch, platform, hasNvidia, throughLightTheTorch, expected):
    monkeypatch.setattr("shutil.which", lambda program: "nvidia-smi" if hasNvidia else None)
    monkeypatch.setattr(sys, "platform", platform)
    assert f"PyTorch (torch): about {expected}" in install._question(["torch>=2.4"], [], throughLightTheTorch)


def test_none_of_this_imported_torch():
    assert "torch" not in sys.modules
