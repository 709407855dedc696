"""What is wrong with the input is said before torch is loaded, which takes many seconds."""

import json
import subprocess
import sys

import numpy as np
import pytest
import SimpleITK

from SAMedCore import __version__
from SAMedCore.cli import main

RUN = """
import sys
from SAMedCore.cli import main
try:
    print("exit code", main())
finally:
    print("torch" in sys.modules)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory, lite_weights):
    """A CT, its labels drawn on three slices, and the folders images and labels with both."""
    folder = tmp_path_factory.mktemp("light")
    ct, labels = np.zeros((6, 16, 16), np.int16), np.zeros((6, 16, 16), np.uint8)
    labels[::2, 4:8, 4:8] = 1
    for kind, voxels in (("images", ct), ("labels", labels)):
        (folder / kind).mkdir()
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(voxels), folder / kind / "a.nii.gz")
    (folder / "a.pth").touch()
    for name, z in (("inside", 1), ("outside", 9)):
        prompts = {"structures": [{"name": "liver", "prompts": [{"points_in": [[1, 2, z]]}]}]}
        (folder / f"{name}.json").write_text(json.dumps(prompts))
    return folder


SEGMENT = "segment images/a.nii.gz out.nii.gz --model"
PROMPT = "prompt images/a.nii.gz inside.json out.nii.gz"
COMPLETE = "complete images/a.nii.gz labels/a.nii.gz out.nii.gz"
FINETUNE = "finetune --images images --labels labels --out new"
REFUSED = {
    f"{SEGMENT} abdomen-dmo": "abdomen-dmo: no such checkpoint",
    f"{SEGMENT} images": "not a SAMed checkpoint",
    f"{SEGMENT} abdomen-demo --base none.pth": "none.pth: no such weights file",
    f"{SEGMENT} abdomen-demo --device gpu": 'unknown device "gpu": choose from auto, cpu',
    f"{SEGMENT} abdomen-demo --labels liver,heart": 'unknown label "heart"',
    f"{SEGMENT} abdomen-demo --slices 3:9": "slices 3:9: the volume has the slices 0:6",
    "segment none.nii.gz out.nii.gz --model abdomen-demo": "none.nii.gz",
    f"{PROMPT} --base vit_x": 'unknown base model "vit_x"',
    f"{PROMPT} --base vit_h": 'run "samed models fetch vit_h"',
    f"{PROMPT} --device gpu": 'unknown device "gpu": choose from auto, cpu',
    f"{PROMPT} --slices 3:9": "slices 3:9: the volume has the slices 0:6",
    "prompt images/a.nii.gz outside.json out.nii.gz": "(1, 2, 9) lies outside the volume",
    "prompt images/a.nii.gz a.pth out.nii.gz": '"a.pth": it is empty, cut off or no JSON',
    "prompt none.nii.gz inside.json out.nii.gz": "none.nii.gz",
    f"{COMPLETE} --base vit_x": 'unknown base model "vit_x"',
    f"{COMPLETE} --base vit_h": 'run "samed models fetch vit_h"',
    f"{COMPLETE} --device gpu": 'unknown device "gpu": choose from auto, cpu',
    f"{COMPLETE} --annotated-slices 0:9:4": "slice 8 is outside",
    "complete none.nii.gz labels/a.nii.gz out.nii.gz": "none.nii.gz",
    f"{FINETUNE} --base vit_x": 'unknown base model "vit_x"',
    f"{FINETUNE} --base vit_h": 'run "samed models fetch vit_h"',
    f"{FINETUNE} --base lite --preset samed": 'the preset "samed" is for 512 pixels',
    f"{FINETUNE} --base lite --device gpu": 'unknown device "gpu": choose from auto, cpu',
    f"{FINETUNE} --base lite --orientation XYZ": 'unknown orientation "XYZ"',
    f"{FINETUNE} --base lite --resume": "nothing can be resumed",
    f"{FINETUNE} --from abdomen-dmo": "abdomen-dmo: no such checkpoint",
    f"{FINETUNE} --from abdomen-demo --base none.pth": "none.pth: no such weights file",
    FINETUNE: "nothing to start from",
    "finetune --dataset images --out new --base lite": '"images" is no dataset',
    "synapse images out": '"images" is not the downloaded dataset',
    "finetune --images none --labels labels --out new --base lite": '"none" is not a folder: give the folder',
    "models info abdomen-dmo": "abdomen-dmo: no such checkpoint",
    "models import a.pth --base vit_x --out new": 'unknown base model "vit_x"',
    "models import none.pth --base lite --out new": "none.pth: no such weights file",
    "models import a.pth --base lite --out new --orientation XYZ": 'unknown orientation "XYZ"',
    "models export abdomen-dmo b.pth": "abdomen-dmo: no such checkpoint",
    "models export abdomen-demo b.pth --base none.pth": "none.pth: no such weights file",
}


def samed(arguments: str, folder) -> tuple[list[str], str]:
    """What a process of its own prints, at the end whether it loaded torch; and its errors."""
    command = [sys.executable, "-c", RUN, *arguments.split()]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.splitlines(), done.stderr


@pytest.mark.parametrize("arguments", REFUSED)
def test_bad_input_is_refused_before_torch_is_loaded(folder, arguments):
    printed, error = samed(arguments, folder)
    assert REFUSED[arguments] in error
    assert error.count("\n") == 1
    assert printed == ["exit code 2", "False"]


def test_what_needs_no_network_loads_no_torch(folder):
    assert samed("models info abdomen-demo --json", folder)[0][-2:] == ["exit code 0", "False"]
    two_slices = f"{COMPLETE} --annotated-slices 0:4:2 --base vit_h --intensities ct"
    assert samed(two_slices, folder)[0][-2:] == ["exit code 0", "False"]


def test_the_version_is_printed(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"samed {__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["--debug"]])
def test_samed_alone_prints_the_help(arguments, capsys):
    assert main(arguments) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("usage: samed")
    assert "segment" in printed.out
    assert printed.err == ""


@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_debug_may_stand_anywhere(place, capsys):
    arguments = ["models", "info", "nowhere"]
    arguments.insert(place, "--debug")
    assert main(arguments) == 2
    assert "Traceback" in capsys.readouterr().err


def test_without_debug_there_is_no_traceback(capsys):
    assert main(["models", "info", "nowhere"]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_debug_before_a_command_leaves_its_result_as_it_is(capsys):
    assert main(["--debug", "models", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["event"] == "result"
