"""What the worker says on stderr, for the panel and for the sentence that its death is told with."""

import collections
import logging
import os
from collections.abc import Callable
from pathlib import Path

KEPT_LINES = 2000
LOG_FILE = "worker.log"
LAST_BYTES = 4096
"""Of the log file, in which the worker's last words are looked for."""


class WorkerLog:
    """The log of one worker process after the other.

    Attributes:
        lines: the last ones.
        onLine: called with each line.
    """

    def __init__(self) -> None:
        self.lines: collections.deque[str] = collections.deque(maxlen=KEPT_LINES)
        self.onLine: Callable[[str], None] = lambda line: None
        self._unfinished = b""

    def begin(self) -> None:
        """Another process writes from now on."""
        self._unfinished = b""

    def feed(self, piece: bytes) -> None:
        """What came from stderr; lines may come in pieces."""
        *lines, self._unfinished = (self._unfinished + piece).split(b"\n")
        for line in lines:
            self.add(line.decode("utf-8", "replace").rstrip())

    def add(self, line: str) -> None:
        self.lines.append(line)
        logging.debug("SAMed worker: %s", line)
        self.onLine(line)

    def lastWords(self, folder: Path) -> str:
        """The last line, or "": of the process's own log file, which is whole where the pipe may have lost its end.

        Args:
            folder: the private folder.
        """
        try:
            with (folder / LOG_FILE).open("rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - LAST_BYTES))
                lines = file.read().decode("utf-8", "replace").splitlines()
        except OSError:
            lines = list(self.lines)
        return next((line for line in reversed(lines) if line.strip()), "")
