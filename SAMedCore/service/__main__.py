"""Who gets which file descriptor, before anything else is imported."""

import os
import sys

from SAMedCore.service.process import take_streams


def main() -> None:
    requests, events = take_streams()

    from SAMedCore.service.server import start

    code = start(sys.argv[1:], requests, events)
    # The interpreter's own way out takes a second with all that is loaded, and nothing in it is needed.
    os._exit(code)


if __name__ == "__main__":
    main()
