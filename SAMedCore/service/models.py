"""The networks that stay in memory, so that the second request starts at once."""

from __future__ import annotations

import gc
from collections.abc import Hashable
from pathlib import Path

import torch

from SAMedCore.checkpoint.folder import find_folder
from SAMedCore.checkpoint.load import load_promptable
from SAMedCore.devices import choose_device
from SAMedCore.model.promptable import Promptable
from SAMedCore.options import ModelOptions
from SAMedCore.segment import Segmenter, load_segmenter
from SAMedCore.service.embeddings import Embeddings
from SAMedCore.work import Work


class Models:
    """The checkpoint and the promptable base model that were used last, each until another one is asked for.

    Attributes:
        embeddings: what that checkpoint has encoded; gone when another one is loaded.
    """

    def __init__(self) -> None:
        self.embeddings = Embeddings()
        self._segmenter: tuple[Hashable, Segmenter] | None = None
        self._promptable: tuple[Hashable, Promptable] | None = None

    def segmenter(self, options: ModelOptions, work: Work) -> Segmenter:
        """The checkpoint, loaded unless its files and the choices are those of the last time. Raises as `load_model`."""
        folder = find_folder(options.checkpoint)
        key = (_state_of(folder), _state_of(options.weights), choose_device(options.device), options.precision)
        if self._segmenter is None or self._segmenter[0] != key:
            self._segmenter = None
            self.embeddings.clear()
            _free()
            work.step("loading", 0, 1)
            self._segmenter = key, load_segmenter(options)
            work.step("loading", 1, 1)
        return self._segmenter[1]

    def promptable(self, base: str, device: str, work: Work) -> Promptable:
        """The base model with its prompts, likewise. Raises as `load_promptable`."""
        key = (base, _state_of(Path(base)), choose_device(device))
        if self._promptable is None or self._promptable[0] != key:
            self._promptable = None
            _free()
            work.step("loading", 0, 1)
            self._promptable = key, load_promptable(base, device)
            work.step("loading", 1, 1)
        return self._promptable[1]

    def release(self) -> None:
        """Let go of both, of what was encoded, and of the GPU's memory."""
        self._segmenter = self._promptable = None
        self.embeddings.clear()
        _free()


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
