"""The extension as Slicer builds it and as the extensions index checks it."""

import json
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PIL import Image

from slicerhost.installation import MODULES_FOLDER, ROOT, installedTree, registeredTests

MODULE = ROOT / "SlicerSAMed"
CORE = ROOT / "SAMedCore"
CMAKE = (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")
ADDRESS = "https://github.com/SlicerSAMed/SlicerSAMed"


@pytest.fixture(scope="module")
def installation(tmp_path_factory) -> Path:
    """The folder that holds the build tree and the installed tree."""
    folder = tmp_path_factory.mktemp("Jürgens extension")
    installedTree(folder)
    return folder


@pytest.fixture
def installed(installation) -> Path:
    return installation / "install" / MODULES_FOLDER


def filesBelow(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    }


def listedInCMake() -> set[str]:
    text = (MODULE / "CMakeLists.txt").read_text(encoding="utf-8")
    for name, value in (("EFFECT_NAME", "SegmentEditorSAMed"), ("MODULE_NAME", "SAMed")):
        text = text.replace(f"${{{name}}}", value)
    blocks = re.findall(r"set\((?:MODULE|EFFECT)_PYTHON_(?:SCRIPTS|RESOURCES)\n(.*?)\n  \)", text, re.DOTALL)
    return {line.strip() for block in blocks for line in block.splitlines()}


def variable(name: str) -> str:
    """A variable of the root CMake file, found as the extensions index finds it."""
    found = re.findall(rf'set\s*\(EXTENSION_{name}\s*"([^"]+)"\s*\)', CMAKE)
    assert len(found) == 1, f"EXTENSION_{name} must be one quoted string"
    return found[0]


def test_every_file_of_the_module_is_listed_and_every_listed_file_exists():
    inTree = filesBelow(MODULE) - {"CMakeLists.txt"}
    assert listedInCMake() == inTree


@pytest.mark.parametrize("tree", ["build", "install"])
def test_the_module_and_the_core_lie_side_by_side(installation, tree):
    expected = filesBelow(MODULE) - {"CMakeLists.txt"} | {f"SAMedCore/{name}" for name in filesBelow(CORE)}
    assert filesBelow(installation / tree / MODULES_FOLDER) == expected


def test_the_module_imports_from_the_installed_tree(installed):
    host = ROOT / "Testing" / "Host"
    code = (
        f"import sys; sys.path[:0] = [{str(installed)!r}, {str(host)!r}]; import slicerhost; slicerhost.boot(); "
        "import SAMed, SAMedCore, SAMedLib; print(*(m.__file__ for m in (SAMed, SAMedCore, SAMedLib)), sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=installed.anchor, check=False)
    assert done.returncode == 0, done.stderr
    assert [Path(line).relative_to(installed).parts[0] for line in done.stdout.splitlines()[-3:]] == [
        "SAMed.py",
        "SAMedCore",
        "SAMedLib",
    ]


def test_ctest_runs_the_self_test_the_generic_test_and_the_unit_tests(installation):
    unitTests = {f"py_{path.stem}" for path in (ROOT / "Testing" / "Slicer").glob("SAMed*Test.py")}
    assert unitTests
    generic = {f"py_nomainwindow_qSlicer{name}ModuleGenericTest" for name in ("SAMed", "SegmentEditorSAMed")}
    assert set(registeredTests(installation)) == {"py_SAMed"} | generic | unitTests


def test_the_index_entry_has_what_the_schema_asks_for():
    raw = (ROOT / "SAMed.json").read_bytes()
    entry = json.loads(raw)
    known = {"$schema", "category", "scm_url", "scm_revision", "scm_type", "build_dependencies", "build_subdirectory", "tier"}
    assert b"\r" not in raw
    assert entry["$schema"].endswith("/Slicer/main/Schemas/slicer-extension-catalog-entry-schema-v1.0.1.json#")
    assert {"$schema", "category", "scm_url"} <= set(entry) <= known
    assert entry["category"] == "Segmentation"
    assert entry["build_dependencies"] == variable("DEPENDS").split() == ["PyTorch"]
    assert entry["tier"] in range(1, 6)


def test_the_category_stands_in_the_index_entry_alone_as_in_slicers_template():
    assert "EXTENSION_CATEGORY" not in CMAKE


def test_the_names_are_those_that_the_index_accepts():
    entry = json.loads((ROOT / "SAMed.json").read_text(encoding="utf-8"))
    address = urlsplit(entry["scm_url"])
    assert re.findall(r"project\s*\(\s*([^\s\)]+)", CMAKE) == ["SAMed"]
    assert address.scheme == "https"
    assert address.path.rsplit("/", 1)[1].removesuffix(".git").startswith("Slicer")
    assert entry["scm_url"].removesuffix(".git") == variable("HOMEPAGE") == ADDRESS
    assert (ROOT / "LICENSE.txt").is_file()


def test_icon_and_screenshots_are_pictures_of_this_repository():
    addresses = [variable("ICONURL"), *variable("SCREENSHOTURLS").split()]
    assert len(addresses) >= 2
    for address in addresses:
        assert address.startswith(f"{ADDRESS}/raw/main/")
        with Image.open(ROOT / address.removeprefix(f"{ADDRESS}/raw/main/")) as picture:
            assert picture.format == "PNG"


@pytest.mark.parametrize("path", ["SlicerSAMed.png", "SlicerSAMed/Resources/Icons/SAMed.png"])
def test_the_icon_has_the_size_that_slicer_asks_for(path):
    with Image.open(ROOT / path) as icon:
        assert (icon.size, icon.mode) == ((128, 128), "RGBA")


def test_a_clone_is_smaller_than_the_index_allows():
    tracked = subprocess.run(["git", "-C", ROOT, "ls-files", "-z"], capture_output=True, text=True, check=True).stdout.split(
        "\0"
    )
    assert sum((ROOT / name).stat().st_size for name in tracked if name and (ROOT / name).is_file()) < 100e6
