"""Stopping a network in the middle of a forward pass: a large one takes many seconds for a slice on a CPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

from SAMedCore.work import Work


@contextmanager
def stopping(model: nn.Module, work: Work) -> Iterator[None]:
    """Inside the block `work` is asked before each layer of `model` whether to stop.

    Raises:
        Cancelled: the work was.
    """

    def check(*_: Any) -> None:
        work.stop_if_cancelled()

    hooks = [module.register_forward_pre_hook(check) for module in model.modules() if not any(module.children())]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
