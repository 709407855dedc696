"""Which scans are CT, and how the others are scaled."""

import numpy as np
import pytest

from SAMedCore.errors import InputError
from SAMedCore.image.intensities import is_ct, percentile_window

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


def test_percentiles_are_of_what_is_above_0():
    scan = np.concatenate([np.zeros(5000), np.full(100, np.nan), np.full(50, -7), np.arange(1, 1001)])
    assert percentile_window(scan, (0.5, 99.5)) == tuple(np.percentile(np.arange(1, 1001), (0.5, 99.5)))


def test_one_value_alone_still_gives_a_window():
    low, high = percentile_window(np.full((2, 2, 2), 7), (0.5, 99.5))
    assert low == 7 < high


def test_a_scan_without_a_value_above_0_is_refused():
    with pytest.raises(InputError, match="no value above 0"):
        percentile_window(np.zeros((2, 2, 2)), (0.5, 99.5))
