"""A command that has to be refused: one line, exit code 2, and the folder left as it was.

The tables of bad input (`test_bad_*.py`) are made of these. The command runs in this process, so that a case costs
milliseconds; what would end the process, or hang, is run by `in_a_process`.
"""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import sys
from pathlib import Path

from SAMedCore.cli import main

SECONDS = 120
"""After which a command counts as hanging, on a machine that is busy with other tests."""


def snapshot(folder: Path) -> dict[str, str]:
    """What lies below a folder: path -> digest of a file's bytes, or what else it is."""

    def state(path: Path) -> str:
        mode = path.lstat().st_mode
        if stat.S_ISREG(mode):
            return hashlib.sha256(path.read_bytes()).hexdigest() if os.access(path, os.R_OK) else "closed"
        return f"mode {stat.S_IFMT(mode):o}"

    return {
        os.fsencode(path.relative_to(folder)).decode("utf-8", "backslashreplace"): state(path) for path in folder.rglob("*")
    }


def refused(capfd, folder: Path, *arguments: object) -> str:
    """The one line with which a command is refused, without its leading "samed: ".

    Args:
        capfd: pytest's, which catches what C libraries write too.
        folder: has to be as it was before, hidden files and all.
        arguments: of `samed`.

    Raises:
        AssertionError: another exit code than 2, more than that line on stderr, anything on stdout, another folder.
    """
    before = snapshot(folder)
    capfd.readouterr()
    code = main([str(argument) for argument in arguments])
    out, err = capfd.readouterr()
    return _checked(code, out, err, before, snapshot(folder))


def in_a_process(folder: Path, *arguments: object, memory_bytes: int | None = None) -> str:
    """As `refused`, in a process of its own: for what may kill it, hang, or take the machine's memory.

    Args:
        memory_bytes: the address space that it gets (RLIMIT_AS); None for any.
    """
    before = snapshot(folder)
    limit = (
        f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({memory_bytes}, {memory_bytes})); " if memory_bytes else ""
    )
    program = f"{limit}import sys; from SAMedCore.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", program, *(os.fsencode(str(argument)) for argument in arguments)]
    done = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False, stdin=subprocess.DEVNULL)
    out, err = (text.decode("utf-8", "replace") for text in (done.stdout, done.stderr))
    return _checked(done.returncode, out, err, before, snapshot(folder))


def _checked(code: int, out: str, err: str, before: dict[str, str], after: dict[str, str]) -> str:
    assert code == 2, (code, out, err)
    assert out == "", out
    assert err.startswith("samed: "), err
    assert err.endswith("\n"), err
    assert err.count("\n") == 1, err
    assert after == before
    return err.removeprefix("samed: ").strip()
