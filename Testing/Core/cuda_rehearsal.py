"""A GPU to rehearse on where there is none: its tensors have a device, a dtype and a shape, and no numbers.

Tensors on the CPU stay real, so that all that is done on the host runs as it is. What is on "cuda" are torch's fake
tensors, which refuse what a card refuses: operands on two devices and shapes that do not fit; products of two dtypes are
refused here. Whatever is brought back from there holds one number, `Gpu.brings`, in the right dtype and shape.

So a rehearsal proves where tensors are, of what dtype and shape, and in which order the host copies, waits and reads. It
does not prove one number, no speed and no memory, nor that a kernel takes the strides that it gets, nor what depends on
values, such as which slices come first. Three things are stood in for:

- Streams and events. A copy that does not block arrives in the host's memory when its event is waited for, or with the
  next one that blocks; until then there is garbage, so that who reads too early is found out.
- Attention. torch asks the card for the kernel; here a flash kernel is taken where an A100 would take it, else the
  memory-efficient one.
- Backward passes. torch's engine asks the driver for the card's streams; here each node of the same graph is called from
  Python (`cuda_backward`). The optimiser takes its loop over the parameters, not the kernels for many at once.

It needs a build of torch with CUDA: one without refuses even fake tensors there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from weakref import ref

import pytest
import torch
import torch.nn.functional as F
from cuda_backward import backward
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode, unset_fake_temporarily
from torch.utils._pytree import tree_leaves, tree_map_only

from SAMedCore.model import resizing
from SAMedCore.model.fast import windows

NEEDS_CUDA_BUILD = pytest.mark.skipif(
    not torch.backends.cuda.is_built(), reason="this torch was built without CUDA: its fake tensors cannot be on a GPU"
)
GARBAGE = {torch.uint8: 255, torch.int64: -(2**62)}
"""In memory to which a copy is still under way; NaN for floating point."""

aten = torch.ops.aten
NUMBERS = (aten.item.default, aten._local_scalar_dense.default)
OF_ONE_DTYPE = (aten.mm, aten.addmm, aten.bmm, aten.baddbmm, aten.linear, aten.convolution, aten.native_layer_norm)
PINNING = (aten.is_pinned.default, aten.pin_memory.default, aten._pin_memory.default)


class Gpu(FakeTensorMode):
    """Inside `rehearsal` every operation goes through here.

    Attributes:
        brings: what each number is that comes back to the host.
        largest_tensor: bytes; more at once is more than its memory holds.
        has_kernels: whether this torch was built for it; where not, its memory can be used all the same.
        kernels: names of the operations that ran on it.
        copies: how many there were, by (where to, whether the host's memory is pinned, whether the host waits).
    """

    def __init__(self) -> None:
        super().__init__(allow_non_fake_inputs=True)
        self.brings: float = 1
        self.largest_tensor = 2**40
        self.has_kernels = True
        self.kernels: set[str] = set()
        self.copies: Counter[tuple[str, str, str]] = Counter()
        self.under_way: list[Tensor] = []
        self._in_fake_kernel = False
        self._pinned: list[ref[Tensor]] = []
        self._tensors: dict[int, ref[Tensor]] = {}

    @property
    def avoid_device_init(self) -> bool:
        """torch asks whether there is a GPU, and is told so here; there is no driver to initialise all the same."""
        return True

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        self.kernels.add(func.name())
        if func.overloadpacket in OF_ONE_DTYPE:
            _check_dtypes(func, args)
        if self._in_fake_kernel:
            return self.dispatch(func, types, args, kwargs)
        if func in PINNING or kwargs.pop("pin_memory", None):
            return self._in_pinned_memory(func, args, kwargs)
        if not any(map(_is_there, tree_leaves((args, kwargs)))):
            return func(*args, **kwargs)
        if func.overloadpacket is aten.to:
            # reaches this whole in inference mode, and would be computed where it leads to
            with self:
                return func.decompose(*args, **kwargs)
        if func in NUMBERS:
            self.deliver()
            return args[0].new_full((), self.brings, device="cpu").item()
        if func is aten.copy_.default and not _is_there(args[0]):
            blocking = not (len(args) > 2 and args[2])
            self._note_copy("to the host", args[0], blocking)
            return self._to_host(args[0], blocking)
        if not self.has_kernels and func.overloadpacket not in (aten.empty, aten.empty_strided):
            raise RuntimeError("CUDA error: no kernel image is available for execution on the device")
        blocking = not kwargs.get("non_blocking", False)
        if func is aten._to_copy.default and not _is_there(args[0]):
            self._note_copy("to the GPU", args[0], blocking)
        self._in_fake_kernel = True
        try:
            answer = self.dispatch(func, types, args, kwargs)
        finally:
            self._in_fake_kernel = False
        for tensor in tree_leaves(answer):
            if isinstance(tensor, FakeTensor):
                self._check_memory(tensor)
        return tree_map_only(FakeTensor, lambda fake: fake if _is_there(fake) else self._fetched(fake, blocking), answer)

    def deliver(self) -> None:
        """Ends the copies to the host that are under way."""
        for tensor in self.under_way:
            tensor.fill_(self.brings)
        self.under_way.clear()

    def bytes_in_use(self) -> int:
        """Of the tensors that are still held on it."""
        living = [tensor for weak in self._tensors.values() if (tensor := weak()) is not None]
        return sum({each.untyped_storage()._cdata: each.untyped_storage().nbytes() for each in living}.values())

    def _fetched(self, fake: FakeTensor, blocking: bool) -> Tensor:
        self._note_copy("to the host", fake, blocking)
        return self._to_host(torch.empty_strided(fake.shape, fake.stride(), dtype=fake.dtype), blocking)

    def _to_host(self, tensor: Tensor, blocking: bool) -> Tensor:
        self.under_way.append(tensor)
        if blocking:
            self.deliver()
            return tensor
        return tensor.fill_(GARBAGE.get(tensor.dtype, float("nan")))

    def _note_copy(self, direction: str, tensor: Tensor, blocking: bool) -> None:
        is_pinned = any(weak() is tensor for weak in self._pinned)
        self.copies[direction, "pinned" if is_pinned else "pageable", "blocking" if blocking else "not blocking"] += 1

    def _in_pinned_memory(self, func: Any, args: Any, kwargs: Any) -> Any:
        if func is aten.is_pinned.default:
            return any(weak() is args[0] for weak in self._pinned)
        tensor = args[0].clone() if func in PINNING else func(*args, **kwargs)
        self._pinned.append(ref(tensor))
        return tensor

    def _check_memory(self, tensor: FakeTensor) -> None:
        if tensor.untyped_storage().nbytes() > self.largest_tensor:
            raise torch.OutOfMemoryError("CUDA out of memory (rehearsed).")
        self._tensors[id(tensor)] = ref(tensor)


class Event:
    """A point in the GPU's queue, as `torch.cuda.Event`."""

    def __init__(self, gpu: Gpu) -> None:
        self.gpu = gpu
        self.behind: list[Tensor] = []

    def record(self, stream: Any = None) -> None:
        self.behind = list(self.gpu.under_way)

    def synchronize(self) -> None:
        for tensor in self.behind:
            tensor.fill_(self.gpu.brings)
        self.gpu.under_way = [each for each in self.gpu.under_way if not any(each is arrived for arrived in self.behind)]


@contextmanager
def rehearsal() -> Iterator[Gpu]:
    """Inside the block there is a GPU, an A100 as far as anybody asks."""
    # torch's engine counts the cards at its first backward pass; one that begins to count here forbids forking later.
    torch.ones(1, requires_grad=True).sum().backward()
    gpu = Gpu()
    with gpu, pytest.MonkeyPatch.context() as patch, torch.random.fork_rng(devices=[]):
        for name, answer in _asked_of_cuda(gpu).items():
            patch.setattr(torch.cuda, name, answer)
        patch.setattr(torch.accelerator, "is_available", lambda: True)
        patch.setattr(F, "scaled_dot_product_attention", fused_attention)
        patch.setattr(Tensor, "backward", backward)
        patch.setattr(torch.utils, "swap_tensors", _unless_there(torch.utils.swap_tensors))
        patch.setattr(torch, "save", _on_the_host(torch.save))
        patch.setattr(torch, "load", _on_the_host(torch.load))
        torch.__future__.set_overwrite_module_params_on_conversion(True)
        _forget_kept_tensors()
        try:
            yield gpu
        finally:
            torch.__future__.set_overwrite_module_params_on_conversion(False)
            _forget_kept_tensors()


def _asked_of_cuda(gpu: Gpu) -> dict[str, Callable[..., Any]]:
    properties = SimpleNamespace(name="rehearsed", total_memory=80 * 2**30, major=8, minor=0)
    return {
        "is_available": lambda: True,
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "get_device_properties": lambda device=None: properties,
        "mem_get_info": lambda device=None: (properties.total_memory, properties.total_memory),
        "get_device_capability": lambda device=None: (properties.major, properties.minor),
        "is_current_stream_capturing": lambda: False,
        "current_stream": lambda device=None: None,
        "synchronize": lambda device=None: gpu.deliver(),
        "empty_cache": lambda: None,
        "Event": lambda **options: Event(gpu),
    }


def _unless_there(swap: Callable[[Tensor, Tensor], None]) -> Callable[[Tensor, Tensor], None]:
    """A module that moves to where it is keeps its parameters; torch would swap fake ones, which weak references forbid."""

    def swap_unless_there(present: Tensor, moved: Tensor) -> None:
        if (present.device, present.dtype) != (moved.device, moved.dtype):
            swap(present, moved)

    return swap_unless_there


def _forget_kept_tensors() -> None:
    """The matrices and indices that the library keeps for each device."""
    windows._windows.cache_clear()
    resizing._matrix_on.cache_clear()


def _is_there(value: Any) -> bool:
    device = value.device if isinstance(value, FakeTensor) else value
    return isinstance(device, torch.device) and device.type == "cuda"


def _check_dtypes(func: Any, args: Any) -> None:
    """What a card refuses and a fake tensor does not."""
    dtypes = {tensor.dtype for tensor in tree_leaves(args) if isinstance(tensor, FakeTensor)}
    if len(dtypes) > 1:
        raise RuntimeError(f"{func.name()}: operands of one dtype are wanted, not of {sorted(map(str, dtypes))}")


def _on_the_host(serialize: Callable[..., Any]) -> Callable[..., Any]:
    """`torch.save` or `torch.load`, which would write and read no numbers at all where there are fake tensors about."""

    def serialized(*args: Any, **options: Any) -> Any:
        args = tree_map_only(FakeTensor, lambda tensor: tensor.detach().cpu(), args)
        with unset_fake_temporarily():
            return serialize(*args, **options)

    return serialized


def fused_attention(q: Tensor, k: Tensor, v: Tensor, attn_mask: Tensor | None = None, scale: float | None = None) -> Tensor:
    """`F.scaled_dot_product_attention` (B, heads, n, d) by the kernel that an A100 would choose."""
    if q.device.type == "cpu":
        return torch.ops.aten.scaled_dot_product_attention(q, k, v, attn_mask, scale=scale)
    if torch.is_autocast_enabled("cuda"):
        q, k, v = (each.to(torch.get_autocast_dtype("cuda")) for each in (q, k, v))
    assert {q.dtype, k.dtype, v.dtype} == {q.dtype if attn_mask is None else attn_mask.dtype}
    if not q.shape[:2] == k.shape[:2] == v.shape[:2]:
        return aten._scaled_dot_product_attention_math(q, k, v, attn_mask, scale=scale)[0]
    if attn_mask is None and q.dtype in (torch.float16, torch.bfloat16) and q.shape[-1] <= 256 and q.shape[-1] % 8 == 0:
        return aten._scaled_dot_product_flash_attention(q, k, v, scale=scale)[0]
    if attn_mask is not None:
        attn_mask = attn_mask.expand(len(q), q.shape[1], q.shape[2], k.shape[2])
    needs_gradient = torch.is_grad_enabled() and any(each.requires_grad for each in (q, k, v))
    return aten._scaled_dot_product_efficient_attention(q, k, v, attn_mask, needs_gradient, scale=scale)[0]
