"""The two environments that users have, each made once, used by many tests and removed at the end."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from environments import ROOT, SHIPPED, UserPython, build_wheel, copy_core, fresh_environment, pinned

from SAMedCore.files.write import write_labelmap, write_volume
from SAMedCore.image.labels import SYNAPSE_ORGANS
from SAMedCore.image.volume import LabelMap, Volume

SLICES = slice(80, 84)
"""Of the sample, in which all of the eight organs lie."""


@pytest.fixture(scope="session")
def a_user(tmp_path_factory, lite_weights) -> Iterator[UserPython]:
    """Who followed the README: the wheel with the extra `evaluation` in a fresh virtual environment."""
    folder = tmp_path_factory.mktemp("user")
    user = fresh_environment(folder / "venv", folder / "Schreibtisch für CT")
    user.install(f"samedcore[evaluation] @ {build_wheel(folder).as_uri()}")
    yield user
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def a_slicer_user(tmp_path_factory, lite_weights) -> Iterator[UserPython]:
    """Slicer 5.12's Python after Install: its own pinned packages, our requirements, and SAMedCore found on the path alone."""
    folder = tmp_path_factory.mktemp("slicer")
    core = copy_core(folder / "qt-scripted-modules")
    slicer = fresh_environment(folder / "python", folder / "desk", {"PYTHONPATH": str(core)})
    slicer.install(*pinned(SHIPPED))
    # As the panel's Install has it: what Slicer ships stays.
    slicer.install(*pinned(ROOT / "SlicerSAMed/Resources/requirements.txt"), "--constraint", SHIPPED)
    yield slicer
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def scan(sample) -> tuple[Volume, LabelMap]:
    """Four slices of the sample with their labels."""
    volume, labels = sample
    matrix = volume.ijk_to_lps.copy()
    matrix[:3, 3] += SLICES.start * matrix[:3, 2]
    return Volume(volume.voxels[SLICES], matrix), LabelMap(labels.voxels[SLICES], matrix, SYNAPSE_ORGANS)


@pytest.fixture(scope="session")
def scan_files(tmp_path_factory, scan) -> tuple[Path, Path]:
    """The CT in a folder of images, its labels in a folder of labels, both under the same name."""
    folder = tmp_path_factory.mktemp("scan")
    ct, labels = folder / "images" / "one.nii.gz", folder / "labels" / "one.seg.nrrd"
    for path in (ct, labels):
        path.parent.mkdir()
    write_volume(scan[0].voxels, scan[0].ijk_to_lps, ct)
    write_labelmap(scan[1], labels)
    return ct, labels


@pytest.fixture(scope="session")
def outcome_of():
    """The last event of a command that was run with --json."""
    return lambda said: json.loads(said.splitlines()[-1])
