from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from SAMedCore.draw.boxplot import box_plot
from SAMedCore.draw.losscurve import loss_curve
from SAMedCore.draw.overview import overview
from SAMedCore.draw.planes import richest_index, spread_slices
from SAMedCore.errors import InputError, SAMedError
from SAMedCore.evaluate.scores import OrganScore, Scores
from SAMedCore.image.labels import SYNAPSE_ORGANS
from SAMedCore.image.orientation import reorient
from SAMedCore.image.volume import LabelMap, Volume

ORIENTATIONS = ["RAS", "SAR", "PIL"]
SPLEEN, GALLBLADDER, LIVER = (SYNAPSE_ORGANS.subset([name]).labels[0] for name in ("spleen", "gallbladder", "liver"))
AXIAL_PART = 0.66
"""The part of the picture's width that the axial slices take; the rest is upright planes and legend."""


@pytest.fixture(scope="module")
def patient() -> tuple[Volume, LabelMap]:
    """An elliptic body in LPS orientation with anisotropic voxels: liver on the right, spleen on the left, at the back."""
    k, j, i = np.indices((30, 40, 60))
    voxels = np.full(k.shape, -1000, np.int16)
    voxels[((j - 20) / 18) ** 2 + ((i - 30) / 28) ** 2 < 1] = 40
    labels = np.zeros(k.shape, np.uint8)
    labels[(abs(k - 14) < 8) & ((j - 18) ** 2 + (i - 15) ** 2 < 80)] = LIVER.value
    labels[(abs(k - 18) < 6) & ((j - 28) ** 2 + (i - 46) ** 2 < 30)] = SPLEEN.value
    ijk_to_lps = np.diag([5.0, 7.0, 9.0, 1.0])
    ijk_to_lps[:3, 3] = -150, -140, 12
    return Volume(voxels, ijk_to_lps, "CT"), LabelMap(labels, ijk_to_lps, SYNAPSE_ORGANS)


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB")).astype(int)


def is_colour(image: np.ndarray, rgb: tuple[int, int, int]) -> np.ndarray:
    return abs(image - rgb).max(axis=-1) <= 3


def axial_part(image: np.ndarray) -> np.ndarray:
    return image[:, : int(AXIAL_PART * image.shape[1])]


def test_the_overview_is_a_picture_for_a_slide_with_the_organs_in_their_colours(patient, tmp_path):
    overview(*patient, tmp_path / "overview.png", title="A patient")
    image = pixels(tmp_path / "overview.png")
    assert image.shape[1] / image.shape[0] == pytest.approx(16 / 9, abs=0.01)
    for label in (LIVER, SPLEEN):
        assert is_colour(axial_part(image), label.rgb).sum() > 300
    assert not is_colour(axial_part(image), GALLBLADDER.rgb).any()
    assert is_colour(image, GALLBLADDER.rgb).sum() > 1000  # named in the legend as not found


def test_the_overview_shows_the_patients_right_on_the_left_and_the_back_below(patient, tmp_path):
    volume, labelmap = patient
    one_slice = slice(15, 16)
    overview(
        replace(volume, voxels=volume.voxels[one_slice]),
        replace(labelmap, voxels=labelmap.voxels[one_slice]),
        tmp_path / "slice.png",
    )
    image = axial_part(pixels(tmp_path / "slice.png"))
    liver, spleen = (np.argwhere(is_colour(image, label.rgb)).mean(axis=0) for label in (LIVER, SPLEEN))
    assert liver[1] < spleen[1]
    assert liver[0] < spleen[0]


def test_a_round_organ_looks_round_whatever_the_voxels_shape(patient, tmp_path):
    volume, labelmap = (replace(image, voxels=image.voxels[15:16]) for image in patient)
    j, i = np.indices(labelmap.voxels.shape[1:])
    disc = ((j - 20) * 7) ** 2 + ((i - 30) * 5) ** 2 < 60**2
    overview(volume, replace(labelmap, voxels=disc[None].astype(np.uint8) * LIVER.value), tmp_path / "disc.png")
    height, width = np.ptp(np.argwhere(is_colour(axial_part(pixels(tmp_path / "disc.png")), LIVER.rgb)), axis=0)
    assert width == pytest.approx(height, rel=0.08)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_every_orientation_gives_the_same_picture(patient, tmp_path, orientation):
    volume, labelmap = patient
    overview(volume, labelmap, tmp_path / "stored.png")
    overview(reorient(volume, orientation), reorient(labelmap, "LAS"), tmp_path / "reoriented.png")
    np.testing.assert_array_equal(pixels(tmp_path / "stored.png"), pixels(tmp_path / "reoriented.png"))


def test_another_scan_than_a_ct_is_shown_from_its_lowest_values_to_its_highest(patient, tmp_path):
    volume, labels = patient
    overview(volume, labels, tmp_path / "ct.png")
    far_beyond_hu = ((volume.voxels.astype(np.int32) + 160) * 40).clip(0, None)
    overview(replace(volume, voxels=far_beyond_hu, modality="MR"), labels, tmp_path / "mr.png")
    assert pixels(tmp_path / "ct.png").max() == pixels(tmp_path / "mr.png").max()
    shown = pixels(tmp_path / "mr.png")
    assert is_colour(shown, (255, 255, 255)).mean() > 0.05


