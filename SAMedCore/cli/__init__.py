"""The command line `samed`: a thin skin over the library, one file a command.

Exit codes: 0 done, 1 failed, 2 wrong usage or bad input, 130 cancelled. An error is one line; `--debug` adds the traceback.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

from SAMedCore.allocator import keep_freed_memory
from SAMedCore.cli import complete, demo, evaluate, finetune, models, segment
from SAMedCore.cli.console import Console
from SAMedCore.errors import Cancelled, InputError, SAMedError
from SAMedCore.threads import wait_without_holding_cores

COMMANDS = (segment, finetune, complete, evaluate, models, demo)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    keep_freed_memory()
    wait_without_holding_cores()
    options = argparse.Namespace(debug=False)
    try:
        _parser().parse_args(arguments, options)
        with Console(options.json) as console:
            options.run(options, console)
    except SAMedError as error:
        return _report(error, error.exit_code, options.debug)
    except KeyboardInterrupt as error:
        return _report(error, Cancelled.exit_code, options.debug, "Cancelled.")
    except Exception as error:
        sentence = f"samed failed unexpectedly ({type(error).__name__}: {error}); run again with --debug for the traceback."
        return _report(error, SAMedError.exit_code, options.debug, sentence)
    return 0


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError(f'{message}: see "{self.prog} --help".')


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="samed", description="SAMed: Segment Anything, LoRA-tuned for medical images. For research use only.")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in COMMANDS:
        name = command.__name__.rsplit(".", 1)[1]
        summary = str(command.__doc__).splitlines()[0]
        subparser = commands.add_parser(name, help=summary, description=command.__doc__)
        subparser.add_argument("--debug", action="store_true", help="show the traceback of an error")
        command.add_arguments(subparser)
        subparser.set_defaults(run=command.run)
    return parser


def _report(error: BaseException, code: int, debug: bool, sentence: str | None = None) -> int:
    if debug:
        traceback.print_exception(error)
    print(f"samed: {' '.join(str(sentence or error).split())}", file=sys.stderr)
    return code
