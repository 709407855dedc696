"""How many floating-point operations a network's products and convolutions are."""

from collections.abc import Callable
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode, bmm_flop, sdpa_flop_count

HEAD_WIDTH = 64
"""Of vit_b and vit_l; what queries and keys have beyond it are SAM's positions in another form, and not counted."""


def gflop(work: Callable[[], Any]) -> float:
    """1e9 operations in `work`."""
    with FlopCounterMode(display=False, custom_mapping=_UNKNOWN_TO_TORCH) as counter:
        work()
    return counter.get_total_flops() / 1e9


def _linear(x, weight, *_, **__) -> int:
    tokens = 1
    for size in x[:-1]:
        tokens *= size
    return 2 * tokens * x[-1] * weight[0]


def _attention(q, k, v, *_, **__) -> int:
    return sdpa_flop_count(q, k, v) * min(HEAD_WIDTH, q[-1]) // q[-1]


def _added_product(_, a, b, **__) -> int:
    return bmm_flop(a, b)


_UNKNOWN_TO_TORCH = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    torch.ops.aten.baddbmm_: _added_product,
}
if hasattr(torch.ops.mkldnn, "_linear_pointwise"):
    _UNKNOWN_TO_TORCH[torch.ops.mkldnn._linear_pointwise] = _linear
