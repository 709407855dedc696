"""The networks that stay in memory, so that the second request starts at once."""

from __future__ import annotations

import gc
from collections.abc import Hashable
from pathlib import Path

import torch

from SAMedCore.checkpoint.folder import find_folder
from SAMedCore.checkpoint.load import load_promptable
from SAMedCore.devices import choose_device
from SAMedCore.errors import Cancelled
from SAMedCore.model.promptable import Promptable
from SAMedCore.segment import Segmenter, load_model
from SAMedCore.service.job import Job


class Models:
    """The checkpoint and the promptable base model that were used last, each until another one is asked for."""

    def __init__(self) -> None:
        self._segmenter: tuple[Hashable, Segmenter] | None = None
        self._promptable: tuple[Hashable, Promptable] | None = None

    def segmenter(self, job: Job, model: str, base: str | None, device: str, precision: str = "auto") -> Segmenter:
        """The checkpoint, loaded unless its files and the choices are those of the last time. Raises as `load_model`."""
        weights = None if base is None else Path(base)
        key = (_state_of(find_folder(model)), _state_of(weights), choose_device(device), precision)
        if self._segmenter is None or self._segmenter[0] != key:
            self._segmenter = None
            _begin_loading(job)
            self._segmenter = key, load_model(model, device, precision, weights)
            _end_loading(job)
        return self._segmenter[1]

    def promptable(self, job: Job, base: str, device: str) -> Promptable:
        """The base model with its prompts, likewise. Raises as `load_promptable`."""
        key = (base, _state_of(Path(base)), choose_device(device))
        if self._promptable is None or self._promptable[0] != key:
            self._promptable = None
            _begin_loading(job)
            self._promptable = key, load_promptable(base, device)
            _end_loading(job)
        return self._promptable[1]

    def release(self) -> None:
        """Let go of both, and of the GPU's memory."""
        self._segmenter = self._promptable = None
        _free()


def _begin_loading(job: Job) -> None:
    _free()
    job.progress("loading", 0, 1)


def _end_loading(job: Job) -> None:
    job.progress("loading", 1, 1)
    if job.cancelled():
        raise Cancelled


def _free() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _state_of(path: Path | None) -> Hashable:
    """Changes whenever the file, or a file in the folder, does."""
    if path is None or not path.exists():
        return path
    files = [path] if path.is_file() else sorted(path.iterdir())
    states = ((file.name, file.stat().st_mtime_ns, file.stat().st_size) for file in files)
    return path.resolve(), tuple(states)
