"""`Slicer --no-main-window --python-script`: no widget, no event loop; here with blanks and foreign letters in all paths."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from SAMedCore.checkpoint import catalogue
from SAMedCore.files.read import read_labelmap
from SAMedCore.files.write import write_volume

ROOT = Path(__file__).parents[2]
AS_SLICER_STARTS = f"""
import runpy, sys
sys.path[:0] = {[str(ROOT / "SlicerSAMed"), str(ROOT / "Testing" / "Host")]!r}
import slicerhost
slicerhost.boot()
import SAMed, slicer
SAMed.SAMed(slicer.qSlicerScriptedLoadableModule("SAMed", SAMed.__file__))
runpy.run_path(sys.argv[1])
"""
SCRIPT = """
import sys
import SAMed
import slicer

_script, ct, checkpoint, out = sys.argv[1:]
volumeNode = slicer.modules.volumes.logic().AddArchetypeVolume(ct, "Bauch")
logic = SAMed.SAMedLogic()
segmentationNode = logic.segment(volumeNode, checkpoint, slices=(1,))
storageNode = segmentationNode.CreateDefaultStorageNode()
storageNode.SetFileName(out)
assert storageNode.WriteData(segmentationNode)
print("temporary files in", slicer.app.temporaryPath)
print("worker", *logic.worker.pids)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("Ärztin Müller 東京")


@pytest.fixture(scope="module")
def said(folder, thin_cts, lite_weights) -> list[str]:
    """The lines that the script printed; it segments a slice and saves the result."""
    temporary, ct, checkpoint, script = folder / "Temporäres", folder / "Bauch CT.nrrd", folder / "mein Modell", folder / "s.py"
    temporary.mkdir()
    volume = thin_cts["as it is"]
    write_volume(volume.voxels, volume.ijk_to_lps, ct)
    shutil.copytree(catalogue.find_checkpoint("abdomen-demo").folder, checkpoint)
    script.write_text(SCRIPT, encoding="utf-8")
    command = [sys.executable, "-c", AS_SLICER_STARTS, script, ct, checkpoint, folder / "out.seg.nrrd"]
    done = subprocess.run(
        command,
        capture_output=True,
        encoding="utf-8",
        env=os.environ | {"TMPDIR": str(temporary), "PYTHONIOENCODING": "utf-8"},
        cwd=folder,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout.splitlines()


def test_a_script_sees_how_far_it_is(said):
    assert "Bauch: Loading the model" in said
    assert "Bauch: Segmenting" in said


def test_a_script_saves_what_it_segmented(said, folder):
    labelmap = read_labelmap(folder / "out.seg.nrrd")
    assert "liver" in labelmap.labels.names
    assert len(set(labelmap.voxels.ravel().tolist())) > 2


def test_the_workers_files_were_in_the_temporary_folder_and_are_gone(said, folder):
    line = next(line for line in said if line.startswith("temporary files in"))
    assert str(folder / "Temporäres") in line
    assert list((folder / "Temporäres").iterdir()) == []


def test_no_process_is_left_when_the_script_has_ended(said):
    pids = next(line for line in said if line.startswith("worker")).split()[1:]
    assert pids
    for pid in pids:
        assert not Path("/proc", pid).exists()
