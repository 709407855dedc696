"""What the command line writes where: for people, for programs, into a log, and to nobody."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_files import segment

from SAMedCore.cli import main
from SAMedCore.cli.console import Console
from SAMedCore.work import TrainingProgress

SMALL_SAMED = (
    f"import sys; sys.path.append({str(Path(__file__).parent)!r}); from conftest import small_architecture;"
    "from SAMedCore.cli import main\n"
    "with small_architecture(): sys.exit(main())"
)
SAMED = ("-m", "SAMedCore")


def unread(arguments, program=SAMED, **streams) -> subprocess.CompletedProcess:
    """samed with a pipe that nobody reads for the `streams` that are True."""
    reader, writer = os.pipe()
    os.close(reader)
    streams = {name: writer if is_unread else subprocess.PIPE for name, is_unread in streams.items()}
    try:
        command = [sys.executable, *program, *map(str, arguments)]
        # as in a shell: argparse would swallow what an unbuffered stream says of its reader
        environment = {**os.environ, "PYTHONUNBUFFERED": ""}
        return subprocess.run(command, text=True, check=False, env=environment, **streams)
    finally:
        os.close(writer)


@pytest.mark.parametrize("arguments", ["models list", "models list --json", "--help", "--version", "segment --speed --json"])
def test_it_ends_quietly_where_nobody_reads_its_output(arguments):
    done = unread(arguments.split(), stdout=True, stderr=False)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize("arguments", ["models info nowhere", "models info nowhere --debug"])
def test_it_ends_where_nobody_reads_its_errors(arguments):
    done = unread(arguments.split(), stdout=False, stderr=True)
    assert (done.returncode, done.stdout) == (1, "")


@pytest.mark.parametrize("unread_one", ["stdout", "stderr"])
def test_a_reader_that_leaves_in_the_middle_ends_the_work_and_leaves_nothing(files, tmp_path, unread_one):
    arguments = segment(files, tmp_path / "out.nii.gz", *(["--json"] if unread_one == "stdout" else []))
    streams = {"stdout": False, "stderr": False, unread_one: True}
    done = unread(arguments, ("-c", SMALL_SAMED), **streams)
    assert done.returncode == 1
    assert (done.stdout or "", done.stderr or "") == ("", "")
    assert list(tmp_path.iterdir()) == []


def test_a_broken_pipe_of_a_library_is_an_error_like_any_other(monkeypatch, capsys):
    def broken(*_):
        raise BrokenPipeError("a process that prepares slices is gone")

    monkeypatch.setattr("SAMedCore.checkpoint.exchange.find_base", broken)
    assert main(["models", "fetch", "lite"]) == 1
    assert "failed unexpectedly (BrokenPipeError: a process" in capsys.readouterr().err


def failing(error):
    def fail(*_):
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [(KeyboardInterrupt(), "cancelled", 130), (ZeroDivisionError("1/0"), "internal", 1)],
)
def test_what_ends_a_command_is_an_event_too(monkeypatch, capsys, error, kind, code):
    monkeypatch.setattr("SAMedCore.checkpoint.exchange.find_base", failing(error))
    assert main(["models", "fetch", "lite", "--json"]) == code
    printed = capsys.readouterr()
    (event,) = map(json.loads, printed.out.splitlines())
    assert (event["event"], event["kind"]) == ("error", kind)
    assert printed.err == f"samed: {event['message']}\n"


@pytest.mark.parametrize(
    "arguments", ["models info nowhere --json", "segment --speed high --json", "sgment --json", "models fetch --json"]
)
def test_bad_input_and_wrong_usage_are_events_with_the_same_sentence(arguments, capsys):
    assert main(arguments.split()) == 2
    printed = capsys.readouterr()
    (event,) = map(json.loads, printed.out.splitlines())
    assert (event["event"], event["kind"]) == ("error", "input")
    assert printed.err == f"samed: {event['message']}\n"


def test_without_json_an_error_leaves_stdout_empty(capsys):
    assert main(["models", "info", "nowhere"]) == 2
    assert capsys.readouterr().out == ""


def a_step(step: int, steps: int) -> TrainingProgress:
    return TrainingProgress("all", step, steps, 1, 2, False, loss=0.25, learning_rate=1e-3, validation_dice=None, eta_s=1.0)


def test_a_log_gets_a_line_at_each_tenth_and_no_carriage_return(capfd):
    with Console(as_json=False) as console:
        for step in range(1, 691):
            console.work.tell(a_step(step, 690))
    shown = capfd.readouterr().err
    assert "\r" not in shown
    lines = shown.splitlines()
    assert (lines[0], lines[1], lines[-1]) == tuple(f"training: {done} of 690, loss 0.250" for done in (1, 69, 690))
    assert len(lines) == 11


def test_a_log_names_each_phase_also_when_one_comes_again(capfd):
    with Console(as_json=False) as console:
        for phase, total in (("encoding", 2), ("completing", 2), ("encoding", 2), ("encoding", 3)):
            for done in range(1, total + 1):
                console.work.step(phase, done, total)
    assert capfd.readouterr().err.split("\n")[::2][:4] == [
        "encoding: 1 of 2",
        "completing: 1 of 2",
        "encoding: 1 of 2",
        "encoding: 1 of 3",
    ]


def test_a_terminal_gets_one_bar_for_each_phase(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with Console(as_json=False) as console:
        for phase in ("encoding", "completing"):
            for done in (1, 2, 3):
                console.work.step(phase, done, 3)
    shown = capsys.readouterr().err
    assert shown.count("encoding:   0%") == 1
    assert shown.count("completing: 100%") == 1
    assert shown.count("\n") == 2
