"""Stopping a network in the middle of a forward pass: a large one takes many seconds for a slice on a CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from SAMedCore.errors import Cancelled


@contextmanager
def stopping(model: nn.Module, cancelled: Callable[[], bool] | None) -> Iterator[None]:
    """Inside the block `cancelled` is asked before each layer of `model`.

    Raises:
        Cancelled: `cancelled` said so.
    """

    def check(*_: Any) -> None:
        if cancelled is not None and cancelled():
            raise Cancelled

    layers = [module for module in model.modules() if not any(module.children())] if cancelled is not None else []
    hooks = [layer.register_forward_pre_hook(check) for layer in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
