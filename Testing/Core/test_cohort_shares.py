"""How a cluster is shared out between the workers."""

import pytest

from SAMedCore.cohort.shares import Computer, Share, shares
from SAMedCore.errors import InputError

CPU_ONLY = [Computer("a", 8), Computer("b", 4)]
FOUR_GPUS = [Computer("a", 32, 4)]


@pytest.mark.parametrize(
    ("computers", "device", "workers", "expected"),
    [
        (CPU_ONLY, "auto", None, [Share(8, computer="a"), Share(4, computer="b")]),
        ([*CPU_ONLY, Computer("head", 0)], "cpu", None, [Share(8, computer="a"), Share(4, computer="b")]),
        (CPU_ONLY, "auto", 3, [Share(4)] * 3),
        (CPU_ONLY, "auto", 1, [Share(8)]),
        ([Computer("a", 1)], "cpu", 4, [Share(0.25)] * 4),
        (FOUR_GPUS, "auto", None, [Share(1, 1)] * 4),
        (FOUR_GPUS, "cuda", 2, [Share(1, 1)] * 2),
        (FOUR_GPUS, "cuda", 8, [Share(1, 0.5)] * 8),
        (FOUR_GPUS, "cuda", 6, [Share(1, 0.5)] * 6),
        ([Computer("a", 2, 4)], "auto", None, [Share(0, 1)] * 4),
        (FOUR_GPUS, "cpu", None, [Share(32, computer="a")]),
    ],
)
def test_a_worker_has_a_gpu_or_cores(computers, device, workers, expected):
    assert shares(computers, device, workers) == expected


def test_torch_has_as_many_threads_as_cores_and_beside_a_gpu_its_own_number():
    assert [share.threads for share in (Share(4), Share(0.25), Share(1, 1))] == [4, 1, None]


@pytest.mark.parametrize(
    ("computers", "device", "said"), [(CPU_ONLY, "cuda", "no computer"), (FOUR_GPUS, "cuda:1", '"cuda:1"')]
)
def test_a_gpu_that_cannot_be_had_is_refused(computers, device, said):
    with pytest.raises(InputError, match=said):
        shares(computers, device, None)
