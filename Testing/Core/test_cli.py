"""The command line: exit codes, one clear line for bad input, nothing left behind."""

import json
import subprocess
import sys

import numpy as np
import pytest
import SimpleITK

from SAMedCore.cli import main


@pytest.fixture
def ct(tmp_path):
    """A small CT file."""
    image = SimpleITK.GetImageFromArray(np.zeros((4, 16, 16), dtype=np.int16))
    SimpleITK.WriteImage(image, tmp_path / "ct.nii.gz")
    return tmp_path / "ct.nii.gz"


def write(path, array, is_vector=False):
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(array, isVector=is_vector), path)
    return path


def no_file(folder):
    return folder / "missing.nii.gz"


def no_image(folder):
    (folder / "text.nii.gz").write_text("not an image")
    return folder / "text.nii.gz"


def colour(folder):
    return write(folder / "colour.nrrd", np.zeros((4, 8, 8, 3), dtype=np.uint8), is_vector=True)


def four_dimensional(folder):
    return write(folder / "4d.nii.gz", np.zeros((2, 4, 8, 8), dtype=np.int16), is_vector=False)


def one_voxel_thick(folder):
    return write(folder / "thin.nii.gz", np.zeros((1, 8, 8), dtype=np.int16))


def with_nan(folder):
    return write(folder / "nan.nii.gz", np.full((4, 8, 8), np.nan, dtype=np.float32))


def empty_file(folder):
    (folder / "empty.nii.gz").touch()
    return folder / "empty.nii.gz"


@pytest.mark.usefixtures("lite_weights")
@pytest.mark.parametrize("make", [no_file, no_image, empty_file, colour, four_dimensional, one_voxel_thick, with_nan])
def test_a_bad_ct_is_refused_in_one_line_that_names_it(make, tmp_path, capsys):
    ct = make(tmp_path)
    before = sorted(tmp_path.iterdir())
    assert main(["segment", str(ct), str(tmp_path / "out.nii.gz"), "--model", "abdomen-demo"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert ct.name in error
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("out", "said"), [("nowhere/out.nii.gz", "nowhere"), ("out.docx", "out.docx"), ("out.dcm", "DICOM"), (".", "ending")]
)
def test_an_impossible_output_is_refused_before_any_work(ct, out, said, capsys):
    target = ct.parent / out
    assert main(["segment", str(ct), str(target), "--model", "no such model"]) == 2
    assert said in capsys.readouterr().err


def test_an_unknown_checkpoint_is_refused(ct, capsys):
    assert main(["segment", str(ct), str(ct.parent / "out.nii.gz"), "--model", "nonsense"]) == 2
    assert "nonsense: no such checkpoint" in capsys.readouterr().err


def test_a_folder_that_is_no_checkpoint_is_refused(ct, capsys):
    assert main(["segment", str(ct), str(ct.parent / "out.nii.gz"), "--model", str(ct.parent)]) == 2
    assert "not a SAMed checkpoint" in capsys.readouterr().err


def test_an_unknown_base_model_is_refused(tmp_path, capsys):
    (tmp_path / "a.pth").touch()
    arguments = ["models", "import", str(tmp_path / "a.pth"), "--base", "vit_x", "--out", str(tmp_path / "out")]
    assert main(arguments) == 2
    assert 'unknown base model "vit_x"' in capsys.readouterr().err


def test_debug_adds_the_traceback(ct, capsys):
    main(["segment", str(ct), str(ct.parent / "out.nii.gz"), "--model", "nonsense", "--debug"])
    assert "Traceback" in capsys.readouterr().err


def test_models_list_names_the_authors_checkpoints(capsys):
    assert main(["models", "list", "--json"]) == 0
    names = [model["name"] for model in json.loads(capsys.readouterr().out)["models"]]
    assert {"lite", "vit_b", "SAMed", "SAMed_s", "SAMed_h", "abdomen-demo"} <= set(names)


@pytest.mark.parametrize(
    "code",
    [
        "import SAMedCore",
        "from SAMedCore import options, work; from SAMedCore.checkpoint import catalogue; from SAMedCore.image import labels",
        "from SAMedCore.service import messages, wire",
        "from SAMedCore.cli import _parser",
    ],
)
def test_light_modules_import_no_torch(code):
    check = f"{code}; import sys; print([name for name in ('torch', 'SimpleITK', 'matplotlib') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True).stdout.strip() == "[]"
