"""What the rehearsals on a GPU run: base models in their real width, a scan, and a look at the dtypes in them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from SAMedCore.checkpoint.folder import Base, CheckpointInfo
from SAMedCore.image.labels import LabelTable
from SAMedCore.image.volume import LabelMap, Volume
from SAMedCore.model.architectures import ARCHITECTURES
from SAMedCore.model.preprocessing import Preprocessing
from SAMedCore.model.sam import Sam, build_sam

LABELS = LabelTable.generic([1, 2, 4])


def unset_sam(architecture: str, input_size: int | None = None) -> Sam:
    """In real width, a block of windows and a global one (lite: all); its weights are whatever is in memory."""
    with pytest.MonkeyPatch.context() as patch, torch.device("meta"):
        row = ARCHITECTURES[architecture]
        if row.size is not None:
            patch.setitem(ARCHITECTURES, row.name, replace(row, size=replace(row.size, depth=2, global_attn_indexes=(1,))))
        sam = build_sam(architecture, len(LABELS), input_size)
    return sam.to_empty(device="cpu").eval()


def checkpoint_info(architecture: str, **preprocessing) -> CheckpointInfo:
    sizes = (224, ARCHITECTURES[architecture].tuning.input_size)
    return CheckpointInfo(Base("unset", architecture, ""), LABELS, Preprocessing(**{"sizes": sizes, **preprocessing}))


def annotated_scan(slices: int) -> tuple[Volume, LabelMap]:
    """Noise, and on every slice all of `LABELS`."""
    draw = np.random.default_rng(0)
    voxels = draw.normal(50, 150, (slices, 20, 24)).astype(np.float32)
    labels = np.zeros(voxels.shape, np.uint8)
    for column, value in enumerate(LABELS.values):
        labels[:, 4:16, 6 * column + 2 : 6 * column + 7] = value
    return Volume(voxels, np.eye(4)), LabelMap(labels, np.eye(4), LABELS)


@contextmanager
def dtypes_seen(model: nn.Module, *names: str) -> Iterator[dict[str, set[torch.dtype]]]:
    """Inside the block: the dtypes that come out of the modules whose name ends so."""
    seen: dict[str, set[torch.dtype]] = {name: set() for name in names}

    def look(name: str, module: nn.Module, inputs: tuple, output: torch.Tensor | tuple[torch.Tensor, ...]) -> None:
        seen[name].update(tensor.dtype for tensor in (output if isinstance(output, tuple) else (output,)))

    named = [(name, module) for name in names for path, module in model.named_modules() if path.endswith(name)]
    hooks = [module.register_forward_hook(partial(look, name)) for name, module in named]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()
