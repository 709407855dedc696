"""The slice that is looked at is encoded before anything is drawn on it."""

from __future__ import annotations

from collections.abc import Callable

import qt

STILL_MSEC = 200
"""A slice that is shown for so long is worth being encoded."""


class Ahead:
    """Calls `encode` with the slice that has come to rest in the view.

    Args:
        owner: QObject that the timer goes with.
        encode: gets the slice, from the feet.
    """

    def __init__(self, owner, encode: Callable[[int], None]) -> None:
        self._encode = encode
        self._k: int | None = None
        self._timer = qt.QTimer(owner)
        self._timer.setSingleShot(True)
        self._timer.setInterval(STILL_MSEC)
        self._timer.connect("timeout()", self._onStill)

    def shown(self, k: int | None) -> None:
        """This slice is shown; None: none is."""
        if k != self._k:
            self._k = k
            self._timer.start()

    def again(self) -> None:
        """The slice that is shown is another volume's, or another model is to encode it."""
        self._k = None

    def stop(self) -> None:
        self._timer.stop()
        self._timer.disconnect("timeout()", self._onStill)
        self._timer.deleteLater()

    def _onStill(self) -> None:
        if self._k is not None:
            self._encode(self._k)
