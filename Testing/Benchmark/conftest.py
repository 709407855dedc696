"""Fixtures of the benchmark: the networks, the real CT, and what measures two ways of the same in turn."""

import statistics
from collections.abc import Callable
from typing import Any

import machine
import networks
import numpy as np
import pytest
import torch
from settings import IS_TINY, ONE_BLOCK, ROUNDS, SLICE_SIZE

from SAMedCore.demo.sample import ORGAN_SLICES
from SAMedCore.image.orientation import reorient
from SAMedCore.image.volume import Volume

if IS_TINY:
    networks.use_one_block()


def pytest_benchmark_update_machine_info(config, machine_info):
    """Replaces what pytest-benchmark would store, the host's name among it."""
    processor = machine_info["cpu"].get("brand_raw", machine_info["processor"])
    machine_info.clear()
    machine_info.update(machine.describe(processor))


@pytest.fixture
def measure(benchmark):
    """Measure `fast`, and `plain` before each time: the machine's speed changes within minutes, and then does so for both."""

    def run(fast: Callable[[], Any], plain: Callable[[], Any] | None = None, **facts) -> None:
        plain_s, products = [], []

        def before():
            if plain is not None:
                plain_s.append(machine.seconds(plain))
            products.append(machine.product_gflops())

        def until_done():
            fast()
            machine.wait_for_gpu()

        for warm_up in (fast, plain or fast):
            warm_up()
        benchmark.pedantic(until_done, setup=before, rounds=ROUNDS)
        benchmark.extra_info.update(plain_s=plain_s, product_gflops=statistics.median(products), **facts)

    return run


@pytest.fixture(scope="session")
def make_ct(sample_ct) -> Callable[..., Volume]:
    """Makes a CT of any size: the sample's slices with organs, their pixels repeated, again and again from the feet."""
    organs = reorient(sample_ct, "LPS").voxels[ORGAN_SLICES.start : ORGAN_SLICES.stop].astype(np.int16)

    def make(slices: int, size: int = SLICE_SIZE) -> Volume:
        rows, columns = (np.arange(size) * given // size for given in organs.shape[1:])
        return Volume(organs[np.arange(slices) % len(organs)][:, rows[:, None], columns], np.diag([0.8, 0.8, 1.5, 1.0]))

    return make


@pytest.fixture(scope="session")
def vit_b_files(tmp_path_factory) -> networks.Files:
    return networks.write_vit_b(tmp_path_factory.mktemp("vit_b"))


@pytest.fixture(scope="session")
def vit_b(vit_b_files) -> networks.Pair:
    return networks.vit_b_pair(vit_b_files)


@pytest.fixture(scope="session")
def lite() -> networks.Pair:
    return networks.lite_pair()


@pytest.fixture(params=["vit_b", "lite"])
def pair(request) -> networks.Pair:
    return request.getfixturevalue(request.param)


@pytest.fixture
def samed() -> tuple[str, ...]:
    """How Python runs `samed`, here with the network of this benchmark."""
    return (ONE_BLOCK, "SAMedCore") if IS_TINY else ("-m", "SAMedCore")


@pytest.fixture
def inference():
    with torch.inference_mode():
        yield
