"""How many bytes may be under way, so that a message behind them does not wait long, however slow the network is."""

from __future__ import annotations

import threading
import time
from collections import deque

SHORT_S, LONG_S = 0.2, 0.5
"""What takes less from one end to the other lets the window grow, what takes longer makes it smaller."""

FIRST_BYTES, FEWEST_BYTES, MOST_BYTES = 2**20, 2**18, 2**26


class Window:
    """Told of each piece that is sent and of each that has arrived, in the same order."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._under_way: deque[tuple[float, int]] = deque()
        self._limit = float(FIRST_BYTES)
        self._is_closed = False

    def wait_for(self, size: int) -> None:
        """Until there is room for so many bytes, or none are under way; at once where it is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or not self._under_way or self._bytes() + size <= self._limit)
            self._under_way.append((time.monotonic(), size))

    def taken(self) -> int:
        """The oldest piece has arrived; returns its bytes."""
        with self._changed:
            if not self._under_way:
                return 0
            sent, size = self._under_way.popleft()
            took_s = time.monotonic() - sent
            if took_s < SHORT_S:
                self._limit = min(self._limit * 1.25, MOST_BYTES)
            elif took_s > LONG_S:
                self._limit = max(self._limit * 0.8, FEWEST_BYTES)
            self._changed.notify_all()
            return size

    def close(self) -> None:
        """The connection is gone: nobody waits any more."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _bytes(self) -> int:
        return sum(size for _, size in self._under_way)