def test_the_reference_is_drawn_beside_the_prediction(patient, tmp_path):
    volume, labelmap = patient
    shifted = replace(labelmap, voxels=np.roll(labelmap.voxels, 4, 1))
    overview(volume, labelmap, tmp_path / "alone.png")
    overview(volume, labelmap, tmp_path / "both.png", reference=shifted)
    changed = (pixels(tmp_path / "alone.png") != pixels(tmp_path / "both.png")).any(axis=-1)
    assert axial_part(changed[..., None]).sum() > 1000


def test_the_real_ct_shows_all_eight_organs(sample_ct, sample_labels, tmp_path):
    overview(sample_ct, sample_labels, tmp_path / "sample.png", title="Sample")
    image = axial_part(pixels(tmp_path / "sample.png"))
    for label in SYNAPSE_ORGANS:
        assert is_colour(image, label.rgb).sum() > 20, label.name


def test_a_volume_without_labels_or_body_still_gives_a_picture(patient, tmp_path):
    volume, labelmap = patient
    overview(
        replace(volume, voxels=np.full_like(volume.voxels, -1000)),
        replace(labelmap, voxels=np.zeros_like(labelmap.voxels)),
        tmp_path / "air.png",
    )
    assert pixels(tmp_path / "air.png").size > 0


def test_a_single_voxel_stays_visible(patient, tmp_path):
    volume, labelmap = patient
    voxels = np.zeros_like(labelmap.voxels)
    voxels[15, 20, 30] = SPLEEN.value
    overview(volume, replace(labelmap, voxels=voxels), tmp_path / "voxel.png")
    assert is_colour(axial_part(pixels(tmp_path / "voxel.png")), SPLEEN.rgb).any()


def test_label_maps_on_another_grid_are_refused(patient, tmp_path):
    volume, labelmap = patient
    with pytest.raises(InputError, match="label map does not lie on the volume's grid"):
        overview(volume, replace(labelmap, ijk_to_lps=np.eye(4)), tmp_path / "overview.png")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "problem"), [("nowhere/a.png", "does not exist"), ("a.docx", "no ending of a picture"), ("a", "no ending")]
)
def test_paths_that_cannot_be_written_are_refused_and_nothing_is_left(patient, tmp_path, path, problem):
    with pytest.raises(InputError, match=problem):
        overview(*patient, tmp_path / path)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_picture(tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    def fill_the_disk(figure: Figure, target: Path, **_: object) -> None:
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    old = tmp_path / "curve.png"
    old.write_bytes(b"old")
    monkeypatch.setattr(Figure, "savefig", fill_the_disk)
    with pytest.raises(SAMedError, match="No space left"):
        loss_curve([{"epoch": 1, "loss": 0.5, "validation_dice": None}], old)
    assert [path.name for path in tmp_path.iterdir()] == ["curve.png"]
    assert old.read_bytes() == b"old"


def test_slices_are_spread_over_the_labelled_range_from_the_head_down():
    labels = np.zeros((100, 2, 2), np.uint8)
    labels[20:50] = 1
    assert spread_slices(labels, 3) == [44, 34, 24]
    assert spread_slices(labels[19:22], 9) == [2, 1]
    assert spread_slices(np.zeros_like(labels), 2) == [74, 24]


def test_upright_planes_lie_where_most_of_every_organ_is_seen():
    labels = np.zeros((5, 9, 5), np.uint8)
    labels[:, 2, :] = 1
    labels[0, 6, 0] = 2
    labels[1, 2:4, 1] = 3
    assert richest_index(labels, 1) == 2
    assert richest_index(np.zeros_like(labels), 1) == 4


@pytest.mark.parametrize("protocol", ["standard", "paper"])
@pytest.mark.parametrize("cases", [1, 5])
def test_box_plots_show_every_organ(tmp_path, protocol, cases):
    rows = tuple(
        OrganScore(f"case {case}", name, 10, 10, 0.9 - case / 10, hd95_mm=float("nan"), hd95_voxels=case)
        for case in range(cases)
        for name in SYNAPSE_ORGANS.names
    )
    box_plot(Scores(rows, protocol), tmp_path / "all.png", title="Scores")
    box_plot(Scores(rows[:1], protocol), tmp_path / "one.png")
    assert pixels(tmp_path / "all.png").shape[0] > pixels(tmp_path / "one.png").shape[0]


def test_a_box_plot_of_nothing_is_refused(tmp_path):
    with pytest.raises(InputError, match="no scores"):
        box_plot(Scores(()), tmp_path / "box.png")


def test_the_loss_curve_draws_validation_only_where_it_was_measured(tmp_path):
    history = [{"epoch": epoch, "loss": 1 / epoch, "validation_dice": None} for epoch in range(1, 9)]
    loss_curve(history, tmp_path / "loss.png")
    loss_curve([*history, {"epoch": 9, "loss": 0.1, "validation_dice": 0.8}], tmp_path / "both.png", title="Training")
    loss, both = (is_colour(pixels(tmp_path / name), (196, 86, 27)).sum() for name in ("loss.png", "both.png"))
    assert loss == 0
    assert both > 100


def test_a_loss_curve_of_nothing_is_refused(tmp_path):
    with pytest.raises(InputError, match="history is empty"):
        loss_curve([], tmp_path / "loss.png")
