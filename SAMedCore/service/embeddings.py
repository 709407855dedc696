"""The encoded slices of the open volumes, so that the second answer takes a decoder alone."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

import torch

from SAMedCore.model.embeddings import SliceKey


@dataclass(frozen=True)
class Bounds:
    """How many bytes of encoded slices are kept on a CPU, and on a GPU."""

    cpu: int
    gpu: int

    def on(self, device: torch.device) -> int:
        return self.cpu if device.type == "cpu" else self.gpu


SEGMENTING = Bounds(cpu=2 * 2**30, gpu=2**29)
"""In float32 a slice of a checkpoint on "lite" takes 4 MB, of one on a SAM 1 MB. On a CPU 500 slices and 2,000: a whole CT,
where a small machine has 8 GB. A GPU of 4 GB has to segment beside them: 128 slices and 512."""

PROMPTING = Bounds(cpu=2**30, gpu=2**29)
"""In float16 a slice of "lite" takes 2 MB, of a SAM at its 512 pixels 0.5 MB: 512 slices and 2,048 on a CPU, 256 and 1,024 on a
GPU."""


class Embeddings:
    """Slices encoded by one model, of several volumes; those used least recently make room.

    One thread may forget a volume while another one works with the others.

    Args:
        bounds: how much is kept.

    Attributes:
        bytes: held now; at most what the bounds say of the device that they are on.
    """

    def __init__(self, bounds: Bounds) -> None:
        self.bytes = 0
        self._bounds = bounds
        self._kept: OrderedDict[tuple[str, SliceKey], torch.Tensor] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, handle: str) -> VolumeEmbeddings:
        """Those of one volume, as a `Segmenter` or `PromptSession` takes them."""
        return VolumeEmbeddings(self, handle)

    def room_for(self, nbytes: int, device: torch.device) -> int:
        """How many slices of that size are kept at most."""
        return self._bounds.on(device) // nbytes

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
        limit = self._bounds.on(embedding.device)
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
