"""The command line `samed`: a thin skin over the library, one file a command.

Exit codes: 0 done, 1 failed, 2 wrong usage or bad input, 130 cancelled. An error is one line; `--debug` adds the traceback.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import time
import traceback
from collections.abc import Sequence
from typing import NoReturn

from SAMedCore import __version__
from SAMedCore.cli import complete, demo, evaluate, finetune, models, prompt, remote, segment, synapse
from SAMedCore.cli.console import Console, ReaderGone, add_debug, listened_to
from SAMedCore.errors import (
    BaseNeeded,
    BaseNotFetched,
    Cancelled,
    CheckpointNotFetched,
    DeviceNeeded,
    InputError,
    SAMedError,
    is_out_of_memory,
    said_of_the_system,
)
from SAMedCore.runtime import prepare_process, speaks_for_its_machine

LATER_S = 5
"""That a process leaves after the one that says what went wrong: a launcher ends all as soon as one has failed."""

COMMANDS = (prompt, complete, finetune, segment, evaluate, synapse, models, remote, demo)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    prepare_process()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a file's name may hold what the terminal's encoding lacks
    try:
        code = _run(sys.argv[1:] if arguments is None else arguments)
        with listened_to():
            sys.stdout.flush()
    except ReaderGone:
        return _leave_quietly()
    return code


def _run(arguments: Sequence[str]) -> int:
    # What the parser refuses is told as an event too where events were asked for.
    options = argparse.Namespace(debug=False, json="--json" in arguments)
    console = Console(options.json, quiet=not speaks_for_its_machine())
    try:
        _parser().parse_args(arguments, options)
        console.as_json = options.json
        with console:
            options.run(options, console)
    except SystemExit as leaving:  # argparse's way to end after --help and --version
        return int(leaving.code or 0)
    except ReaderGone:
        raise
    except (Exception, KeyboardInterrupt) as error:
        if options.debug and not console.quiet:
            with listened_to():
                traceback.print_exception(error)
        sentence, kind, code = _said_of(error)
        console.error(sentence, kind)
        if console.quiet:
            time.sleep(LATER_S)
        return code
    return 0


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError(f'{message}: see "{self.prog} --help".')


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="samed", description="SAMed: Segment Anything, LoRA-tuned for medical images. For research use only.")
    parser.add_argument("--version", action="version", version=f"samed {__version__}")
    add_debug(parser)
    parser.set_defaults(run=lambda options, console: parser.print_help())
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for command in COMMANDS:
        name = command.__name__.rsplit(".", 1)[1]
        summary = str(command.__doc__).splitlines()[0]
        subparser = commands.add_parser(name, help=summary, description=command.__doc__)
        add_debug(subparser)
        command.add_arguments(subparser)
        subparser.set_defaults(run=command.run)
    return parser


def _said_of(error: BaseException) -> tuple[str, str, int]:
    """The sentence for the user, its kind for programs, and the exit code."""
    if isinstance(error, KeyboardInterrupt):
        error = Cancelled()
    if not isinstance(error, SAMedError):
        error = _out_of_memory(error) or said_of_the_system(error) or error
    if not isinstance(error, SAMedError):
        sentence = f"samed failed unexpectedly ({type(error).__name__}: {error}); run again with --debug for the traceback."
        return sentence, "internal", SAMedError.exit_code
    sentence = " ".join(str(error).split())
    word = _own_word(error)
    return f"{sentence.removesuffix('.')} ({word})." if word else sentence, error.kind, error.exit_code


def _out_of_memory(error: BaseException) -> SAMedError | None:
    if not (isinstance(error, Exception) and is_out_of_memory(error)):
        return None
    return SAMedError("The memory ran out: close other programs, or choose another device or a smaller batch or model.")


def _own_word(error: SAMedError) -> str | None:
    """What the remedy of the library's sentence is called here."""
    match error:
        case BaseNotFetched(base=name) | CheckpointNotFetched(checkpoint=name):
            return f'run "samed models fetch {name}"'
        case BaseNeeded():
            return "--base FILE"
        case DeviceNeeded():
            return "--device NAME"
    return None


def _leave_quietly() -> int:
    """As Unix tools do where nobody reads them any more: the interpreter's own last flush must not complain either."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())
    return SAMedError.exit_code
