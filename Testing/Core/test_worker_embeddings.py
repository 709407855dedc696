"""What is encoded is kept within its bound, those used least recently going first."""

import pytest
import torch

from SAMedCore.model.architectures import ARCHITECTURES
from SAMedCore.model.fast.layers import EMBEDDING_CHANNELS
from SAMedCore.service.embeddings import PROMPTING, SEGMENTING, Bounds, Embeddings


def encoded(kilobytes: int = 1) -> torch.Tensor:
    return torch.zeros(1, kilobytes, 16, 16)


@pytest.fixture
def kept() -> Embeddings:
    """With room for three."""
    return Embeddings(Bounds(cpu=3 * encoded().nbytes, gpu=100))


def test_the_least_recently_used_slice_of_any_volume_makes_room(kept):
    one, two = kept.of("one"), kept.of("two")
    one["LPS", 0], two["LPS", 0], one["LPS", 1] = encoded(), encoded(), encoded()
    assert one.get(("LPS", 0)) is not None
    one["LPS", 2] = encoded()
    assert two.get(("LPS", 0)) is None
    assert all(one.get(("LPS", k)) is not None for k in range(3))
    assert kept.bytes == 3 * encoded().nbytes


def test_no_more_is_held_than_the_bound_whatever_comes(kept):
    for k in range(50):
        kept.of("one")["LPS", k % 7] = encoded(1 + k % 4)
        assert kept.bytes <= 3 * encoded().nbytes
    kept.of("one")["LPS", 99] = encoded(4)
    assert kept.of("one").get(("LPS", 99)) is None


def test_a_slice_that_comes_again_counts_once(kept):
    kept.of("one")["LPS", 0] = encoded()
    kept.of("one")["LPS", 0] = encoded(2)
    assert kept.bytes == encoded(2).nbytes


def test_a_volume_and_everything_can_be_forgotten(kept):
    one, two = kept.of("one"), kept.of("two")
    one["LPS", 0], two["LPS", 0] = encoded(), encoded()
    kept.forget("one")
    assert (one.get(("LPS", 0)), kept.bytes) == (None, encoded().nbytes)
    two.clear()
    assert (two.get(("LPS", 0)), kept.bytes) == (None, 0)


def test_a_gpu_has_a_smaller_bound(kept):
    kept.of("one")["LPS", 0] = torch.zeros(1, 26, device="meta")
    assert kept.bytes == 0
    kept.of("one")["LPS", 0] = torch.zeros(1, 25, device="meta")
    assert kept.bytes == 100
    assert max(SEGMENTING.gpu, PROMPTING.gpu) < 2**30


@pytest.mark.parametrize(("device", "slices"), [("cpu", 3), ("cuda", 1)])
def test_how_many_slices_are_kept_is_known_before(kept, device, slices):
    nbytes = encoded().nbytes if device == "cpu" else 60
    assert kept.room_for(nbytes, torch.device(device)) == slices


@pytest.mark.parametrize(("base", "on_cpu", "on_gpu"), [("lite", 512, 256), ("vit_b", 2048, 1024), ("vit_h", 2048, 1024)])
def test_the_bound_for_prompting_is_as_many_slices_as_it_says(base, on_cpu, on_gpu):
    row = ARCHITECTURES[base]
    nbytes = 2 * EMBEDDING_CHANNELS * (row.prompting.input_size // row.stride) ** 2
    kept = Embeddings(PROMPTING)
    assert kept.room_for(nbytes, torch.device("cpu")) == on_cpu
    assert kept.room_for(nbytes, torch.device("cuda")) == on_gpu
