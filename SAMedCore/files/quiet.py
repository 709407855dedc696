"""What C libraries print themselves kept from stderr, where one sentence is to stand."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_redirected = threading.Lock()


@contextmanager
def quietly() -> Iterator[None]:
    """Nothing reaches stderr inside the block; of no other thread either, so that this is for what seldom happens."""
    with _redirected:
        kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            os.close(nowhere)
