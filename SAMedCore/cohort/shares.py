"""How a computer or a cluster is shared out between the workers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from SAMedCore.errors import InputError


@dataclass(frozen=True)
class Computer:
    """What one computer of a cluster has: its identifier there, CPU cores and GPUs."""

    identifier: str
    cores: float
    gpus: float = 0


@dataclass(frozen=True)
class Share:
    """What one worker is given.

    Attributes:
        cores: reserved for it; parts of one where there are more workers than cores.
        gpus: likewise.
        computer: the identifier of the one that it had best run on; None for any.
    """

    cores: float
    gpus: float = 0
    computer: str | None = None

    @property
    def threads(self) -> int | None:
        """Of torch; None, so that torch decides, beside a GPU."""
        return None if self.gpus else max(1, int(self.cores))


def shares(computers: Sequence[Computer], device: str, workers: int | None) -> list[Share]:
    """A share for each worker: a GPU each where there are any and the device allows it, else cores.

    Args:
        device: as in `ModelOptions`.
        workers: how many; None: one a GPU, without any GPU one a computer with all of its cores.

    Raises:
        InputError: one certain GPU is asked for, which several workers cannot have, or a GPU where there is none.
    """
    kind, colon, _ = device.partition(":")
    if colon:
        raise InputError(f'several workers cannot all have the device "{device}": choose auto, cuda or cpu.')
    gpus, cores = sum(each.gpus for each in computers), sum(each.cores for each in computers)
    if kind == "cuda" and not gpus:
        raise InputError("no computer here has a GPU that Ray knows of: choose auto or cpu as the device.")
    if kind in ("auto", "cuda") and gpus:
        count = workers or int(gpus)
        return [Share(1 if cores >= count else 0, 1 / math.ceil(count / gpus))] * count
    if workers is None:
        return [Share(int(each.cores), computer=each.identifier) for each in computers if each.cores >= 1]
    most = max(each.cores for each in computers)
    each = min(most, cores / workers)
    return [Share(int(each) if each >= 1 else math.floor(1000 * each) / 1000)] * workers
