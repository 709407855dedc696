"""`samed segment --uncertainty`, end to end with real files."""

import pytest
from cli_files import run, segment

from SAMedCore.cli import main
from SAMedCore.files.read import read_volume
from SAMedCore.image.grid import same_grid

pytestmark = pytest.mark.usefixtures("small_network")


def test_uncertainty_comes_as_a_volume_and_in_words(files, tmp_path, capsys):
    out, unsure = tmp_path / "out.nii.gz", tmp_path / "unsure.nii.gz"
    options = ("--uncertainty", unsure, "--labels", "liver,spleen", "--slices", "1:3")
    result = run(capsys, *segment(files, out, *options))[-1]
    assert (result["segmentation"], result["uncertainty"]) == (str(out), str(unsure))
    assert set(result["doubt"]["labels"]) == {"liver", "spleen"}
    none_below, *doubts, none_above = result["doubt"]["slices"]
    assert (none_below, none_above, len(doubts)) == (None, None, 2)
    volume = read_volume(unsure)
    assert same_grid(volume.grid, read_volume(files.ct).grid)
    assert not volume.voxels[[0, 3]].any()
    assert 0 < volume.voxels[1:3].min() <= volume.voxels.max() <= 1
    assert main([str(argument) for argument in segment(files, out, *options)]) == 0
    _segmentation, _uncertainty, structures, slices = capsys.readouterr().out.splitlines()
    surest_last = sorted(result["doubt"]["labels"], key=lambda name: -result["doubt"]["labels"][name])
    assert [part.split()[0] for part in structures.split(": ")[1].split(", ")] == surest_last
    first, second = sorted((1, 2), key=lambda k: -result["doubt"]["slices"][k])
    assert slices.startswith(f"Least sure of the slices: {first} (")
    assert f", {second} (" in slices
