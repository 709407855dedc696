"""``python -m SAMedCore.remote ssh://host --folder PRIVATE_FOLDER``, the worker elsewhere; and ``ssh://host --test``."""

import os
import sys

from SAMedCore.service.process import take_streams


def main() -> None:
    requests, events = take_streams()

    from SAMedCore.remote.starting import start

    code = start(sys.argv[1:], requests, events)
    os._exit(code)


if __name__ == "__main__":
    main()
