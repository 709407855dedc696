"""Segmentations in Slicer are those of `samed segment` on the same CT, voxel for voxel, in every geometry."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import slicer

from SAMedCore.errors import SAMedError
from SAMedCore.files.read import read_labelmap, read_volume
from SAMedCore.image.orientation import orientation_of, reorient
from SAMedCore.image.placement import placed_on
from SAMedCore.image.slices import axial_count, part_of_slices
from SAMedCore.image.volume import LabelMap, Volume
from SAMedLib.sampleData import addVolume
from SAMedLib.scene.reading import readAnnotation
from SAMedLib.scene.volumes import readVolume
from SAMedLib.scene.writing import writeSegmentation

MODEL = "abdomen-demo"
LIVER = 5
REFUSED = ("one slice", "NaN for air")
SAMED_SEGMENT = f"""
import sys
from SAMedCore.cli import main
for ct, out in zip(sys.argv[1::2], sys.argv[2::2]):
    assert main(["segment", ct, out, "--model", "{MODEL}"]) == 0, ct
"""
"""`samed segment` on one file after the other, so that torch is loaded once."""


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("Prüfung von CTs")


@pytest.fixture(scope="session")
def files(folder, thin_cts) -> dict[str, Path]:
    """The volumes of every geometry as Slicer saves them, and a DICOM series; but for those that `samed segment` refuses."""
    paths = {name: folder / f"{name}.nrrd" for name in thin_cts if name not in REFUSED}
    for name, path in paths.items():
        saveVolume(thin_cts[name], path)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[1] / "Core"))
        from written_series import write_series
    stored = (reorient(thin_cts["as it is"], "LPS").voxels + 1024).clip(0, 4000).astype(np.int16)
    return paths | {"series": write_series(folder / "series", stored)}


def saveVolume(volume: Volume, path: Path) -> None:
    node = addVolume(volume, "CT")
    storage = node.CreateDefaultStorageNode()
    storage.SetFileName(str(path))
    assert storage.WriteData(node)
    slicer.mrmlScene.RemoveNode(node)


@pytest.fixture(scope="session")
def expected(files, thin_cts, lite_weights) -> dict[str, LabelMap]:
    """What `samed segment` makes of these files; of those that it refuses what it makes of the one that they come from."""
    outputs = {name: path.with_name(f"{name}.seg.nrrd") for name, path in files.items()}
    arguments = [str(path) for name in files for path in (files[name], outputs[name])]
    subprocess.run([sys.executable, "-c", SAMED_SEGMENT, *arguments], check=True)
    maps = {name: placed_on(read_labelmap(path), read_volume(files[name]).grid) for name, path in outputs.items()}
    return maps | {name: placed_on(maps["as it is"], thin_cts[name].grid) for name in REFUSED}


def assertSame(segmented: LabelMap, expected: LabelMap) -> None:
    """The same structures in the same voxels, however the values are numbered, and at least two of them."""
    masks, others = byName(segmented), byName(expected)
    assert len(masks) >= 2
    assert masks.keys() == others.keys()
    for name, mask in masks.items():
        np.testing.assert_array_equal(mask, others[name], err_msg=name)


def byName(labelmap: LabelMap) -> dict[str, np.ndarray]:
    masks = {label.name: labelmap.voxels == label.value for label in labelmap.labels}
    return {name: mask for name, mask in masks.items() if mask.any()}


def inNode(segmentationNode, volumeNode) -> LabelMap:
    return readAnnotation(segmentationNode, volumeNode).labelmap


def test_a_segmentation_is_that_of_samed_segment_in_memory_and_saved(logic, expected, a_thin_ct, save, reopen):
    """Under a transform only the uppermost slice, which is quicker; the others are empty then."""
    geometry, volumeNode = a_thin_ct
    volume = readVolume(volumeNode)
    wanted, slices = placed_on(expected[geometry], volume.grid), None
    if volumeNode.GetParentTransformNode() is not None:
        slices = (axial_count(volume.grid) - 1,)
        wanted = on(wanted, slices)
    segmentationNode = logic.segment(volumeNode, MODEL, slices=slices)
    assert segmentationNode.GetParentTransformNode() is volumeNode.GetParentTransformNode()
    assertSame(inNode(segmentationNode, volumeNode), wanted)

    assertSame(placed_on(read_labelmap(save(segmentationNode)), volume.grid), wanted)

    name = segmentationNode.GetName()
    reopen()
    volumeNode, segmentationNode = slicer.util.getNode("CT"), slicer.util.getNode(name)
    # Slicer turns a left-handed volume round when it loads it
    turned = reorient(wanted, orientation_of(readVolume(volumeNode).grid))
    assertSame(inNode(segmentationNode, volumeNode), turned)


def on(labelmap: LabelMap, slices: tuple[int, ...]) -> LabelMap:
    """What the label map holds on these slices, counted from the feet, alone."""
    kept = replace(labelmap, voxels=np.zeros_like(labelmap.voxels))
    for k in slices:
        part = part_of_slices(labelmap.grid, "LPS", k, k)
        kept.voxels[part] = labelmap.voxels[part]
    return kept


def test_a_slice_segmented_alone_leaves_the_others_as_they_were_drawn(logic, expected, thin_cts, load, segmentation_node):
    volume = thin_cts["oblique and anisotropic, other order"]
    volumeNode, wanted = load(volume), placed_on(expected["oblique and anisotropic, other order"], volume.grid)
    drawn = replace(wanted, voxels=np.full_like(wanted.voxels, LIVER))
    writeSegmentation(segmentation_node, drawn, volumeNode)
    assert logic.segment(volumeNode, MODEL, segmentation_node, slices=(1,)) is segmentation_node
    both = replace(wanted, voxels=on(drawn, (0,)).voxels + on(wanted, (1,)).voxels)
    assertSame(inNode(segmentation_node, volumeNode), both)


def test_chosen_organs_of_one_slice_are_all_that_a_new_segmentation_holds(logic, expected, thin_cts, load):
    volumeNode = load(thin_cts["as it is"])
    segmentationNode = logic.segment(volumeNode, MODEL, organs=["liver", "spleen"], slices=(0,))
    segmented, wanted = byName(inNode(segmentationNode, volumeNode)), byName(expected["as it is"])
    assert segmented.keys() == {"liver", "spleen"}
    for name, mask in segmented.items():
        np.testing.assert_array_equal(mask[0], wanted[name][0], err_msg=name)
        assert not mask[1].any()


def test_a_folder_of_scans_is_segmented_but_for_the_broken_one_which_is_named(
    logic, expected, files, tmp_path, capsys, an_empty_scene
):
    scans, out = tmp_path / "scans", tmp_path / "out"
    scans.mkdir()
    shutil.copy(files["oblique"], scans / "a scan.nrrd")
    (scans / "broken.nii.gz").write_bytes(b"no image")
    shutil.copytree(files["series"], scans / "series")
    nodes = an_empty_scene.GetNumberOfNodes()
    with pytest.raises(SAMedError, match=r"1 of 3 scans failed \(broken\.nii\.gz\)"):
        logic.segmentFolder(scans, out, MODEL)
    assert "broken: " in capsys.readouterr().out
    assert sorted(path.name for path in out.glob("*.seg.nrrd")) == ["a scan.seg.nrrd", "series.seg.nrrd"]
    assert "broken" in (out / "report.html").read_text(encoding="utf-8")
    (scans / "broken.nii.gz").unlink()
    assert logic.segmentFolder(scans, out, MODEL) == [out / "a scan.seg.nrrd", out / "series.seg.nrrd"]
    for scan, name in (("a scan.nrrd", "oblique"), ("series", "series")):
        written = read_labelmap(out / (Path(scan).stem + ".seg.nrrd"))
        assertSame(placed_on(written, read_volume(scans / scan).grid), expected[name])
    assert an_empty_scene.GetNumberOfNodes() == nodes
