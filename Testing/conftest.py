"""Fixtures that many tests share: the real sample CT and the real LiteMedSAM weights, fetched once into the cache."""

from pathlib import Path

import pytest

from SAMedCore.checkpoint import catalogue
from SAMedCore.demo.sample import fetch_sample
from SAMedCore.image.volume import LabelMap, Volume


@pytest.fixture(scope="session")
def sample() -> tuple[Volume, LabelMap]:
    return fetch_sample()


@pytest.fixture(scope="session")
def sample_ct(sample) -> Volume:
    return sample[0]


@pytest.fixture(scope="session")
def sample_labels(sample) -> LabelMap:
    return sample[1]


@pytest.fixture(scope="session")
def lite_weights() -> Path:
    return catalogue.fetch_base(catalogue.find_base("lite"))
