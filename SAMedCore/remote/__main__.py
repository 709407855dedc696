"""``python -m SAMedCore.remote ssh://host --folder PRIVATE_FOLDER``, the worker elsewhere; and ``ssh://host --test``."""

import os
import sys


def main() -> None:
    # As in `service.__main__`.
    events, requests = os.dup(1), os.dup(0)
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)

    from SAMedCore.remote.starting import start

    code = start(sys.argv[1:], requests, events)
    os._exit(code)


if __name__ == "__main__":
    main()
