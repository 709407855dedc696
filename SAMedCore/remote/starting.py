"""The near end as a process."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from SAMedCore.address import Address
from SAMedCore.errors import InputError, SAMedError
from SAMedCore.remote.near import Near
from SAMedCore.service.events import Error
from SAMedCore.service.process import Log, keep_temporary_files_in, lead_group, start_guard
from SAMedCore.service.wire import encode


def start(arguments: list[str], requests: int, events: int) -> int:
    """Be the near end until stdin ends, or test a connection; returns the exit code.

    Args:
        requests, events: file descriptors to read from and write to.
    """
    parser = argparse.ArgumentParser(prog="python -m SAMedCore.remote")
    parser.add_argument("address", help="ssh://[user@]host[:port][/device][?python=path]")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--folder", type=Path, help="private, removed at the end")
    what.add_argument("--test", action="store_true", help="say as one line of JSON what is there")
    options = parser.parse_args(arguments)
    try:
        address = Address.parse(options.address)
    except InputError as error:
        os.write(events, encode(Error(str(error), "input")))
        return 2
    lead_group()
    if options.test:
        start_guard(requests, events, None)
        return _test(address, events)
    folder = options.folder.absolute()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)  # whoever made it: what lies in it is a patient's
    start_guard(requests, events, folder)
    keep_temporary_files_in(folder)
    log = Log(folder)
    try:
        return Near(address, requests, events, folder).run()
    finally:
        log.close()


def _test(address: Address, events: int) -> int:
    from SAMedCore.remote.checking import check

    try:
        row = check(address).to_json()
    except SAMedError as error:
        row = {"error": str(error)}
    os.write(events, json.dumps(row).encode("ascii") + b"\n")
    return 1 if "error" in row else 0
