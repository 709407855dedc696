"""Slices that went through the frozen encoder once, so that the decoder can be trained without it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from SAMedCore.train.processes import ALONE, Processes
from SAMedCore.train.slices import SliceDataset
from SAMedCore.work import SILENT, Work


@dataclass(frozen=True, eq=False)
class EmbeddingDataset:
    """Encoded versions of slices; ``items[pass, index]`` goes through the versions again and again.

    Attributes:
        embeddings: (versions, n, 256, E, E), or features before the encoder's last stage (versions, n, ...), float16.
        low_res_labels: (versions, n, L, L) int16, `IGNORE` where not annotated.
    """

    embeddings: Tensor
    low_res_labels: Tensor

    def __len__(self) -> int:
        return self.embeddings.shape[1]

    def __getitem__(self, pass_and_index: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """(256, E, E) or (...) float32, and (L, L) int64."""
        pass_number, index = pass_and_index
        version = pass_number % len(self.embeddings)
        return self.embeddings[version, index].float(), self.low_res_labels[version, index].long()


@torch.no_grad()
def encode_slices(
    encode: Callable[[Tensor], Tensor],
    dataset: SliceDataset,
    versions: int,
    device: torch.device,
    seconds: float | None = None,
    work: Work = SILENT,
    processes: Processes = ALONE,
) -> EmbeddingDataset:
    """Encode every slice `versions` times, each time augmented anew (once where the dataset does not augment).

    Args:
        encode: images (B, S, S) to image_embedding (B, 256, E, E) or such features, both on the device.
        seconds: no version is begun that would not be done within this time, so that there are fewer than `versions`; the
            first one is encoded whatever it takes. None for any time.
        processes: that share the work; each gets all that they encoded.

    Raises:
        Cancelled: the work was.
    """
    count, began_s = len(dataset), time.monotonic()
    keys = [(version, index) for version in range(versions) for index in range(count)]
    embeddings, labels = [], []
    # On a CPU larger batches are slower: one slice's activations still fit its cache.
    batch_size = 8 if device.type == "cuda" else 1
    at_once = batch_size * processes.count
    for start in range(0, len(keys), at_once):
        processes.stop_if_cancelled(work)
        if seconds is not None and start >= count:
            end_of_version = count * (start // count + 1)
            if processes.any((time.monotonic() - began_s) * end_of_version / start > seconds):
                break
        some = keys[start : start + at_once]
        images, low_res_labels = zip(*(dataset[key] for key in processes.equal_share(some)), strict=True)
        embeddings.append(processes.joined(encode(torch.stack(images).to(device)).half(), len(some)).cpu())
        labels.append(processes.joined(torch.stack(low_res_labels), len(some)).to("cpu", torch.int16))
        processes.steady(work).step("encoding", start + len(some), len(keys))
    whole = sum(map(len, embeddings)) // count
    kept = (torch.cat(each)[: whole * count].unflatten(0, (whole, count)) for each in (embeddings, labels))
    return EmbeddingDataset(*kept)
