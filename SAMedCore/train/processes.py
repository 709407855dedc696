"""The processes that train one model together, started by `accelerate launch` (Hugging Face Accelerate) or `torchrun`.

Each holds the whole model and all slices, computes its share of every batch, and takes the step that one process would take
with the whole batch: the sums that the loss is made of are added up over all processes, and so are the gradients. PyTorch's
DistributedDataParallel is made for another case: for a loss that is the mean of the processes' own, and a model that is called
whole. Here Dice is pooled over the batch, the decoder is trained without the encoder, and the gradient is a few MB.
"""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn

from SAMedCore.devices import choose_device
from SAMedCore.errors import Cancelled, InputError, SAMedError
from SAMedCore.work import SILENT, Work

Item = TypeVar("Item")

PATIENCE = timedelta(minutes=30)
"""That processes wait for each other, which read all scans before they first meet."""

ENDED = (
    "another process of this training is gone, or the training was ended from outside: what was kept at the end of its last "
    "epoch can be resumed."
)


class Processes:
    """One process alone, which has nobody to ask; `Together` is the form for several.

    Attributes:
        count: of all processes, on all machines.
        rank: which one this is, from 0.
        on_this_machine: how many of them share its memory and cores.
    """

    count = 1
    rank = 0
    on_this_machine = 1

    @property
    def is_first(self) -> bool:
        """Whether it is the one that writes and tells."""
        return self.rank == 0

    def device(self, name: str) -> torch.device:
        """The one that this process trains on, `name` being that of the options. Raises as `choose_device`."""
        return choose_device(name)

    def heard(self, work: Work) -> Work:
        """The work as this process has it: only the first tells, and Ctrl-C cancels it."""
        return work

    def steady(self, work: Work) -> Work:
        """The work for what must not stop in this process alone, because others wait for it: told, but never cancelled."""
        return work

    def stop_if_cancelled(self, work: Work) -> None:
        """Raises Cancelled in all processes where the work of one was cancelled."""
        work.stop_if_cancelled()

    def any(self, here: bool) -> bool:
        """Whether it holds in any process."""
        return here

    def of_first(self, number: float) -> float:
        """The first process's number."""
        return number

    def least(self, numbers: Sequence[int]) -> list[int]:
        """The least of each number over all processes."""
        return list(numbers)

    def check_same(self, digest: bytes) -> None:
        """Raises InputError where the digest of what a process was given is not that of the first."""

    def equal_share(self, items: Sequence[Item]) -> Sequence[Item]:
        """Every so manieth item; of the first ones some again, so that all processes have equally many."""
        return items

    def joined(self, share: Tensor, length: int) -> Tensor:
        """What all processes made of their equal shares, (length, ...) in the items' order, on the device trained on."""
        return share

    def add(self, numbers: Tensor) -> Tensor:
        """The sum over all processes."""
        return numbers

    def pooled(self, sums: Tensor) -> Tensor:
        """As `add`, differentiable by this process's part; see `add_gradients`."""
        return sums

    def add_gradients(self, model: nn.Module) -> None:
        """Makes the gradients, each of a loss of pooled sums by this process's part, those of the whole batch."""

    def as_first(self, model: nn.Module) -> None:
        """Makes the trained parameters the first process's, from which unlike machines drift away by rounding."""

    def part(self) -> None:
        """The end of what is done together, once all have come so far."""

    def speaks(self, error: BaseException) -> bool:
        """Whether this process is the one that says what went wrong."""
        return True


ALONE = Processes()


