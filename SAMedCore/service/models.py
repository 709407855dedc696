"""The networks that stay in memory, so that the second request starts at once."""

from __future__ import annotations

import gc
from collections.abc import Callable, Hashable
from dataclasses import replace
from pathlib import Path
from typing import Generic, TypeVar

import torch

from SAMedCore.checkpoint.folder import find_folder
from SAMedCore.checkpoint.load import load_promptable
from SAMedCore.devices import choose_device
from SAMedCore.image.intensities import intensities_of
from SAMedCore.image.volume import Volume
from SAMedCore.model.promptable import Promptable
from SAMedCore.options import ModelOptions, PromptOptions
from SAMedCore.prompt.session import PromptSession, open_session
from SAMedCore.segment import Segmenter, load_segmenter
from SAMedCore.service.embeddings import PROMPTING, SEGMENTING, Bounds, Embeddings
from SAMedCore.work import Work

Model = TypeVar("Model")


class Models:
    """The checkpoint and the promptable base model that were used last, each until another one is asked for."""

    def __init__(self) -> None:
        self._segmenter: _Loaded[Segmenter] = _Loaded(SEGMENTING)
        self._promptable: _Loaded[Promptable] = _Loaded(PROMPTING)
        self._sessions: dict[str, tuple[str, Promptable, PromptSession]] = {}

    @property
    def embeddings(self) -> Embeddings:
        """What the checkpoint has encoded; gone when another one is loaded."""
        return self._segmenter.embeddings

    @property
    def prompt_embeddings(self) -> Embeddings:
        """What the base model has encoded for prompting, likewise."""
        return self._promptable.embeddings

    def segmenter(self, options: ModelOptions, work: Work) -> Segmenter:
        """The checkpoint, loaded unless its files and the choices are those of the last time. Raises as `load_model`."""
        folder = find_folder(options.checkpoint)
        key = (_state_of(folder), _state_of(options.weights), choose_device(options.device), options.precision)
        return self._segmenter.get(key, lambda: load_segmenter(options), work)

    def promptable(self, base: str, device: str, work: Work) -> Promptable:
        """The base model with its prompts, likewise. Raises as `load_promptable`."""
        key = (base, _state_of(Path(base)), choose_device(device))
        if not self._promptable.is_for(key):
            self._sessions.clear()
        return self._promptable.get(key, lambda: load_promptable(base, device), work)

    def session(self, handle: str, volume: Volume, options: PromptOptions, work: Work) -> PromptSession:
        """Of an open volume, the same one until model or intensities are others.

        Args:
            work: told each time where the intensities that were asked for do not fit.

        Raises:
            InputError, Cancelled: as `promptable` and `open_session`.
        """
        intensities = intensities_of(volume, options.intensities, work)
        model = self.promptable(options.base, options.device, work)
        kept = self._sessions.get(handle)
        if kept is not None and kept[:2] == (intensities, model):
            return kept[2]
        self.prompt_embeddings.forget(handle)
        session = open_session(volume, replace(options, intensities=intensities), model, self.prompt_embeddings.of(handle))
        self._sessions[handle] = intensities, model, session
        return session

    def forget(self, handle: str) -> None:
        """The volume is closed."""
        self._sessions.pop(handle, None)
        self.embeddings.forget(handle)
        self.prompt_embeddings.forget(handle)

    def release(self) -> None:
        """Let go of both, of what was encoded, and of the GPU's memory."""
        self._sessions.clear()
        self._segmenter.clear()
        self._promptable.clear()
        _free()


class _Loaded(Generic[Model]):
    """One model, and what it has encoded.

    Args:
        bounds: how much of that is kept.
    """

    def __init__(self, bounds: Bounds) -> None:
        self.embeddings = Embeddings(bounds)
        self._kept: tuple[Hashable, Model] | None = None

    def is_for(self, key: Hashable) -> bool:
        return self._kept is not None and self._kept[0] == key

    def get(self, key: Hashable, load: Callable[[], Model], work: Work) -> Model:
        """The model of this key; another one is let go of before it is loaded."""
        if self._kept is None or self._kept[0] != key:
            self.clear()
            _free()
            work.step("loading", 0, 1)
            self._kept = key, load()
            work.step("loading", 1, 1)
        return self._kept[1]

    def clear(self) -> None:
        self._kept = None
        self.embeddings.clear()


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
