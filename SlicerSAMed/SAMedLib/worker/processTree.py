"""Ending processes with everything that they started."""

import contextlib
import os
import signal
import subprocess
import sys


def killTrees(pids: tuple[int, ...]) -> None:
    """Kill these processes and their children: the interpreter leads a process group, its launcher does not."""
    for pid in pids:
        if sys.platform == "win32":
            # Without the flag a console window flashes up over Slicer.
            command = ["taskkill", "/T", "/F", "/PID", str(pid)]
            subprocess.run(command, capture_output=True, check=False, creationflags=subprocess.CREATE_NO_WINDOW)
            continue
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getpgid(pid) == pid:
                os.killpg(pid, signal.SIGKILL)
            else:
                os.kill(pid, signal.SIGKILL)
