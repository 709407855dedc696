"""Options that no command can follow: huge, not finite, in digits of other scripts, of another kind, or devices of others."""

import pytest
from refused import in_a_process, refused

SEGMENT = ["segment", "ct.nii", "out.nii", "--model", "m"]
FINETUNE = ["finetune", "--images", "a", "--labels", "b", "--base", "lite", "--out", "new"]
COMPLETE = ["complete", "ct.nii", "labels.nrrd", "out.nii"]
PROMPT = ["prompt", "ct.nii", "prompts.json", "out.nii"]
EVALUATE = ["evaluate", "--predictions", "a", "--references", "b"]
IMPORT = ["models", "import", "a.pth", "--base", "vit_b", "--out", "new"]

COUNT = "is no whole number from 1 to 1000000"
RANGE = "is no slice range: write FROM:TO, for example 52:112, or FROM:TO:STEP"
BEYOND = "reaches beyond any scan: write FROM:TO, for example 52:112"
DEVICE = "choose from auto, cpu, cuda, cuda:N, mps or ssh://host"

VALUES = [
    *(
        (SEGMENT, "--batch-size", value, COUNT)
        for value in ("0", "-1", "1.5", "nan", "inf", "1e3", "1_000", "٣", "9" * 5000, "")
    ),
    *((COMPLETE, "--steps", value, COUNT) for value in ("0", "1" + "0" * 30, "\u0966", "1 000")),
    *((SEGMENT, "--workers", value, COUNT) for value in ("0", "1000000000", "two")),
    (SEGMENT, "--retries", "-1", "is no whole number from 0 to 1000000"),
    *(
        (SEGMENT, "--slices", value, RANGE)
        for value in ("3", ":", "5:2", "1:2:0", "0:10:1:1", "nan:3", "0:1e3", "\u0660:\u0663", "0:1_0")
    ),
    *((SEGMENT, "--slices", value, BEYOND) for value in ("0:1000000000000", "0:999999999999999999:3", "99999999:0:-1")),
    (SEGMENT, "--slices", "0:" + "9" * 5000, RANGE),
    (COMPLETE, "--annotated-slices", "0:1000000000000:1", BEYOND),
    (PROMPT, "--slices", "0:1000000000000", BEYOND),
    (PROMPT, "--slices", "0:10:2", "has gaps or begins below 0"),
    (FINETUNE, "--slices", "some", RANGE),
    (FINETUNE, "--slices", "0:1000000000000", BEYOND),
    *(
        (SEGMENT, "--device", value, DEVICE)
        for value in ("meta", "hpu", "xpu", "CPU", "", "cpu:0", "cuda:-1", "cuda:٣", "cuda:99999")
    ),
    (SEGMENT, "--device", "ssh://there/meta", DEVICE),
    *(
        (SEGMENT, "--device", f"ssh://{value}", "is no address: write ssh://host")
        for value in ("", "a b", "there:99999", "-oProxy=x")
    ),
    (SEGMENT, "--precision", "fp64", "invalid choice: 'fp64' (choose from"),
    (PROMPT, "--intensities", "HU", "invalid choice: 'HU' (choose from"),
    *((FINETUNE, "--epochs", value, COUNT) for value in ("0", "1000001", "1e2")),
    *((FINETUNE, "--minutes", value, "is no number") for value in ("0", "-1", "nan", "inf", "1e999", "1_0", "٣", "")),
    *(
        (FINETUNE, "--validation", value, "is no number: write one such as 0.2")
        for value in ("nan", "half", "\u0660.\u0662", "0,2")
    ),
    *((EVALUATE, "--tolerance", value, "is no number") for value in ("nan", "inf", "-2", "0", "2mm")),
    *((IMPORT, "--input-size", value, "is no whole number from 1 to 2048") for value in ("0", "-1", "100000")),
]

AFTER_PARSING = [
    (FINETUNE, "--minutes", "1e300", "1e+300 minutes: give at most 1000000."),
    (FINETUNE, "--validation", "1", "is no fraction to hold out: give a number from 0 up to, but not, 1"),
    (FINETUNE, "--validation", "-0.1", "is no fraction to hold out"),
    (FINETUNE, "--batch-size", "1000000", "1000000 slices a step: give at most 10000"),
    (FINETUNE, "--classes", ",", "no structure is chosen: name at least one, or leave the choice out"),
    (SEGMENT, "--labels", " , ", "no structure is chosen: name at least one, or leave the choice out"),
    (SEGMENT, "--batch-size", "99999", "99999 slices at a time: give at most 10000"),
    (SEGMENT, "--slices", "-3:2", "there is no slice -3: give numbers from the feet"),
]


def ids(cases: list) -> list:
    return [
        pytest.param(*case, id=f"{case[0][0]} {case[1]} {case[2][:20].encode('unicode_escape').decode()}") for case in cases
    ]


@pytest.mark.parametrize(("command", "option", "value", "said"), ids(VALUES))
def test_a_value_that_is_none_is_refused_before_anything_is_read(capfd, tmp_path, command, option, value, said):
    line = refused(capfd, tmp_path, *command, f"{option}={value}")
    assert said in line
    assert line.startswith(f"argument {option}: ")
    assert line.endswith(f'see "samed {" ".join(command[: 2 if command is IMPORT else 1])} --help".')
    assert len(line) < 300


@pytest.mark.parametrize(("command", "option", "value", "said"), ids(AFTER_PARSING))
def test_a_value_that_the_request_refuses_is_refused_in_its_words(capfd, tmp_path, command, option, value, said):
    assert said in refused(capfd, tmp_path, *command, f"{option}={value}")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["segmnet"], "invalid choice: 'segmnet' (choose from", id="no such command"),
        pytest.param(["a\nb\x1b[31m"], "invalid choice", id="a command that would steer the terminal"),
        pytest.param([*SEGMENT, "--speed", "high"], "unrecognized arguments: --speed high", id="no such option"),
        pytest.param(
            [*SEGMENT, "--l", "a"], "ambiguous option: --l could match --labels, --largest-component", id="half an option"
        ),
        pytest.param(["segment", "ct.nii"], "the following arguments are required: OUT, --model", id="half a command"),
        pytest.param([*SEGMENT, "--slices"], "argument --slices: expected one argument", id="no value"),
        pytest.param(["models", "lsit"], "invalid choice: 'lsit'", id="no such action"),
        pytest.param(["remote"], "the following arguments are required: ACTION", id="no action"),
        pytest.param(["remote", "test", "https://there"], "is no address: write ssh://host", id="another kind of address"),
        pytest.param(["models", "fetch", "../../etc"], '"../../etc"', id="no name of a model"),
        pytest.param(["finetune", "--out", "new"], "give --base BASE or --from CHECKPOINT", id="nothing to start from"),
    ],
)
def test_a_command_that_is_none_is_told_in_one_line(capfd, tmp_path, arguments, said):
    line = refused(capfd, tmp_path, *arguments)
    assert said in line
    assert line.isprintable()


def test_a_range_without_end_takes_no_memory(tmp_path):
    assert BEYOND in in_a_process(tmp_path, *SEGMENT, "--slices", "0:1000000000000", memory_bytes=2 * 2**30)
