"""Run a Python program for as long as stdin is open: ``python guarded.py FILE|-m MODULE ARGUMENTS...``.

Whoever started it may be killed and could not end it any more; their end of stdin then closes by itself, on every system.
"""

from __future__ import annotations

import os
import runpy
import sys
import threading


def leave_with_stdin() -> None:
    while os.read(0, 4096):
        pass
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=leave_with_stdin, daemon=True).start()
    if sys.argv[1] == "-m":
        del sys.argv[:2]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        del sys.argv[0]
        runpy.run_path(sys.argv[0], run_name="__main__")
