"""How time and memory grow. Without a GPU with a vit_b of one block: what surrounds the network is what grows otherwise."""

import json
import subprocess
import sys
from pathlib import Path

import networks
import pytest
from machine import PeakMemory
from settings import BATCH_SIZES, CLASS_COUNTS, CLASSES, ON_GPU, ROUNDS, SLICE_COUNTS, SLICE_SIZES

from SAMedCore.files.write import write_volume
from SAMedCore.model.architectures import ARCHITECTURES
from SAMedCore.model.preprocessing import Preprocessing
from SAMedCore.model.sam import build_sam

pytestmark = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peak memory is measured on Linux alone")

SEGMENT_FILE = Path(__file__).with_name("segment_file.py")


@pytest.fixture(scope="module", autouse=True)
def network():
    """Without a GPU vit_b has one block."""
    with pytest.MonkeyPatch.context() as patch:
        if not ON_GPU:
            patch.setitem(ARCHITECTURES, "vit_b", networks.ONE_BLOCK)
        yield


@pytest.fixture(scope="module")
def files(network, tmp_path_factory):
    return networks.write_vit_b(tmp_path_factory.mktemp("growth"))


@pytest.fixture
def measure_growth(benchmark):
    def run(segmenter, ct, **options):
        peak = PeakMemory()
        benchmark.pedantic(lambda: segmenter.segment(ct, **options), rounds=ROUNDS, warmup_rounds=1)
        benchmark.extra_info.update(peak.megabytes())

    return run


def segmenter_of(classes: int) -> networks.Segmenter:
    return networks.segmenter(build_sam("vit_b", classes, seed=1), "vit_b", Preprocessing())


@pytest.mark.parametrize("count", SLICE_COUNTS)
def test_slices(benchmark, count, files, make_ct, tmp_path):
    """From file to file, each in a process of its own."""
    ct = make_ct(max(count, 2))  # files with a single slice are refused
    write_volume(ct.voxels, ct.ijk_to_lps, tmp_path / "ct.nii.gz")
    del ct
    arguments = (count, tmp_path / "ct.nii.gz", tmp_path / "organs.nii.gz", files.checkpoint, files.base)

    def segment_file():
        command = [sys.executable, str(SEGMENT_FILE), *map(str, arguments)]
        benchmark.extra_info.update(json.loads(subprocess.run(command, capture_output=True, check=True).stdout))

    benchmark.pedantic(segment_file, rounds=1)


@pytest.mark.parametrize("size", SLICE_SIZES)
def test_slice_size(measure_growth, size, make_ct):
    measure_growth(segmenter_of(CLASSES), make_ct(1, size))


@pytest.mark.parametrize("classes", CLASS_COUNTS)
def test_classes(measure_growth, classes, make_ct):
    measure_growth(segmenter_of(classes), make_ct(1))


@pytest.mark.parametrize("batch", BATCH_SIZES)
def test_batch(measure_growth, batch, make_ct):
    measure_growth(segmenter_of(CLASSES), make_ct(max(BATCH_SIZES)), batch_size=batch)
