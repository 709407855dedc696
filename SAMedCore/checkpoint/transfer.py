"""Download one address to a file: ``python transfer.py ADDRESS FILE``, a program of its own, so that it can be ended at once.

``FILE.size`` says how many bytes will come, 0 where the server does not. Uses nothing but Python's own library.
"""

from __future__ import annotations

import sys
import urllib.request
from pathlib import Path

SILENCE_S = 60


def main(address: str, file: Path) -> None:
    # The catalogue's own addresses, all https, and what comes is known by its SHA-256.
    with urllib.request.urlopen(address, timeout=SILENCE_S) as source, file.open("wb", buffering=0) as sink:  # noqa: S310
        file.with_name(file.name + ".size").write_text(source.headers.get("Content-Length") or "0")
        while piece := source.read1(2**20):
            sink.write(piece)


if __name__ == "__main__":
    try:
        main(sys.argv[1], Path(sys.argv[2]))
    except (OSError, ValueError) as error:
        sys.exit(str(error))
