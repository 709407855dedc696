"""Processes that train together, without a launcher: forked from this one, which has imported everything already."""

import json
import multiprocessing
import os
import socket
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

PATIENCE_S = 120


def environment(rank: int, count: int, port: int) -> dict[str, str]:
    """What a launcher tells each process."""
    return {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "OMP_NUM_THREADS": "1",
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def begun(count: int, function: Callable[..., Any], *arguments: Any) -> list[tuple[multiprocessing.Process, Any]]:
    """The processes, each computing `function(*arguments)`, and the end of a pipe where its result will be."""
    context, port = multiprocessing.get_context("fork"), free_port()
    running = []
    for rank in range(count):
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_compute, args=(sender, environment(rank, count, port), function, arguments))
        process.start()
        sender.close()
        running.append((process, receiver))
    return running


def together(count: int, function: Callable[..., Any], *arguments: Any) -> list[Any]:
    """The result of `function(*arguments)` in each of so many processes."""
    running = begun(count, function, *arguments)
    try:
        results = []
        for _, receiver in running:
            assert receiver.poll(PATIENCE_S), "a process hangs"
            results.append(receiver.recv())
        return results
    finally:
        for process, _ in running:
            process.join(5)
            process.kill()


def history_of(out: Path) -> list[dict]:
    """That of the training whose checkpoint is, or would be, there."""
    return json.loads((out.parent / f"{out.name}.training" / "history.json").read_text())


def _compute(sender: Any, told: dict[str, str], function: Callable[..., Any], arguments: tuple) -> None:
    os.environ.update(told)
    torch.set_num_threads(1)  # the other threads of the process that was forked are not here
    try:
        sender.send(function(*arguments))
    except BaseException:
        sender.send(traceback.format_exc())
        raise
