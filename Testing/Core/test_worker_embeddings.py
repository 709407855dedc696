"""What is encoded is kept within its bound, those used least recently going first."""

import pytest
import torch

from SAMedCore.service import embeddings
from SAMedCore.service.embeddings import Embeddings


def encoded(kilobytes: int = 1) -> torch.Tensor:
    return torch.zeros(1, kilobytes, 16, 16)


@pytest.fixture
def kept(monkeypatch) -> Embeddings:
    """With room for three."""
    monkeypatch.setattr(embeddings, "CPU_BYTES", 3 * encoded().nbytes)
    return Embeddings()


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


def test_a_gpu_has_a_smaller_bound(kept, monkeypatch):
    monkeypatch.setattr(embeddings, "GPU_BYTES", 100)
    kept.of("one")["LPS", 0] = torch.zeros(1, 26, device="meta")
    assert kept.bytes == 0
    kept.of("one")["LPS", 0] = torch.zeros(1, 25, device="meta")
    assert kept.bytes == 100
    assert embeddings.GPU_BYTES < 2**30
