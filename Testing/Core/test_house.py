"""The house rules that import-linter and ruff cannot see: what is said once is said nowhere else."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

import SAMedCore
from SAMedCore import options
from SAMedCore.cli import _parser
from SAMedCore.model.architectures import ARCHITECTURES
from SAMedCore.train.recipe import PRESETS

CORE = Path(SAMedCore.__file__).parent
SOURCES = {path.relative_to(CORE).as_posix(): path.read_text(encoding="utf-8") for path in CORE.rglob("*.py")}
LONGEST_FILE = 300


def test_the_presets_that_can_be_asked_for_are_those_that_there_are():
    assert list(options.PRESETS) == list(PRESETS)


@pytest.mark.parametrize(
    ("command", "request_class"),
    [
        ("segment ct out --model m", options.ModelOptions),
        ("segment ct out --model m", options.SegmentOptions),
        ("segment ct out --model m", options.CohortOptions),
        ("prompt ct prompts out", options.PromptOptions),
        ("complete ct labels out", options.CompleteOptions),
        ("finetune --out o --base lite", options.FinetuneOptions),
    ],
)
def test_what_the_command_line_leaves_open_is_the_requests_own_default(command, request_class):
    given = vars(_parser().parse_args(command.split()))
    open_fields = {field.name: field.default for field in fields(request_class) if field.name in given}
    open_fields = {name: default for name, default in open_fields.items() if f"--{name}" not in command}
    flags_for_files = {"probabilities", "uncertainty"}  # the command line's own holds where they go
    assert open_fields
    for name, default in open_fields.items():
        if name not in flags_for_files and name not in ("out", "checkpoint"):
            assert given[name] == default, name


def test_no_architecture_is_asked_for_by_its_name():
    names = "|".join(ARCHITECTURES)
    asked = re.compile(rf"""(==|!=|\bin\b)\s*[("'\[{{]*({names})["']""")
    assert {file: asked.findall(text) for file, text in SOURCES.items() if asked.search(text)} == {}


def test_the_library_names_no_option_of_the_command_line():
    flags = set(re.findall(r"--[a-z][a-z-]+", _helps())) - {"--help", "--folder"}
    assert "--device" in flags
    library = {file: text for file, text in SOURCES.items() if not file.startswith("cli/")}
    named = {file: flag for file, text in library.items() for flag in flags if re.search(rf"{flag}\b(?!-)", text)}
    assert named == {}


def test_only_image_slices_turns_slice_numbers_round():
    turned = re.compile(r"(count|length|total)\w* - 1 - k\b")
    assert [file for file, text in SOURCES.items() if turned.search(text)] == ["image/slices.py"]


@pytest.mark.parametrize("name", ["progress", "cancelled"])
def test_how_far_and_whether_to_stop_are_one_argument(name):
    threaded = re.compile(rf"^\s+{name}: (Callable|Progress)", re.MULTILINE)
    allowed = {"segment.py"} if name == "progress" else set()  # the documented short form of Segmenter.segment
    assert {file for file, text in SOURCES.items() if threaded.search(text)} <= allowed


def test_files_fit_on_a_few_screens():
    assert {file: text.count("\n") for file, text in SOURCES.items() if text.count("\n") > LONGEST_FILE} == {}


def _helps() -> str:
    parser = _parser()
    commands = next(action.choices for action in parser._actions if action.choices)
    return parser.format_help() + "".join(command.format_help() for command in commands.values())
