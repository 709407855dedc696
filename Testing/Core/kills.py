"""Kill -9 at random moments, over and over: what runs then is started again, and nothing that was finished may be lost.

    python kills.py FILES WORK KILLS SEED ROWS.json      FILES: the folder of the fixture `files_on_disk`

All kinds at once. One process has torch and all else imported and forks those that are killed, each running for seconds: half
of them die after a random time, half at a random one of their file operations, which take little of it and matter most. What a
kill leaves is looked at before and after the next start.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from killed_at import kill_at

MARK = ".samed-"
SHARES = {
    "fine-tuning": 15,
    "completing": 10,
    "writing": 25,
    "fetching by address": 20,
    "fetching from the Hub": 10,
    "segmenting": 20,
}
"""Of the kills, in percent: fewer of what takes long."""

LOG, COUNT = Path(os.devnull), Path(os.devnull)
"""Where a kind of work says what it does, and how many file operations that takes."""

LATEST = 1.1
"""Of the time that it takes undisturbed: the last moment at which it is killed."""


@dataclass
class Row:
    """What became of one kind of work, counted.

    Attributes:
        kills: of which `at_file_operations`.
        broken: outputs or checkpoints that were neither the old nor the new one, or did not load.
        stuck: next starts that did not go through.
        left: files that were still there after them.
        problems: each in words.
    """

    work: str
    kills: int = 0
    at_file_operations: int = 0
    broken: int = 0
    stuck: int = 0
    left: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Job:
    """One kind of work.

    Attributes:
        prepare: makes what is there before it starts, in an empty folder.
        run: does it, to the end.
        again: does it after a kill.
        check: raises AssertionError where what the folder holds after a kill (False) or at the end (True) is not whole.
    """

    name: str
    prepare: Callable[[Path], None]
    run: Callable[[Path], None]
    again: Callable[[Path], None]
    check: Callable[[Path, bool], None]


def in_child(task: Callable[[], object], watched: Path | None = None, at: int = 0) -> int:
    """Start it in a forked process; returns that process' number. Where `watched` is given, the process is killed at its file
    operation of number `at` below that folder, or writes how many there were."""
    sys.stdout.flush()
    if pid := os.fork():
        return pid
    code = 1
    try:
        os.setsid()
        log = os.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        count = None if watched is None else kill_at(at, watched)
        task()
        if count is not None:
            COUNT.write_text(str(count()))
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def ended_well(pid: int) -> bool:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def killed(pid: int, after_s: float | None) -> bool:
    """Whether it was, after so long or, for None, by itself."""
    if after_s is not None:
        time.sleep(after_s)
        os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


def left_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob(f"{MARK}*"))


def carry_out(job: Job, folder: Path, kills: int, draw: random.Random) -> Row:
    """Kill it so many times."""
    row = Row(job.name)

    def fresh() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        job.prepare(folder)

    fresh()
    began = time.monotonic()
    assert ended_well(in_child(lambda: job.run(folder), folder)), LOG.read_text()
    operations, seconds = int(COUNT.read_text()), time.monotonic() - began
    while row.kills < kills:
        fresh()
        by_operation = row.kills % 2 == 1
        moment = draw.randint(1, operations) if by_operation else draw.uniform(0, LATEST * seconds)
        started = in_child(lambda: job.run(folder), folder if by_operation else None, int(moment) if by_operation else 0)
        if not killed(started, None if by_operation else moment):
            continue
        row.kills += 1
        row.at_file_operations += by_operation
        what = f"{job.name}, killed at " + (f"file operation {moment} of {operations}" if by_operation else f"{moment:.3f} s")
        if not ended_well(in_child(lambda: job.check(folder, False))):
            row.broken += 1
            row.problems.append(f"{what}: broken, {sorted(map(str, folder.rglob('*')))}")
        if not ended_well(in_child(lambda: job.again(folder))):
            row.stuck += 1
            row.problems.append(f"{what}: the next start failed")
        elif not ended_well(in_child(lambda: job.check(folder, True))):
            row.broken += 1
            row.problems.append(f"{what}: not whole after the next start")
        if left := left_in(folder):
            row.left += len(left)
            row.problems.append(f"{what}: left {left}")
        print(what, row.broken, row.stuck, row.left, flush=True)
    return row


def main(files: Path, work: Path, kills: int, seed: int, rows: Path) -> None:
    from killed_work import jobs

    global LOG, COUNT
    done: dict[Path, int] = {}
    for number, job in enumerate(jobs(files, work)):
        own = work / str(number)
        own.mkdir()
        if pid := os.fork():
            done[own] = pid
            continue
        LOG, COUNT = own / "log.txt", own / "count.txt"
        row = carry_out(job, own / "here", -(-kills * SHARES[job.name] // 100), random.Random(seed + number))
        (own / "row.json").write_text(json.dumps(asdict(row)))
        os._exit(0)
    assert sum(not ended_well(pid) for pid in done.values()) == 0
    rows.write_text(json.dumps([json.loads((own / "row.json").read_text()) for own in done], indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[5]))
    sys.stdout.flush()
    os._exit(0)  # the server's thread still runs
