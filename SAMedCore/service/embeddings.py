"""The encoded slices of the open volumes, so that the second answer takes a decoder alone."""

from __future__ import annotations

import threading
from collections import OrderedDict

import torch

from SAMedCore.model.embeddings import SliceKey

CPU_BYTES = 2 * 2**30
"""500 slices of the base model "lite" at 4 MB each, 2,000 of a SAM's at 1 MB: a whole CT, where a small machine has 8 GB."""

GPU_BYTES = 2**29
"""A GPU of 4 GB has to segment beside them: 128 slices of "lite", 512 of a SAM's."""


class Embeddings:
    """Slices encoded by one model, of several volumes; those used least recently make room.

    One thread may forget a volume while another one works with the others.

    Attributes:
        bytes: held now; at most `CPU_BYTES` or `GPU_BYTES`, as the device is that they are on.
    """

    def __init__(self) -> None:
        self.bytes = 0
        self._kept: OrderedDict[tuple[str, SliceKey], torch.Tensor] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, handle: str) -> VolumeEmbeddings:
        """Those of one volume, as a `Segmenter` takes them."""
        return VolumeEmbeddings(self, handle)

    def forget(self, handle: str) -> None:
        """Let go of one volume's."""
        with self._lock:
            for key in [key for key in self._kept if key[0] == handle]:
                self._drop(key)

    def clear(self) -> None:
        """Let go of all."""
        with self._lock:
            self._kept.clear()
            self.bytes = 0

    def get(self, key: tuple[str, SliceKey]) -> torch.Tensor | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def keep(self, key: tuple[str, SliceKey], embedding: torch.Tensor) -> None:
        limit = CPU_BYTES if embedding.device.type == "cpu" else GPU_BYTES
        with self._lock:
            if key in self._kept:
                self._drop(key)
            while self._kept and self.bytes + embedding.nbytes > limit:
                self._drop(next(iter(self._kept)))
            if embedding.nbytes <= limit:
                self._kept[key] = embedding
                self.bytes += embedding.nbytes

    def _drop(self, key: tuple[str, SliceKey]) -> None:
        self.bytes -= self._kept.pop(key).nbytes


class VolumeEmbeddings:
    """One volume's part of `Embeddings`; a `model.embeddings.Embeddings`."""

    def __init__(self, all_volumes: Embeddings, handle: str) -> None:
        self._all, self._handle = all_volumes, handle

    def get(self, key: SliceKey, /) -> torch.Tensor | None:
        return self._all.get((self._handle, key))

    def __setitem__(self, key: SliceKey, embedding: torch.Tensor, /) -> None:
        self._all.keep((self._handle, key), embedding)

    def clear(self) -> None:
        """Of all volumes: it is room that is wanted."""
        self._all.clear()
