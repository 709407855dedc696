"""Which scans are CT, and how the others are scaled."""

import numpy as np
import pytest

from SAMedCore.errors import InputError
from SAMedCore.image.intensities import intensities_of, is_ct, misfit, percentile_window
from SAMedCore.image.orientation import reorient
from SAMedCore.image.volume import Volume
from SAMedCore.work import Notice, Work

DRAW = np.random.default_rng(0)
FAT_AND_TISSUE = np.concatenate([DRAW.normal(-100, 15, 3000), DRAW.normal(50, 20, 7000)])
MR = np.abs(DRAW.normal(300, 150, 10000))


@pytest.mark.parametrize("padding", [None, np.nan, -1024, -2000, -3024])
@pytest.mark.parametrize("dtype", [np.float32, np.int16])
def test_padding_makes_no_ct_of_an_mr_nor_an_mr_of_a_ct(padding, dtype):
    for values, expected in ((FAT_AND_TISSUE, True), (MR, False)):
        scan = values.astype(dtype)
        if padding is not None:
            scan = np.concatenate([values, np.full(5000, padding)])
            scan = scan.astype(np.float32 if np.isnan(padding) else dtype)
        assert is_ct(scan.reshape(10, 10, -1)) is expected


def test_the_samples(sample_ct):
    assert is_ct(sample_ct.voxels)
    # a kidney and the fat around it: no air
    assert is_ct(np.clip(sample_ct.voxels, -140, None)[80:100, 40:70, 20:60])


def test_nothing_but_padding_is_no_ct():
    assert not is_ct(np.full((2, 3, 4), -1024))
    assert not is_ct(np.full((2, 3, 4), np.nan))


@pytest.mark.parametrize(
    ("values", "modality", "expected"),
    [
        (FAT_AND_TISSUE, None, "ct"),
        (FAT_AND_TISSUE, "CT", "ct"),
        (FAT_AND_TISSUE, "PT", "other"),
        (MR, None, "other"),
        (MR, "MR", "other"),
        (MR, "CT", "ct"),
    ],
)
def test_dicoms_modality_goes_before_the_values(values, modality, expected):
    volume = reorient(Volume(values.reshape(10, 10, 100), np.eye(4), modality), "RAI")
    assert intensities_of(volume) == expected
    assert misfit(volume, expected) is None
    another = "other" if expected == "ct" else "ct"
    assert (modality or "values") in misfit(volume, another)


@pytest.mark.parametrize(("asked", "notices"), [("auto", 0), ("other", 0), ("ct", 1)])
def test_what_a_person_asks_for_is_done_and_pointed_out_where_it_does_not_fit(asked, notices):
    told: list = []
    mr = Volume(MR.reshape(10, 10, 100), np.eye(4), "MR")
    assert intensities_of(mr, asked, Work(told.append)) == ("other" if asked == "auto" else asked)
    assert [type(event) for event in told] == notices * [Notice]


def test_a_large_scan_is_told_by_a_part_of_its_voxels():
    large = np.zeros((3, 300, 300), np.int16)
    large[:, :, :30], large[:, :, 30:60] = -100, -1000
    assert is_ct(large)


def test_percentiles_are_of_what_is_above_0():
    scan = np.concatenate([np.zeros(5000), np.full(100, np.nan), np.full(50, -7), np.arange(1, 1001)])
    assert percentile_window(scan, (0.5, 99.5)) == tuple(np.percentile(np.arange(1, 1001), (0.5, 99.5)))


def test_one_value_alone_still_gives_a_window():
    low, high = percentile_window(np.full((2, 2, 2), 7), (0.5, 99.5))
    assert low == 7 < high


def test_a_scan_without_a_value_above_0_is_refused():
    with pytest.raises(InputError, match="no value above 0"):
        percentile_window(np.zeros((2, 2, 2)), (0.5, 99.5))