class Together(Processes):
    """Several processes, of which this is one.

    Args:
        device: "auto", "cpu" or "cuda", which gives each process the GPU of its number on its machine.

    Raises:
        InputError: there is no device for each process, or the others cannot be reached.
    """

    def __init__(self, device: str) -> None:
        from accelerate import PartialState

        self.on_this_machine = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        self._device = _own_device(device, self.on_this_machine)
        on_cpu = self._device.type == "cpu"
        try:
            self._state = PartialState(cpu=on_cpu, backend="gloo" if on_cpu else None, timeout=PATIENCE)
            address = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
            self._store = distributed.PrefixStore("samed", distributed.TCPStore(*address, is_master=False))
        except RuntimeError as error:
            raise InputError(f"the processes do not reach each other ({error}): check address and port.") from error
        self.count, self.rank = self._state.num_processes, self._state.process_index
        self._interrupted = False
        signal.signal(signal.SIGINT, self._interrupt)
        signal.signal(signal.SIGTERM, _end)

    def device(self, name: str) -> torch.device:
        return self._device

    def heard(self, work: Work) -> Work:
        tell = work.tell if self.is_first else SILENT.tell
        return Work(tell, lambda: self._interrupted or work.is_cancelled())

    def steady(self, work: Work) -> Work:
        return Work(work.tell)

    def stop_if_cancelled(self, work: Work) -> None:
        if self.any(work.is_cancelled()):
            raise Cancelled

    def any(self, here: bool) -> bool:
        return bool(self.add(torch.tensor([int(here)])))

    def of_first(self, number: float) -> float:
        told = torch.tensor([number], dtype=torch.float64, device=self._device)
        with _reaching_others():
            distributed.broadcast(told, 0)
        return told.item()

    def least(self, numbers: Sequence[int]) -> list[int]:
        least = torch.tensor(numbers, device=self._device)
        with _reaching_others():
            distributed.all_reduce(least, distributed.ReduceOp.MIN)
        return least.tolist()

    def check_same(self, digest: bytes) -> None:
        digests = self._gathered(torch.tensor(list(digest), dtype=torch.uint8)).tolist()
        others = [str(rank) for rank, other in enumerate(digests) if other != digests[0]]
        if others:
            raise InputError(
                f"process {', '.join(others)} has other scans, labels or options than process 0, or another state to resume "
                "from: start all processes with the same command and the same files."
            )

    def equal_share(self, items: Sequence[Item]) -> Sequence[Item]:
        places = math.ceil(len(items) / self.count) * self.count
        return [items[number % len(items)] for number in range(self.rank, places, self.count)]

    def joined(self, share: Tensor, length: int) -> Tensor:
        return self._gathered(share).transpose(0, 1).flatten(0, 1)[:length]

    def add(self, numbers: Tensor) -> Tensor:
        total = numbers.detach().to(self._device, copy=True)
        with _reaching_others():
            distributed.all_reduce(total)
        return total.to(numbers.device)

    def pooled(self, sums: Tensor) -> Tensor:
        return _Pooled.apply(sums, self)

    def add_gradients(self, model: nn.Module) -> None:
        # Those that no process has stay None, which the optimiser takes for "not trained" and does not let decay.
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        self._write_over(gradients, self.add)

    def as_first(self, model: nn.Module) -> None:
        def of_first(values: Tensor) -> Tensor:
            with _reaching_others():
                distributed.broadcast(values, 0)
            return values

        self._write_over([p for p in model.parameters() if p.requires_grad], of_first)

    def part(self) -> None:
        self.any(False)
        self._state.destroy_process_group()

    def speaks(self, error: BaseException) -> bool:
        if isinstance(error, Cancelled | KeyboardInterrupt):
            return self.is_first  # which may have something to publish
        mine = str(self.rank)
        try:
            return self._store.compare_set("failed", "", mine) == mine.encode()
        except RuntimeError:  # the process that kept the store has failed before
            return False

    def _gathered(self, tensor: Tensor) -> Tensor:
        """(count, ...) on the device trained on."""
        mine = tensor.to(self._device).contiguous()
        all_of_them = [torch.empty_like(mine) for _ in range(self.count)]
        with _reaching_others():
            distributed.all_gather(all_of_them, mine)
        return torch.stack(all_of_them)

    @torch.no_grad()
    def _write_over(self, tensors: list[Tensor], change: Any) -> None:
        """Changes them all at once: a message for each would take longer than the step."""
        changed = change(torch.cat([tensor.flatten() for tensor in tensors]))
        for tensor, values in zip(tensors, changed.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(values.view_as(tensor))

    def _interrupt(self, *_: Any) -> None:
        """The first Ctrl-C ends the training at the next step in all processes, a second one this process at once."""
        self._interrupted = True
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(*_: Any) -> None:
    """A launcher asks for it once another process is gone, and a cluster's scheduler where the time is over."""
    raise SAMedError(ENDED)


class _Pooled(torch.autograd.Function):
    """The sums over all processes.

    Each then computes the same loss, whose gradient by a process's own part of the sums is the one by the sums; what that gives
    in each process is added up at the end of the backward pass.
    """

    @staticmethod
    def forward(ctx: Any, sums: Tensor, processes: Processes) -> Tensor:
        return processes.add(sums)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return gradients[0], None


@contextmanager
def _reaching_others() -> Iterator[None]:
    try:
        yield
    except torch.cuda.OutOfMemoryError:
        raise
    except RuntimeError as error:
        raise SAMedError(ENDED) from error


def _own_device(name: str, on_this_machine: int) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cpu":
        return torch.device(name)
    if name != "cuda":
        raise InputError(f'"{name}" is one device, and each of several processes needs its own: choose auto, cuda or cpu.')
    gpus = torch.cuda.device_count()
    if on_this_machine > gpus:
        raise InputError(f"{on_this_machine} processes were started where there are {gpus} GPUs: start one for each of them.")
    return choose_device(f"cuda:{os.environ.get('LOCAL_RANK', 0)}")
