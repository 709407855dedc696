"""Test a connection to another computer, or install there what its devices need.

ADDRESS is ssh://[user@]host[:port]; the other commands take it as --device. See Docs/remote.md.
"""

from __future__ import annotations

import argparse
import sys

from SAMedCore.cli.console import Console, add_debug, add_json
from SAMedCore.image.texts import in_one_line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    test = actions.add_parser("test", help="what is there, which devices, and how fast the connection is")
    install = actions.add_parser("install", help="have SAMed and what it needs in ~/.samed there, in this version")
    for action, run_action in ((test, _test), (install, _install)):
        action.add_argument("address", metavar="ADDRESS", help="ssh://[user@]host[:port][?python=path]")
        add_debug(action)
        add_json(action)
        action.set_defaults(action=run_action)


def run(options: argparse.Namespace, console: Console) -> None:
    options.action(options, console)


def _test(options: argparse.Namespace, console: Console) -> None:
    from SAMedCore.address import Address
    from SAMedCore.remote.checking import check

    found = check(Address.parse(options.address))
    console.result(found.text(), **found.to_json())


def _install(options: argparse.Namespace, console: Console) -> None:
    from SAMedCore.address import Address
    from SAMedCore.remote.installing import install

    address = Address.parse(options.address)
    install(address, lambda line: print(in_one_line(line), file=sys.stderr, flush=True))
    console.result(f"SAMed is installed on {address.host}.", host=address.host)
