"""Encoded slices that are kept, so that no slice is encoded twice."""

from __future__ import annotations

from typing import Protocol

import torch

SliceKey = tuple[str, int]
"""A slice of a volume: the code of an orientation, and the slice's number along k in it."""


class Embeddings(Protocol):
    """The encoded slices of one volume by one model, kept from one call to the next.

    A dictionary is one; `service.embeddings` has one that is bounded. They are (1, 256, E, E) on the model's device.
    """

    def get(self, key: SliceKey, /) -> torch.Tensor | None: ...

    def __setitem__(self, key: SliceKey, embedding: torch.Tensor, /) -> None: ...

    def clear(self) -> None: ...
