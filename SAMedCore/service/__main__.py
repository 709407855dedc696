"""Who gets which file descriptor, before anything else is imported.

Whatever a library prints or a C function writes to stdout ends in the log, and nothing that is started reads the requests.
"""

import os
import sys


def main() -> None:
    events, requests = os.dup(1), os.dup(0)
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)

    from SAMedCore.service.server import start

    code = start(sys.argv[1:], requests, events)
    # The interpreter's own way out takes a second with all that is loaded, and nothing in it is needed.
    os._exit(code)


if __name__ == "__main__":
    main()
